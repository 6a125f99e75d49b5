"""Rules so simple that what they do to a row of cells can be worked out by hand."""

import torch
from torch import Tensor, nn

from nca import Automaton, Layout, Level, State, UpdateRule, View


class Add(UpdateRule):
    """Propose the same number everywhere."""

    def __init__(self, number: float = 1.0) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.tensor(number, dtype=torch.float64))

    def forward(self, view: View) -> Tensor:
        return torch.zeros_like(view.own) + self.number


class Scale(UpdateRule):
    """Propose a share of what stands there."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, view: View) -> Tensor:
        return self.share * view.own


class Copy(UpdateRule):
    """Propose what another level holds."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.reads = (source,)
        self.source = source

    def forward(self, view: View) -> Tensor:
        return view.level(self.source)


class Ask(UpdateRule):
    """Propose a random number of one's own."""

    def __init__(self, share: str = "") -> None:
        super().__init__()
        self.share = share

    def forward(self, view: View) -> Tensor:
        return view.normal(1, self.share).to(view.own.dtype)


def one_level(*rules: UpdateRule, channels: int = 1, **settings: object) -> Automaton:
    return Automaton(Layout([Level("body", channels)]), {"body": rules}, **settings)


def row(*numbers: float) -> State:
    """Return a state of one row of cells."""
    return State({"body": torch.tensor([[numbers]], dtype=torch.float64)})


def numbers(state: State, name: str = "body") -> list[float]:
    return state[name].flatten().tolist()

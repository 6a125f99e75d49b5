"""First states: what the levels above the input hold before time begins.

Legend: B batch, C channel; `*space` the axes of the grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nca.engine.automaton import Automaton
from nca.engine.layout import Layout
from nca.engine.needs import draw_level
from nca.engine.state import State
from nca.types import NonNegative
from nca.validation.checked import Options


@dataclass(frozen=True)
class InitialStateSpec(Options):
    """What levels start from.

    Attributes:
        kind: `zeros`; `uniform` numbers from 0 to `scale`; or a `learned` vector for each level,
            the same for all cells, plus normal noise of standard deviation `scale`.
        scale: See `kind`; zeros have none.
    """

    kind: Literal["zeros", "uniform", "learned"] = "zeros"
    scale: NonNegative = 0.0


def draw_needed(automaton: Automaton, state: State) -> State:
    """Return the state with random numbers on levels that stand still where they are empty.

    Which levels these are, and what they hold, the rules on them say (`UpdateRule.needs`); others
    stay as they are.
    """
    drawn = {}
    for name in automaton.rules:
        wanted = [rule.needs for rule in automaton.rules_of(name) if rule.needs.states != "any"]
        if wanted:
            drawn[name] = draw_level(state, name, wanted[0])
    return state.replace(drawn)


class InitialState(nn.Module):
    """Fill levels as a start says.

    All randomness is counted: the same sample number, the same first state.

    Args:
        layout: All levels.
        start: What to fill them with.
        levels: Names of the levels to fill; all but the input if none are named.
    """

    def __init__(self, layout: Layout, start: InitialStateSpec, levels: Sequence[str] = ()) -> None:
        super().__init__()
        self.start = start
        self.levels = tuple(levels) or tuple(n for n, level in layout.items() if not level.input)
        learned = self.levels if start.kind == "learned" else ()
        self.vectors = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(layout[name].channels)) for name in learned}
        )

    def forward(self, state: State) -> State:
        """Return the state with its levels filled.

        Args:
            state: Its random seed, step and sample numbers say which numbers are drawn.
        """
        if self.start.kind == "zeros":
            return state
        return state.replace({name: self._filled(state, name) for name in self.levels})

    def _filled(self, state: State, name: str) -> Tensor:
        level, start = state[name], self.start
        channels, size = level.shape[1], state.size(name)
        if start.kind == "uniform":
            drawn = start.scale * state.rng_of(name).uniform(f"start/{name}", channels, size)
            return drawn.to(level.dtype)
        filled = self.vectors[name].view(-1, *(1,) * state.axes).expand(level.shape)
        if start.scale:
            drawn = state.rng_of(name).normal(f"start/{name}", channels, size)
            filled = filled + start.scale * drawn
        return filled.to(level.dtype)

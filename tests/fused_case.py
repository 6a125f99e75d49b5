"""Automata whose steps can be fused, and how far their fused steps are from the plain ones."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from nca import (
    Automaton,
    Layout,
    Level,
    RuleContext,
    State,
    StencilPerception,
    UpdateRule,
    View,
)
from nca.engine.program import (
    Activation,
    Correlation,
    DecayTerm,
    Layer,
    MLPTerm,
    Program,
    Squash,
)
from nca_plugins.glom.attention import Attention
from nca_plugins.glom.mean import ConsensusStep

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NEAR = 1e-5


class Net(UpdateRule):
    """A learned correlation of one level, relu, a change."""

    def __init__(
        self,
        place: RuleContext,
        hidden: int,
        reads: str = "own",
        bound: float | None = None,
        side: int = 3,
    ) -> None:
        super().__init__()
        self.reads = (reads,)
        read = place.level(reads).channels
        self.bound = bound
        self.first = torch.nn.Conv2d(read, hidden, side)
        self.last = torch.nn.Linear(hidden, place.own.channels)

    def program(self) -> Program:
        squash = Squash(self.bound) if self.bound else None
        sight = Correlation(self.reads[0], self.first.weight, self.first.bias, squash)
        last = Layer(self.last.weight, self.last.bias, "relu")
        return Program((MLPTerm((sight,), (last,)),))

    def forward(self, view: View) -> Tensor:
        level = view.level(self.reads[0])
        shown = self.bound * torch.tanh(level / self.bound) if self.bound else level
        hidden = torch.relu(view.correlate(shown, self.first.weight, self.first.bias))
        return self.last(hidden.movedim(1, -1)).movedim(-1, 1)


class Layered(UpdateRule):
    """Learned kernels or stencils over some levels, hidden layers, a change."""

    def __init__(
        self,
        place: RuleContext,
        hidden: Sequence[int],
        activation: Activation = "relu",
        reads: Sequence[str] = ("own",),
        stencils: bool = False,
        bound: float | None = None,
    ) -> None:
        super().__init__()
        self.reads, self.activation = tuple(reads), activation
        self.cell_map = Squash(bound) if bound else None
        self.seen, perceived = torch.nn.ModuleList(), hidden[0]
        for name in reads:
            read = place.level(name).channels
            if stencils:
                self.seen.append(StencilPerception(read, 2, angle=0.3))
                perceived = self.seen[0].features
            else:
                self.seen.append(torch.nn.Conv2d(read, perceived, 3))
        widths = [*([perceived] if stencils else []), *hidden, place.own.channels]
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*pair) for pair in pairwise(widths))
        self.linear = stencils

    def program(self) -> Program:
        sights = []
        for name, seen in zip(self.reads, self.seen, strict=True):
            if isinstance(seen, StencilPerception):
                sights.append(seen.perception(name))
            else:
                sights.append(Correlation(name, seen.weight, seen.bias, self.cell_map))
        layers = [Layer(one.weight, one.bias, self.activation) for one in self.layers]
        if self.linear:
            layers[0] = replace(layers[0], activation="none")
        return Program((MLPTerm(tuple(sights), tuple(layers)),))


class Fade(UpdateRule):
    """Take a learned share of the level away."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = torch.nn.Parameter(torch.tensor(0.2))

    def program(self) -> Program:
        return Program((DecayTerm(self.rate),))

    def forward(self, view: View) -> Tensor:
        return -self.rate * view.own


class Silent(UpdateRule):
    """Say nothing of what it computes."""

    def forward(self, view: View) -> Tensor:
        return 0.1 * view.own


def one_net(channels: int = 5, hidden: int = 12, **settings: object) -> Automaton:
    layout = Layout([Level("body", channels)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Net(RuleContext(layout, "body"), hidden)
    return Automaton(layout, {"body": [net]}, **settings).to(DEVICE)


def layered(
    channels: int, hidden: Sequence[int], activation: Activation, stencils: bool, **settings: object
) -> Automaton:
    """Return an automaton of one level with hidden layers of one activation."""
    layout = Layout([Level("body", channels)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        place = RuleContext(layout, "body")
        net = Layered(place, hidden, activation, stencils=stencils)
    return Automaton(layout, {"body": [net]}, **settings).to(DEVICE)


def attending(channels: int, attention: Attention | None = None, **settings: object) -> Automaton:
    """Return a level whose cells attend to each other, and do nothing else."""
    layout = Layout([Level("body", channels)])
    attention = attention or Attention(learned=True)
    rule = ConsensusStep(RuleContext(layout, "body"), attention=attention)
    return Automaton(layout, {"body": [rule]}, **settings).to(DEVICE)


def three_levels(**settings: object) -> Automaton:
    """Return an input under two levels, with nets between all that are neighbours."""
    layout = Layout([Level("image", 2, input=True), Level("low", 4), Level("high", 3)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        low, high = RuleContext(layout, "low"), RuleContext(layout, "high")
        rules = {
            "low": [Net(low, 7, "below"), Net(low, 5), Net(low, 6, "above", 1.0), Fade()],
            "high": [Net(high, 9, "below", 1.0), Fade(), Fade()],
        }
    return Automaton(layout, rules, **settings).to(DEVICE)


def state_of(automaton: Automaton, batch: int, size: tuple[int, int], random_seed: int) -> State:
    empty = automaton.layout.zeros(batch, size, random_seed=random_seed)
    drawn = {
        name: empty.rng.normal(f"test/{name}", level.channels, size)
        for name, level in automaton.layout.items()
    }
    return empty.replace(drawn).to(DEVICE)


def end_and_gradients(
    automaton: Automaton, state: State, fused: bool, steps: int = 1
) -> tuple[State, dict[str, Tensor]]:
    """Return where a rollout ends, and the gradients of a weighted sum of it."""
    automaton.fused = fused
    first = state.map(lambda level: level.detach().clone().requires_grad_())
    end = automaton.rollout(first, steps)
    weights = state_of(automaton, state.batch, state.size(next(iter(state))), 99)
    loss = sum((end[name] * weights[name]).sum() for name in end)
    named = {**dict(first.levels), **dict(automaton.named_parameters())}
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return end.detach(), {n: g for n, g in zip(named, found, strict=True) if g is not None}


def apart(one: Tensor, other: Tensor) -> float:
    """Return how far two tensors are apart, as a share of the second."""
    assert one.shape == other.shape
    return ((one - other).norm() / other.norm().clamp(min=1e-30)).item()


def assert_same_future(
    automaton: Automaton, state: State, steps: int = 1, gradients_near: float = NEAR
) -> None:
    fused, gradients = end_and_gradients(automaton, state, True, steps)
    plain, wanted = end_and_gradients(automaton, state, False, steps)
    assert fused.step == plain.step
    assert set(gradients) == set(wanted)
    for name in plain:
        assert apart(fused[name], plain[name]) < NEAR, name
        # no cell moves that rests in the plain step, and none rests that moves
        moved = [(end[name] != state[name]).any(1) for end in (fused, plain)]
        assert torch.equal(*moved), name
    for name in wanted:
        assert apart(gradients[name], wanted[name]) < gradients_near, name


def assert_reduced_products_are_near(automaton: Automaton, state: State) -> None:
    # on numbers that bfloat16 holds, rounding puts no hidden unit on the other side of relu's kink
    state = state.map(lambda level: level.bfloat16().float())
    with torch.no_grad():
        for weight in automaton.parameters():
            weight.copy_(weight.bfloat16())
    plain, wanted = end_and_gradients(automaton, state, False)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        fused, gradients = end_and_gradients(automaton, state, True)
    assert fused["body"].dtype == torch.float32
    assert 1e-5 < apart(fused["body"], plain["body"]) < 1e-2
    for name in wanted:
        assert apart(gradients[name], wanted[name]) < 1e-2, name

"""Rules that read one level share one convolution, and nobody can tell."""

import pytest
import torch
from torch import nn

from nca import Automaton, Kernel, Layout, Level, RuleContext, ShapeError, Topology, UpdateRule


class Shared(UpdateRule):
    def __init__(self, place, source, side):
        super().__init__()
        self.reads = (source,)
        self.source = source
        self.conv = nn.Conv2d(place.level(source).channels, place.own.channels, side)

    def kernel(self):
        return Kernel(self.source, self.conv.weight, self.conv.bias)

    def forward(self, view):
        return torch.tanh(view.perceived)


class Alone(Shared):
    def kernel(self):
        return None

    def forward(self, view):
        level = view.level(self.source)
        return torch.tanh(view.correlate(level, self.conv.weight, self.conv.bias))


LAYOUT = Layout([Level("low", 3, input=True), Level("middle", 4), Level("high", 2)])
# three kernels on "middle", of which one has another side; one on each of the others
RULES = {"middle": [("below", 3), ("own", 3), ("above", 3)], "high": [("below", 3), ("below", 5)]}


def built(kind, topology):
    torch.manual_seed(0)
    rules = {
        name: [kind(RuleContext(LAYOUT, name, 2, topology), *rule).double() for rule in own]
        for name, own in RULES.items()
    }
    return Automaton(LAYOUT, rules, topology=topology)


@pytest.mark.parametrize("topology", [Topology("torus"), Topology(("zeros", "reflect"))])
def test_shared_kernels_give_the_same_states_and_gradients(topology):
    ends, gradients = [], []
    for kind in (Shared, Alone):
        automaton = built(kind, topology)
        torch.manual_seed(1)
        state = automaton.seed(2, (6, 5)).map(torch.rand_like)
        end = automaton.rollout(state, 3)
        end["high"].square().sum().backward()
        ends.append(end)
        gradients.append([weight.grad for weight in automaton.parameters()])
    for name in LAYOUT:
        torch.testing.assert_close(ends[0][name], ends[1][name])
    for shared, alone in zip(*gradients, strict=True):
        assert alone.abs().sum() > 0
        torch.testing.assert_close(shared, alone)


def test_a_rule_without_a_kernel_perceives_nothing():
    class Hasty(Alone):
        def forward(self, view):
            return view.perceived

    automaton = Automaton(LAYOUT, {"middle": [Hasty(RuleContext(LAYOUT, "middle"), "own", 3)]})
    with pytest.raises(ShapeError, match="without having declared a kernel"):
        automaton.step(automaton.seed(1, (4, 4)))

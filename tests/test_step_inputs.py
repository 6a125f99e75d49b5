"""Rules that read one level share one convolution, and nobody can tell."""

import pytest
import torch
from torch import nn

from nca import (
    Automaton,
    Correlation,
    Layer,
    Layout,
    Level,
    MLPTerm,
    Program,
    RuleContext,
    Topology,
    UpdateRule,
)
from nca.engine import step_inputs


class Shared(UpdateRule):
    def __init__(self, place, source, side):
        super().__init__()
        self.reads = (source,)
        self.source = source
        self.conv = nn.Conv2d(place.level(source).channels, place.own.channels, side)
        self.register_buffer("same", torch.eye(place.own.channels))

    def program(self):
        reads = Correlation(self.source, self.conv.weight, self.conv.bias)
        return Program((MLPTerm((reads,), (Layer(self.same, None, "tanh"),)),))


class Alone(UpdateRule):
    def __init__(self, place, source, side):
        super().__init__()
        self.reads = (source,)
        self.source = source
        self.conv = nn.Conv2d(place.level(source).channels, place.own.channels, side)

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


def test_correlations_that_differ_in_numbers_alone_are_one_convolution(monkeypatch):
    counted = []
    convolve = step_inputs.correlate_valid
    monkeypatch.setattr(
        step_inputs, "correlate_valid", lambda *a, **k: counted.append(a) or convolve(*a, **k)
    )
    for kind, expected in ((Shared, 4), (Alone, 5)):
        automaton = built(kind, Topology("torus"))
        counted.clear()
        automaton.step(automaton.seed(1, (4, 4)).map(torch.rand_like))
        assert len(counted) == expected


def test_units_of_a_shared_convolution_are_kept_as_they_are_bent_and_no_second_time():
    torch.manual_seed(0)
    layout = Layout([Level("low", 3), Level("middle", 4)])
    rules = [Shared(RuleContext(layout, "middle"), "low", 3) for _ in range(2)]
    for rule in rules:
        rule.program = lambda rule=rule: relu_program(rule)
    automaton = Automaton(layout, {"middle": rules}, tiled=False)
    state = automaton.seed(2, (32, 32)).map(torch.rand_like)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        end = automaton.step(state)
    assert end["middle"].requires_grad
    units = 2 * 4 * 2 * 32 * 32 * 4  # rules, units, samples, cells, bytes
    assert list(kept.values()).count(units) == 1


def relu_program(rule):
    reads = Correlation(rule.source, rule.conv.weight, rule.conv.bias)
    return Program((MLPTerm((reads,), (Layer(rule.same, None, "relu"),)),))

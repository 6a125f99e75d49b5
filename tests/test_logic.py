"""The rule `logic`: gates that are mixed while they learn, and bits afterwards."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

import nca
from nca import TORUS, CheckpointError, Layout, Level, OptionError, RuleContext
from nca.backends.bits.derive import CellCircuit, circuit_of
from nca.checkpoint.find import recipe_text, recipes
from nca.checkpoint.read import read_recipe
from nca.engine.discrete import GateLayer, GatesTerm
from nca.engine.run_program import run_program
from nca.errors import NCAError
from nca.testing.naive_program import naive
from nca_plugins.logic.gates import KINDS, gate_factors, hard_factors, passing_weights, soft_factors
from nca_plugins.logic.neighbourhoods import every_neighbourhood
from nca_plugins.logic.rule import Logic
from nca_plugins.logic.wires import kernel_orders, random_wires

LAYOUT = Layout([Level("cells", 2)])


def logic(axes: int = 2, **options) -> Logic:
    return Logic(RuleContext(LAYOUT, "cells", axes), **options)


def drawn(rule: Logic, random_seed: int = 0) -> Logic:
    generator = torch.Generator().manual_seed(random_seed)
    with torch.no_grad():
        for weight in rule.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return rule


def automaton(rule: nca.UpdateRule) -> nca.Automaton:
    return nca.Automaton(LAYOUT, {"cells": [rule]}).double()


def bits(size: tuple[int, ...] = (5, 6)) -> nca.State:
    state = LAYOUT.zeros(2, size, dtype=torch.float64)
    return state.replace({"cells": state.rng.chance("test", 0.5, 2, size).double()})


@pytest.mark.parametrize("kind", range(KINDS))
def test_the_factors_of_a_gate_give_the_digits_of_its_number(kind):
    none, left, right, both = gate_factors()[kind].tolist()
    outcomes = [
        none + left * a + right * b + both * a * b for a, b in itertools.product((0, 1), repeat=2)
    ]
    assert outcomes == [kind >> place & 1 for place in (3, 2, 1, 0)]


def test_a_mixture_of_one_gate_is_that_gate():
    weights = 200 * torch.eye(KINDS, dtype=torch.float64)[torch.randperm(KINDS)]
    hard = hard_factors(weights, gate_factors())
    assert_close(soft_factors(weights, gate_factors()), hard)
    assert set(hard.flatten().tolist()) == {-2, -1, 0, 1, 2}


def test_of_equal_weights_the_first_gate_is_taken():
    weights = torch.zeros(3, KINDS)
    weights[1, [4, 9]] = 1.0
    weights[2, 15] = 1.0
    assert hard_factors(weights, gate_factors()).equal(gate_factors()[[0, 4, 15]])


def test_learning_begins_with_gates_that_hand_on_their_first_input():
    factors = soft_factors(passing_weights(2, 30.0), gate_factors())
    assert_close(factors, torch.tensor([[0.0, 1.0, 0.0, 0.0]]).expand(2, 4))


@given(inputs=st.integers(1, 40), more=st.integers(0, 40), random_seed=st.integers(0, 9))
def test_random_wires_read_all_inputs_alike_and_no_gate_the_same_twice(inputs, more, random_seed):
    gates = -(-inputs // 2) + more
    first, second = random_wires(random_seed, "update/0", inputs, gates)
    assert len(first) == len(second) == gates
    counts = torch.cat([first, second]).bincount(minlength=inputs)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1
    assert inputs == 1 or not (first == second).any()


def test_wires_follow_from_their_random_seed_alone():
    torch.manual_seed(0)
    one = logic(random_seed=3).state_dict()
    torch.manual_seed(1)
    same, other = logic(random_seed=3).state_dict(), logic(random_seed=4).state_dict()
    wires = [name for name in one if not name.endswith("weights")]
    assert len(wires) == 2 * len(logic().layers)
    assert all(one[name].equal(same[name]) for name in wires)
    assert not all(one[name].equal(other[name]) for name in wires)
    assert kernel_orders(0, 2, 8).tolist() == [[7, 5, 0, 6, 2, 3, 1, 4], [1, 7, 2, 6, 5, 4, 0, 3]]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_first_gates_of_a_kernel_compare_each_neighbour_with_the_cell(axes):
    rule = logic(axes, kernels=3, update=(60,))
    others, centre = 3**axes - 1, 3**axes // 2
    first, second = (
        wires.view(6, others) for wires in (rule.gate_layers[0].first, rule.gate_layers[0].second)
    )
    for kernel in range(6):
        channel = kernel % 2
        wanted = {2 * n + channel for n in range(3**axes)} - {2 * centre + channel}
        assert set(first[kernel].tolist()) == wanted
        assert second[kernel].unique().tolist() == [2 * centre + channel]


def test_the_update_halves_down_to_a_gate_for_each_channel():
    widths = [len(layer.first) for layer in logic(kernels=4, update=(24, 20)).layers]
    assert widths == [8 * 8, 8 * 4, 8 * 2, 8, 24, 20, 10, 5, 3, 2]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_gradients_reach_the_weights_of_every_gate(axes):
    rule = drawn(logic(axes, kernels=3, update=(12, 8)))
    state = bits((5, 4, 6)[:axes])
    after = automaton(rule).train().step(state)["cells"]
    (after * state.rng.uniform("wish", 2, state.size("cells")).double()).sum().backward()
    for weight in rule.parameters():
        assert weight.grad is not None
        assert weight.grad.isfinite().all()
        assert weight.grad.any(dim=1).all()


def test_bits_stay_bits_in_evaluation_and_mix_in_training():
    made = automaton(drawn(logic()))
    hard = made.eval().rollout(bits(), 3)["cells"]
    assert set(hard.unique().tolist()) <= {0.0, 1.0}
    soft = made.train().rollout(bits(), 3)["cells"].detach()
    assert ((soft >= 0) & (soft <= 1)).all()
    assert ((soft > 0.01) & (soft < 0.99)).any()


class Given(nca.UpdateRule):
    """Gates that are given, computed as the engine does or as plainly as can be."""

    def __init__(self, term: GatesTerm, plainly: bool) -> None:
        super().__init__()
        self.term, self.plainly = term, plainly

    def forward(self, view):
        program = nca.Program((self.term,))
        return naive(program, view) if self.plainly else run_program(program, view)


def network(random_seed: int, back: int) -> tuple[GatesTerm, list[torch.Tensor]]:
    """Return mixed gates whose wires reach back over some layers, and their factors."""
    generator = torch.Generator().manual_seed(random_seed)
    offsets = ((0, 0), (-1, 1), (1, 0))
    begins, count, layers, factors = [0], 6, [], []
    for width in (7, 5, 4, 6, 2):
        least = begins[max(len(begins) - back, 0)]
        first, second = torch.randint(least, count, (2, width), generator=generator)
        factors.append(torch.randn(width, 4, generator=generator).double().requires_grad_())
        layers.append(GateLayer(first, second, factors[-1], least))
        begins.append(count)
        count += width
    return GatesTerm(offsets, tuple(layers)), factors


@given(random_seed=st.integers(0, 1000), back=st.integers(1, 6))
def test_gates_and_their_gradients_are_those_of_their_formula(random_seed, back):
    outcomes = []
    for plainly in (False, True):
        term, factors = network(random_seed, back)
        state = bits((3, 4)).map(lambda level: (level * 0.9 + 0.05).requires_grad_())
        after = automaton(Given(term, plainly)).step(state)["cells"]
        (after * torch.linspace(-1, 1, after.numel()).double().view_as(after)).sum().backward()
        gradients = [one.grad if one.grad is not None else one * 0 for one in factors]
        outcomes.append([after.detach(), state["cells"].grad, *gradients])
    assert_close(*outcomes)


def test_a_gate_that_reads_before_the_begin_of_its_layer_is_refused():
    term, _ = network(0, 6)
    wrong = GateLayer(*(getattr(term.layers[-1], n) for n in ("first", "second", "factors")), 30)
    made = automaton(Given(GatesTerm(term.offsets, (*term.layers[:-1], wrong)), False))
    with pytest.raises((IndexError, RuntimeError), match="index"):
        made.step(bits())


def test_a_layer_too_small_to_read_all_before_it_is_refused():
    with pytest.raises(OptionError) as refused:
        logic(kernels=4, update=(4, 3, 1))
    assert "update[0] is 4 gates, which read at most 8 of 10 numbers" in str(refused.value)
    assert "update[2] is 1 gates" in str(refused.value)
    recipe = read_recipe("logic_life", ["levels.cells.rules.0.update=[8]"])
    with pytest.raises(NCAError, match=r"update\[0\] .* of 17 numbers *at least 9"):
        recipe.automaton()


@pytest.mark.parametrize("wire", [-1, 10_000])
def test_wires_of_a_checkpoint_that_lead_nowhere_are_refused(wire):
    rule = logic()
    state = {name: tensor.clone() for name, tensor in rule.state_dict().items()}
    state["layers.2.second"][1] = wire
    with pytest.raises(CheckpointError, match="layer 2 of the gates has wires that lead nowhere"):
        rule.load_state_dict(state)


def test_the_shipped_circuit_of_life_is_right_in_all_neighbourhoods():
    model = nca.load("logic_life", device="cpu")
    grid = every_neighbourhood(2)
    state = model.seed().replace({"cells": grid[None, None]})
    neighbours = TORUS.neighbours(grid[None, None])[0, :, 0].sum(dim=0) - grid
    wanted = (neighbours == 3) | (grid == 1) & (neighbours == 2)
    assert model.automaton.step(state)["cells"][0, 0].equal(wanted.float())
    (rule,) = model.automaton.rules_of("cells")
    (term,) = rule.program().terms
    cell = circuit_of(term)
    assert isinstance(cell, CellCircuit)
    gates = len(cell.circuit.gates)
    assert f"{term.gates} gates" in recipe_text(recipes()["logic_life"])
    assert f"{gates} gates" in recipe_text(recipes()["logic_life"])


def test_the_shipped_circuit_of_life_lets_a_glider_fly_on_any_torus():
    model = nca.load("logic_life", device="cpu")
    level = torch.zeros(1, 1, 17, 23)
    level[0, 0, :3, :3] = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 1, 1.0]])
    state = model.automaton.seed(1, (17, 23)).replace({"cells": level})
    assert model.automaton.rollout(state, 20)["cells"].equal(level.roll((5, 5), (2, 3)))


def test_the_shipped_checkerboard_grows_and_stays():
    model = nca.load("logic_checkerboard", device="cpu")
    state = model.rollout(model.seed(), 8)
    places = torch.arange(12)
    wanted = (places[:, None] + places + 1) % 2
    assert state["cells"][0, 0].equal(wanted.float())
    assert model.rollout(state, 200)["cells"][0, 0].equal(wanted.float())

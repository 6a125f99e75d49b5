"""Steps of bits: circuits, words, and the same future as dense steps have."""

import itertools
import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import topologies
from torch import Tensor

from nca import (
    Alive,
    Automaton,
    DecayTerm,
    GateLayer,
    GatesTerm,
    Layout,
    Level,
    Noise,
    Program,
    RuleContext,
    ShapeError,
    Skip,
    State,
    TableTerm,
    Topology,
    UpdateRule,
    View,
    why_not_bits,
)
from nca.backends.bits.circuit import CircuitBuilder
from nca.backends.bits.derive import CellCircuit, circuit_of
from nca.backends.bits.plan import Operand, Plan
from nca.backends.bits.words import WordGrid
from nca_plugins.discrete.rule_string import MOORE
from nca_plugins.discrete.table_rule import Life
from nca_plugins.elementary import Elementary

VON_NEUMANN = ((-1, 0), (0, -1), (0, 1), (1, 0))
HEXAGONAL = (*VON_NEUMANN, (-1, -1), (1, 1))
AND, OR, XOR = (0, 0, 0, 1), (0, 1, 1, -1), (0, 1, 1, -2)


class Discrete(UpdateRule):
    """A rule of one discrete term."""

    cellwise = True

    def __init__(self, term: TableTerm | GatesTerm) -> None:
        super().__init__()
        self.term, self.radius = term, max(term.radius, 1)

    def program(self) -> Program:
        return Program((self.term,))


def automaton(term: TableTerm | GatesTerm, channels: int = 1, **settings) -> Automaton:
    return Automaton(Layout([Level("cells", channels)]), {"cells": [Discrete(term)]}, **settings)


def drawn(size: tuple[int, ...], states: int = 2, channels: int = 1, seed: int = 0) -> State:
    """Return cells in random states."""
    state = Layout([Level("cells", channels)]).zeros(2, size, random_seed=seed)
    number = state.rng.uniform("cells", channels, size) * states
    return state.replace({"cells": number.floor().to(torch.float32)})


def table(offsets, weights, states: int, counted: tuple[int, ...], seed: int) -> TableTerm:
    """Return a random table."""
    draw = torch.Generator().manual_seed(seed)
    often = max(counted.count(state) for state in counted)
    successors = torch.randint(0, states, (states, often * sum(weights) + 1), generator=draw)
    return TableTerm(offsets, weights, successors, counted)


def assert_the_same_future(term: TableTerm | GatesTerm, state: State, steps: int, **settings):
    channels = state["cells"].shape[1]
    bits, cells = (automaton(term, channels, bits=bits, **settings) for bits in (True, False))
    after = bits.rollout(state, steps)
    assert after == cells.rollout(state, steps)
    assert after.step == state.step + steps
    assert after["cells"].dtype == state["cells"].dtype
    return after


# circuits


def looked_up(term: TableTerm, cell: CellCircuit, states: tuple[int, ...]) -> int:
    """Return the successor of a cell as its table has it, one neighbour after the other."""
    column = 0
    for offset, weight in zip(term.offsets, term.weights, strict=True):
        column += weight * term.counted.count(states[cell.offsets.index(offset)])
    return int(term.successors[states[0], column])


def computed(cell: CellCircuit, states: tuple[int, ...]) -> int:
    inputs = [state >> plane & 1 for state in states for plane in range(cell.planes)]
    outputs = cell.circuit.evaluate(inputs, 1)
    return sum(bit << plane for plane, bit in enumerate(outputs))


@pytest.mark.parametrize("offsets", [MOORE, VON_NEUMANN, HEXAGONAL], ids=["moore", "v", "h"])
def test_every_sum_of_live_neighbours_has_its_circuit(offsets):
    for seed in range(20):
        term = table(offsets, (1,) * len(offsets), 2, (1,), seed)
        cell = circuit_of(term)
        assert isinstance(cell, CellCircuit)
        for states in itertools.product((0, 1), repeat=len(offsets) + 1):
            assert computed(cell, states) == looked_up(term, cell, states)


def test_every_elementary_rule_has_its_circuit():
    context = RuleContext(Layout([Level("cells", 1)]), "cells", 1)
    for number in range(256):
        (term,) = Elementary(context, number=number).program().terms
        assert isinstance(term, TableTerm)
        cell = circuit_of(term)
        assert isinstance(cell, CellCircuit)
        where = [cell.offsets.index(by) for by in ((-1,), (0,), (1,)) if by in cell.offsets]
        for states in itertools.product((0, 1), repeat=3):
            seen = [0, 0, 0]
            for place, state in zip(where, states, strict=True):
                seen[place] = state
            left, own, right = states
            wanted = number >> (4 * left + 2 * own + right) & 1
            assert computed(cell, tuple(seen)) == wanted, number


@given(st.integers(2, 5), st.integers(0, 99), st.booleans())
def test_tables_of_several_states_have_circuits(states, seed, many):
    counted = tuple(random.Random(seed).choices(range(states), k=3 if many else 1))
    term = table(VON_NEUMANN[:3], (1, 2, 1), states, counted, seed)
    cell = circuit_of(term)
    assert isinstance(cell, CellCircuit)
    for cells in itertools.product(range(states), repeat=4):
        assert computed(cell, cells) == looked_up(term, cell, cells)


def test_a_table_of_all_neighbourhoods_that_goes_by_sums_is_as_short_as_one_of_sums():
    (life,) = Life(RuleContext(Layout([Level("cells", 1)]), "cells")).program().terms
    assert isinstance(life, TableTerm)
    sums = [place.bit_count() for place in range(256)]
    whole = TableTerm(MOORE, tuple(128 >> n for n in range(8)), life.successors[:, sums])
    short, long = circuit_of(life), circuit_of(whole)
    assert isinstance(short, CellCircuit)
    assert isinstance(long, CellCircuit)
    assert len(short.circuit.gates) == len(long.circuit.gates) <= 30


def test_what_is_too_large_for_a_circuit_says_so():
    assert circuit_of(table(MOORE, (1,) * 8, 65, (1,), 0)) == "has 65 states, of 64 at most"
    wide = tuple(itertools.product(range(-12, 13), repeat=2))
    assert circuit_of(table(wide, (1,) * 625, 2, (1,), 0)) == "sees 625 cells"


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 40))
def test_a_builder_keeps_what_is_built(seed, inputs, count):
    draw = random.Random(seed)
    builder = CircuitBuilder(inputs)
    cases = [sum(1 << c for c in range(64) if c >> n & 1) for n in range(inputs)]
    ones = 2**64 - 1
    known = [(builder.wire(n), cases[n]) for n in range(inputs)]
    known += [(builder.zero, 0), (builder.one, ones)]
    for _ in range(count):
        (a, x), (b, y), (c, z) = (draw.choice(known) for _ in range(3))
        known += [
            (builder.both(a, b), x & y),
            (builder.either(a, b), x | y),
            (builder.differ(a, b), x ^ y),
            (builder.invert(a), x ^ ones),
            (builder.choose(a, b, c), (y & ~x | z & x) & ones),
        ]
    outputs = draw.sample(known, min(5, len(known)))
    circuit = builder.circuit([literal for literal, _ in outputs])
    assert circuit.evaluate(cases, ones) == [value for _, value in outputs]


@given(st.integers(0, 2**32))
def test_no_buffer_is_overwritten_while_it_is_read(seed):
    term = table(tuple(random.Random(seed).sample(MOORE, 5)), (1, 1, 2, 1, 1), 3, (1,), seed)
    cell = circuit_of(term)
    assert isinstance(cell, CellCircuit)
    plan = Plan.of(cell)
    holds: dict[int, int] = {}
    for number, one in enumerate(plan.instructions):
        for read in one.reads:
            if read.node >= 0:
                place = plan.places[read.node]
                assert holds[place] == read.node
                assert place != one.place or not any(read.move)
        assert one.place < plan.buffers
        holds[one.place] = number
    kept = [read for read in plan.outputs if isinstance(read, Operand) and read.node >= 0]
    assert all(holds[plan.places[read.node]] == read.node for read in kept)


def test_columns_that_are_alike_are_summed_once():
    (life,) = Life(RuleContext(Layout([Level("cells", 1)]), "cells")).program().terms
    assert isinstance(life, TableTerm)
    cell = circuit_of(life)
    assert isinstance(cell, CellCircuit)
    assert len(Plan.of(cell).instructions) <= len(cell.circuit.gates) - 5


# gates


def gates(*layers: list[tuple[int, int, tuple[float, ...]]], offsets=((0, -1), (0, 1))):
    made = [
        GateLayer(
            torch.tensor([a for a, _, _ in layer]),
            torch.tensor([b for _, b, _ in layer]),
            torch.tensor([factors for _, _, factors in layer], dtype=torch.float32),
        )
        for layer in layers
    ]
    return GatesTerm(offsets, tuple(made))


def test_hard_gates_are_stepped_as_bits():
    # of two channels: a neighbour's first xor the other's second, and their and
    term = gates([(0, 3, XOR), (1, 2, OR)], [(4, 5, AND), (5, 4, XOR)])
    state = drawn((9, 70), channels=2)
    after = assert_the_same_future(term, state, 5)
    assert 0.1 < after["cells"].mean() < 0.9


@given(st.integers(0, 2**32))
def test_any_hard_gates_are_stepped_as_bits(seed):
    draw = random.Random(seed)
    hard = [factors for factors in itertools.product((-2, -1, 0, 1, 2), repeat=4) if bits(factors)]
    assert len(hard) == 16
    layers, wires = [], 6
    for width in (5, 4, 2):
        layer = [
            (draw.randrange(wires), draw.randrange(wires), draw.choice(hard)) for _ in range(width)
        ]
        layers.append(layer)
        wires += width
    term = gates(*layers, offsets=((0, -1), (0, 0), (-1, 1)))
    assert_the_same_future(term, drawn((5, 4), channels=2, seed=seed), 3)


def bits(factors: tuple[int, ...]) -> bool:
    none, left, right, both = factors
    return {none, none + left, none + right, none + left + right + both} <= {0, 1}


def test_gates_that_are_still_being_learnt_are_no_bits():
    term = gates([(0, 1, (0.0, 0.5, 0.5, 0.0))])
    reason = why_not_bits(automaton(term), drawn((4, 4)))
    assert reason == 'a rule of level "cells" has gates that are still being learnt'


# words


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.sampled_from([1, 8, 13, 30]),
    st.integers(1, 3),
    st.integers(0, 9),
)
def test_cells_come_back_from_words(size, tall, radius, seed):
    size = (size[0] * tall, *size[1:])
    cells = drawn(size, seed=seed)["cells"].to(torch.uint8)
    grid = WordGrid(size, Topology(), radius)
    assert grid.unpack(grid.pack(cells)).equal(cells)


@given(st.data())
def test_the_future_of_bits_is_that_of_cells(data):
    axes = data.draw(st.integers(1, 3))
    radius = data.draw(st.integers(1, 2))
    around = list(itertools.product(range(-radius, radius + 1), repeat=axes))
    offsets = tuple(
        data.draw(st.lists(st.sampled_from(around), min_size=1, max_size=6, unique=True))
    )
    weights = tuple(data.draw(st.sampled_from([1, 1, 2])) for _ in offsets)
    states = data.draw(st.integers(2, 4))
    counted = (data.draw(st.integers(0, states - 1)),)
    term = table(offsets, weights, states, counted, data.draw(st.integers(0, 99)))
    sides = [data.draw(st.integers(1, 7)) for _ in range(axes)]
    size = (sides[0] * data.draw(st.sampled_from([1, 9, 19])), *sides[1:])
    topology = data.draw(topologies(axes))
    state = drawn(size, states, channels=2, seed=data.draw(st.integers(0, 99)))
    assert_the_same_future(term, state, data.draw(st.integers(0, 4)), topology=topology)


@pytest.mark.parametrize("size", [(1009, 3), (64, 65), (65, 64), (127, 2), (128, 1), (4, 4096)])
def test_sides_of_words_and_beside_them_go_round_the_torus(size):
    (term,) = Life(RuleContext(Layout([Level("cells", 1)]), "cells")).program().terms
    assert isinstance(term, TableTerm)
    assert_the_same_future(term, drawn(size), 6)


def test_a_large_grid_is_stepped_in_blocks(monkeypatch):
    monkeypatch.setattr("nca.backends.bits.stepper.BLOCK", 100)
    term = table(MOORE, (1,) * 8, 3, (1,), 7)
    assert_the_same_future(term, drawn((700, 20), 3), 4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_cells_keep_their_dtype(dtype):
    state = drawn((66, 5)).to(dtype)
    assert_the_same_future(table(MOORE, (1,) * 8, 2, (1,), 3), state, 3)


# when


def test_life_is_stepped_as_bits_unasked_and_is_a_glider():
    layout = Layout([Level("cells", 1)])
    life = Automaton(layout, {"cells": [Life(RuleContext(layout, "cells"))]})
    state = life.seed(1, (70, 50))
    for row, column in ((0, 1), (1, 2), (2, 0), (2, 1), (2, 2)):
        state["cells"][0, 0, row, column] = 1
    assert why_not_bits(life, state) is None
    assert life.rollout(state, 4 * 350) == state  # both sides divide the way


class Doubled(Discrete):
    """A rule of two terms."""

    def program(self) -> Program:
        return Program((self.term, DecayTerm(0.0)))


class Written(UpdateRule):
    """A rule that does not say what it computes."""

    def forward(self, view: View) -> Tensor:
        return view.own * 0


TABLE = table(MOORE, (1,) * 8, 2, (1,), 3)

OBSTACLES = {
    "an alive mask": ({"alive": Alive("cells", 0, 0.5)}, "it has an alive mask"),
    "noise": ({"noise": Noise(0.1)}, "it has an alive mask, noise"),
    "skips": ({"skips": [Skip(2, 0.5)]}, "it has an alive mask, noise, temporal skips"),
    "a step size": ({"step_size": 0.5}, "it has an alive mask, noise, temporal skips or a step"),
    "parts": ({"topology": Topology(extend=lambda *_: torch.zeros(1))}, "divided among processes"),
}


@pytest.mark.parametrize(("settings", "reason"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_stands_in_the_way_is_said(settings, reason):
    assert reason in (why_not_bits(automaton(TABLE, **settings), drawn((4, 4))) or "")


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([Doubled(TABLE)], "is no table and no network of logic gates"),
        ([Written()], "does not declare what it computes"),
        ([Discrete(TABLE), Discrete(TABLE)], "is not alone on it"),
        ([], "no level has a rule"),
    ],
    ids=["two terms", "no program", "two rules", "no rule"],
)
def test_rules_that_are_no_tables_are_named(rules, reason):
    made = Automaton(Layout([Level("cells", 1)]), {"cells": rules})
    assert reason in (why_not_bits(made, drawn((4, 4))) or "")


@pytest.mark.parametrize("number", [0.5, -1.0, 2.0, 257.0, math.nan, math.inf, 1e30])
def test_numbers_that_are_no_states_are_left_to_the_plain_step(number):
    state = drawn((4, 4))
    state["cells"][1, 0, 2, 3] = number
    assert why_not_bits(automaton(TABLE), state) == 'level "cells" holds other numbers than 0 to 1'
    with pytest.raises(ShapeError, match=r"stepped as bits: level \"cells\" holds other numbers"):
        automaton(TABLE, bits=True).step(state)
    plain, chosen = automaton(TABLE, bits=False).step(state), automaton(TABLE).step(state)
    assert torch.equal(plain["cells"].nan_to_num(9), chosen["cells"].nan_to_num(9))


def test_cells_that_fire_by_chance_take_the_plain_step():
    state = drawn((9, 9))
    plain, chosen = automaton(TABLE, bits=False), automaton(TABLE)
    assert plain.rollout(state, 3, fire_rate=0.5) == chosen.rollout(state, 3, fire_rate=0.5)
    with pytest.raises(ShapeError, match="not all cells fire"):
        automaton(TABLE, bits=True).step(state, fire_rate=0.5)


def test_gradients_take_the_plain_step():
    state = drawn((5, 5))
    state = state.replace({"cells": state["cells"].requires_grad_()})
    after = automaton(TABLE).step(state)["cells"]
    after.sum().backward()
    with torch.no_grad():
        assert why_not_bits(automaton(TABLE), state) is None


def test_a_rule_with_hooks_takes_the_plain_step():
    made = automaton(TABLE)
    calls = []
    made.rules_of("cells")[0].register_forward_hook(lambda *_: calls.append(1))
    made.rollout(drawn((5, 5)), 3)
    assert len(calls) == 3


def test_a_function_transform_follows_other_steps():
    made = automaton(TABLE)

    def after(cells: Tensor) -> Tensor:
        return made.step(State({"cells": cells}))["cells"]

    both = torch.stack([drawn((5, 5), seed=seed)["cells"] for seed in (0, 1)])
    assert torch.equal(torch.vmap(after)(both), torch.stack([after(one) for one in both]))


def test_levels_without_rules_stay_as_they_are():
    layout = Layout([Level("input", 2, input=True), Level("cells", 1), Level("above", 1)])
    made = Automaton(layout, {"cells": [Discrete(TABLE)]}, bits=True)
    state = made.seed(2, (6, 7))
    state = state.replace({name: torch.rand_like(level).round() for name, level in state.items()})
    after = made.rollout(state, 3)
    assert after["input"].equal(state["input"])
    assert after["above"].equal(state["above"])
    assert not after["cells"].equal(state["cells"])


def test_a_split_rollout_and_single_steps_are_the_same():
    made, state = automaton(TABLE), drawn((67, 9))
    whole = made.rollout(state, 7)
    assert made.rollout(made.rollout(state, 3), 4) == whole
    for _ in range(7):
        state = made.step(state)
    assert state == whole


def test_a_table_whose_sums_have_no_column_is_refused():
    with pytest.raises(ShapeError) as refusal:
        TableTerm(MOORE, (1,) * 8, torch.zeros(3, 9, dtype=torch.int64), counted=(1, 2, 2))
    assert str(refusal.value) == (
        "a table has 9 columns, and 8 weights whose sums are 0 to 16.\n"
        "  where:  TableTerm with 8 neighbours and 3 states\n"
        "  to do:  give a weight to each neighbour, and successors `(3, sums)`"
    )

"""Tables of successors and logic gates run on a page's graphics card as they do in torch."""

import itertools

import pytest
import torch
from page_case import opened, read
from simple import one_level
from test_bits import Discrete
from test_export_onnx_json import turned_into

from nca import ExportError, GateLayer, GatesTerm, State, TableTerm, Topology
from nca.export import Difference, page_bits, write_html
from nca.export import page_data as plans

MOORE = tuple(o for o in itertools.product((-1, 0, 1), repeat=2) if o != (0, 0))
AROUND = tuple(itertools.product((-1, 0, 1), repeat=2))


def drawn(channels: int, states: int, size: tuple[int, int] = (9, 11)) -> State:
    source = torch.Generator().manual_seed(3)
    cells = torch.randint(0, states, (1, channels, *size), generator=source).float()
    return State({"body": cells})


def life() -> TableTerm:
    successors = torch.zeros(2, 9, dtype=torch.int64)
    successors[0, 3] = successors[1, 2:4] = 1
    return TableTerm(MOORE, (1,) * 8, successors)


def any_table(states: int, offsets, weights, counted) -> TableTerm:
    source = torch.Generator().manual_seed(states)
    shape = (states, sum(weights) + 1)
    return TableTerm(offsets, weights, torch.randint(0, states, shape, generator=source), counted)


TABLES = {
    "life": life(),
    "another table": any_table(2, MOORE, (1,) * 8, (1,)),
    "five states": any_table(5, MOORE, (1,) * 8, (1, 3)),
    "what is empty counts": any_table(3, AROUND, (1,) * 9, (0, 2)),
    "every neighbourhood": any_table(2, AROUND, tuple(2**n for n in range(9)), (1,)),
    "far": any_table(2, ((-3, 2), (0, -2), (1, 3)), (2, 1, 3), (1,)),
}


def gates() -> GatesTerm:
    """Return two layers of random gates over two channels."""
    source = torch.Generator().manual_seed(1)
    bits, sizes, made = 2 * len(AROUND), (40, 30, 2), []
    truths = torch.tensor([[(n >> k) & 1 for k in range(4)] for n in range(16)]).float()
    for count in sizes:
        a, b, c, d = truths[torch.randint(0, 16, (count,), generator=source)].T
        factors = torch.stack([a, b - a, c - a, a - b - c + d], dim=1)
        wires = [torch.randint(0, bits, (count,), generator=source) for _ in range(2)]
        made.append(GateLayer(*wires, factors))
        bits += count
    return GatesTerm(AROUND, tuple(made))


@torch.no_grad()
def assert_the_page_steps_alike(page, term, state: State, file, bits=True, **settings) -> None:
    channels = state["body"].shape[1]
    automaton = one_level(Discrete(term), channels=channels, **settings)
    write_html(turned_into(automaton, state), file, 4, check=False)
    opened(page, file)
    engine = "BitEngine" if bits else "Engine"
    assert page.evaluate("nca.stage.engine.constructor.name") == engine
    page.evaluate("nca.reset()")
    size = state.size("body")
    before = read(page, automaton, size)
    assert torch.equal(before["body"], state["body"])
    page.evaluate("for (let n = 0; n < 6; ++n) nca.step()")
    after = read(page, automaton, size)
    wanted = automaton.rollout(before, 6)
    assert not torch.equal(wanted["body"], state["body"]), "nothing moved"
    assert torch.equal(after["body"], wanted["body"])


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_circuits_of_bits_that_step_as_in_torch(page, tmp_path, name):
    term = TABLES[name]
    assert_the_page_steps_alike(page, term, drawn(1, term.states), tmp_path / "page.html")


@pytest.mark.parametrize("name", ["five states", "far"])
def test_without_a_circuit_tables_are_looked_up_cell_by_cell(page, tmp_path, monkeypatch, name):
    monkeypatch.setattr(page_bits, "MOST_GATES", 5)
    state = drawn(1, TABLES[name].states)
    assert_the_page_steps_alike(page, TABLES[name], state, tmp_path / "page.html", bits=False)


@pytest.mark.parametrize(
    ("size", "boundary"),
    [
        *(((2, 3), "torus"), ((3, 131), "torus"), ((130, 5), "zeros"), ((7, 256), "reflect")),
        *(((4, 290), "replicate"), ((5, 127), "torus"), ((6, 129), "reflect")),
    ],
)
def test_bits_hold_at_the_ends_of_words_and_grids(page, tmp_path, size, boundary):
    state, file, topology = drawn(2, 2, size), tmp_path / "page.html", Topology(boundary)
    assert_the_page_steps_alike(page, TABLES["far"], state, file, topology=topology)


def test_cells_touched_between_steps_of_bits_and_of_chance_are_kept(page, tmp_path):
    file, state = tmp_path / "page.html", drawn(5, 5, (6, 140))
    automaton = one_level(Discrete(TABLES["five states"]), channels=5)
    write_html(turned_into(automaton, state), file, 4, check=False)
    opened(page, file)
    page.evaluate("nca.reset(), nca.step(3), nca.stage.engine.empty([3, 130], 4)")
    cut = read(page, automaton, (6, 140))
    assert not cut["body"][..., 2:4, 128:132].any()
    page.evaluate("nca.rate = 0.5, nca.step(2), nca.rate = 1, nca.step(2)")
    wanted = automaton.rollout(automaton.rollout(cut, 2, fire_rate=0.5), 2)
    assert torch.equal(read(page, automaton, (6, 140))["body"], wanted["body"])
    seen = "nca.stage.draw(0, nca.paper), canvas.toDataURL()"
    assert page.evaluate(seen) != page.evaluate(f"nca.step(), {seen}")


@pytest.mark.parametrize("boundary", ["torus", "zeros", "reflect", "replicate"])
def test_they_end_as_the_topology_says_and_fire_by_chance(page, tmp_path, boundary):
    file, settings = tmp_path / "page.html", {"topology": Topology(boundary), "fire_rate": 0.5}
    assert_the_page_steps_alike(page, TABLES["far"], drawn(5, 2), file, **settings)


def test_gates_are_computed_as_in_torch(page, tmp_path):
    assert_the_page_steps_alike(page, gates(), drawn(2, 2), tmp_path / "page.html")


def test_a_page_is_compared_with_torch_before_it_is_written(tmp_path):
    trained = turned_into(one_level(Discrete(life()), channels=1), drawn(1, 2))
    checked = write_html(trained, tmp_path / "page.html", 6)
    assert isinstance(checked, Difference)
    assert (checked.greatest, checked.engine.partition(",")[2][:8]) == (0, " as bits")


def test_what_is_too_much_for_a_page_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "MOST_COLUMNS", 7)
    monkeypatch.setattr(plans, "MOST_GATES", 70)
    for term, words in ((life(), "more than 7 neighbourhoods"), (gates(), "more than 70 logic")):
        channels = 1 if isinstance(term, TableTerm) else 2
        trained = turned_into(one_level(Discrete(term), channels=channels), drawn(channels, 2))
        with pytest.raises(ExportError, match=words):
            write_html(trained, tmp_path / "page.html", 4, check=False)

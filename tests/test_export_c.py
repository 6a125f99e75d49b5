"""C programs of tables and gates: compiled, they step grids of odd sides as torch does."""

import subprocess

import pytest
import torch

import nca
from nca import ExportError, GateLayer, GatesTerm, Layout, Level, RuleContext, TableTerm
from nca.backends.bits.circuit import Circuit
from nca.backends.bits.derive import CellCircuit, circuit_of
from nca.export import Difference, write_c
from nca.export.c_program import compile_c, find_compiler, rows_of, stepped_by
from nca.export.c_source import c_source, stepped
from nca.registry.registry import registry

PLUS = ((-1, 0), (0, -1), (0, 1), (1, 0))
FAR = ((-2, 3), (0, 70), (0, -65), (1, 0))
needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")


class Given(nca.UpdateRule):
    """A table or gates that are given."""

    def __init__(self, term: TableTerm | GatesTerm) -> None:
        super().__init__()
        self.term, self.radius = term, max(term.radius, 1)

    def program(self) -> nca.Program:
        return nca.Program((self.term,))


def table(states: int, weights=(1, 1, 1, 1), offsets=PLUS, counted=(1,)) -> Given:
    generator = torch.Generator().manual_seed(states)
    successors = torch.randint(states, (states, sum(weights) + 1), generator=generator)
    return Given(TableTerm(offsets, weights, successors, counted))


def automaton(rule, channels: int = 1, axes: int = 2, **settings) -> nca.Automaton:
    layout = Layout([Level("cells", channels)])
    if isinstance(rule, str):
        options = {"kernels": 3, "update": (12, 8)} if rule == "logic" else {}
        rule = registry.get("rule", rule)(RuleContext(layout, "cells", axes), **options)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in rule.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return nca.Automaton(layout, {"cells": [rule]}, **settings).eval()


CASES = {
    "life": automaton("life"),
    "three worlds of life": automaton("life", 3),
    "rows": automaton("elementary", 2, 1),
    "gates": automaton("logic", 3),
    "gates in a row": automaton("logic", 2, 1),
    "three states": automaton(table(3)),
    "five states, told apart": automaton(table(5, (1, 2, 4, 8), counted=(1, 3)), 2),
    "far neighbours": automaton(table(2, (1, 2, 3, 1), FAR)),
    "eleven states": automaton(table(11, (1, 2, 3, 1), FAR, (2, 5))),
    "a hundred states, looked up": automaton(table(100, counted=(1, 50, 99)), 2),
}


@needs_compiler
@pytest.mark.parametrize("name", CASES)
def test_a_program_steps_grids_of_odd_sides_as_torch_does(tmp_path, name):
    axes = 1 if "row" in name else 2
    checked = write_c(CASES[name], "built", axes, tmp_path / "built.c", 6)
    assert isinstance(checked, Difference)
    assert checked.greatest == 0
    assert checked.change >= 1
    source = (tmp_path / "built.c").read_text()
    assert "0 is the greatest difference from torch after 6 steps" in source
    assert ("looked up" in source) == ("looked up" in name)


@needs_compiler
def test_a_glider_comes_back_from_around_the_torus(tmp_path):
    source = c_source(stepped(CASES["life"], 2), "life")
    program = compile_c(find_compiler(), source, tmp_path)
    level = torch.zeros(1, 67, 67, dtype=torch.int64)
    level[0, :3, :3] = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 1, 1]])
    assert stepped_by(program, level, 2, 4 * 67).equal(level)
    assert stepped_by(program, level, 2, 4).equal(level.roll((1, 1), (1, 2)))


@needs_compiler
def test_a_program_compiles_without_a_warning(tmp_path):
    for name in ("life", "gates", "a hundred states, looked up"):
        file = tmp_path / "built.c"
        file.write_text(c_source(stepped(CASES[name], 2), "built"))
        command = [find_compiler(), "-std=c99", "-Wall", "-Wextra", "-pedantic", "-c", file.name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stderr == ""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    if find_compiler() is None:
        pytest.skip("needs a C compiler")
    made = {}
    for name in ("three worlds of life", "eleven states"):
        folder = tmp_path_factory.mktemp("c")
        source = c_source(stepped(CASES[name], 2), name)
        made[name] = compile_c(find_compiler(), source, folder)
    return made


@pytest.mark.parametrize(
    ("name", "text", "arguments", "said"),
    [
        ("three worlds of life", "", (), "there are no cells"),
        ("three worlds of life", "01\n10\n\n11\n11\n", (), "the rows are not as many in each"),
        ("three worlds of life", "01\n1\n", (), "line 2: this row is not as long as the first"),
        ("three worlds of life", "01\n\n0x\n", (), "line 3: a cell is no number"),
        ("three worlds of life", "01\n02\n", (), "line 2: a cell is in a state that there is not"),
        ("three worlds of life", "0\0", (), "the grid cannot be read: it is no text"),
        ("eleven states", "1 11\n", (), "line 1: a cell is in a state that there is not"),
        ("eleven states", "99999999999999999999999\n", (), "in a state that there is not"),
        ("eleven states", "1\n", ("--steps", "-1"), "give --steps a number"),
        ("eleven states", "1\n", ("--steps", "3x"), "give --steps a number"),
        ("eleven states", "1\n", ("--random", "0x3"), "one cell or more"),
        ("eleven states", "1\n", ("--random", "9"), "--random two: 64x64"),
        ("eleven states", "", ("--random", "999999999999x999999999999"), "not fit into memory"),
        ("eleven states", "1\n", ("--what",), "usage: automaton [--steps N]"),
        ("eleven states", "1\n", ("nowhere.txt",), "the file cannot be opened"),
    ],
)
def test_a_program_says_what_is_wrong_with_its_input(programs, name, text, arguments, said):
    command = [str(programs[name]), *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_program_times_random_cells(programs):
    command = [str(programs["eleven states"]), "--random", "5x70", "--steps", "3"]
    said = subprocess.run([*command, "--speed"], capture_output=True, text=True, check=True).stdout
    assert said.endswith(" cells a second\n")
    drawn = subprocess.run([*command[:3], "--steps", "0"], capture_output=True, text=True).stdout
    rows = [line.split() for line in drawn.splitlines()]
    assert [len(row) for row in rows] == [70] * 5
    assert {int(cell) for row in rows for cell in row} == set(range(11))


def test_rows_of_many_states_have_spaces_between_them():
    level = torch.tensor([[[0, 10], [2, 3]], [[1, 1], [0, 0]]])
    assert rows_of(level, 11) == "0 10\n2 3\n\n1 1\n0 0\n"
    assert rows_of(level.clamp(max=9), 10) == "09\n23\n\n11\n00\n"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (automaton("growing", 4), "no table and no network of logic gates"),
        (automaton("life", fire_rate=0.5), "its cells fire by chance"),
        (automaton("life", noise=nca.Noise(0.1)), "an alive mask, noise"),
        (automaton("life", topology=nca.Topology("zeros")), "its grid is no torus"),
        (automaton("logic", axes=3), "its grid has 3 axes"),
    ],
    ids=["net", "chance", "noise", "edge", "axes"],
)
def test_what_no_program_does_is_refused_and_nothing_is_written(tmp_path, given, why):
    with pytest.raises(ExportError, match=why):
        write_c(given, "built", 3 if "axes" in why else 2, tmp_path / "built.c", 2)
    assert not list(tmp_path.iterdir())


def test_gates_that_are_still_mixed_are_refused(tmp_path):
    given = automaton("logic", 2)
    given.train()
    with pytest.raises(ExportError, match='the rule of level "cells"'):
        write_c(given, "built", 2, tmp_path / "built.c", 2)


@needs_compiler
def test_a_program_that_differs_is_found(tmp_path, monkeypatch):
    given = CASES["life"]
    monkeypatch.setattr("nca.export.c_source.OPERATORS", {"and": "&", "or": "|", "xor": "|"})
    with pytest.raises(ExportError, match=r"strays from torch in \d+ cells in 3 steps"):
        write_c(given, "built", 2, tmp_path / "built.c", 3)
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_a_program_says_that_nothing_was_compared(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    given = CASES["life"]
    checked = write_c(given, "built", 2, tmp_path / "built.c", 3)
    assert "there is no C compiler here" in str(checked)
    assert "Not compared with torch: there is no C" in (tmp_path / "built.c").read_text()


def test_a_strangers_name_does_not_end_the_comment():
    source = c_source(stepped(CASES["life"], 2), 'x */ int main(void) { abort(); } /* "')
    assert "abort()" not in source


def test_gates_that_nothing_reads_are_not_in_the_circuit():
    hand_on, both = (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
    first = GateLayer(*wires([0, 1, 2], [1, 2, 2]), torch.tensor([both, both, both]))
    last = GateLayer(*wires([3], [4]), torch.tensor([hand_on]))
    cell = circuit_of(GatesTerm(((0, 0), (0, 1), (1, 0)), (first, last)))
    assert isinstance(cell, CellCircuit)
    assert isinstance(cell.circuit, Circuit)
    assert [gate.op for gate in cell.circuit.gates] == ["and"]


def wires(*numbers: list[int]) -> list[torch.Tensor]:
    return [torch.tensor(one) for one in numbers]

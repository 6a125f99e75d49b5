"""The source of a C program that steps an automaton of few states on a torus.

Where the automaton has a circuit of logic gates, 64 cells are stepped at a time, a bit in each word
for every plane of bits that a state takes. Any other table is looked up cell by cell.
"""

import itertools
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from nca.backends.bits.circuit import ONE, Gate, Op
from nca.backends.bits.derive import CellCircuit, circuit_of
from nca.engine.automaton import Automaton
from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import NotDeclared
from nca.errors import ExportError
from nca.export.c_text import BITS, CELLS, HEAD, MAIN

CHECKED = "<compared>"
"""Where the source says how it was compared, once it was."""
OPERATORS: dict[Op, str] = {"and": "&", "or": "|", "xor": "^"}
MOST_TABLE = 1 << 20
"""Numbers of a table that are written out."""


@dataclass(frozen=True)
class Stepped:
    """What a C program steps.

    Attributes:
        level: The name of the level.
        channels: Of the level.
        term: What its rule computes.
    """

    level: str
    channels: int
    term: TableTerm | GatesTerm

    @property
    def states(self) -> int:
        """How many states a number in a channel has."""
        return self.term.states if isinstance(self.term, TableTerm) else 2


def stepped(automaton: Automaton, axes: int) -> Stepped:
    """Return what of an automaton a C program steps.

    Args:
        automaton: In evaluation mode.
        axes: Of the grid.

    Raises:
        ExportError: It is not one level, with one rule that is a table or gates, alone on a torus,
            or levels differ in scale.
    """
    spec = automaton.spec
    if differ := spec.layout.scales_differ():
        raise _unfit(differ)
    if axes > 2:
        raise _unfit(f"its grid has {axes} axes")
    if any(boundary != "torus" for boundary in spec.topology.of(axes)):
        raise _unfit("its grid is no torus")
    if spec.alive or spec.skips or (spec.noise and spec.noise.scale) or spec.step_size != 1:
        raise _unfit("it has an alive mask, noise, temporal skips or a step size")
    if automaton.fire_rate < 1:
        raise _unfit("its cells fire by chance")
    ruled = [(name, rule) for name in spec.rules for rule in spec.rules_of(name)]
    if len(ruled) != 1:
        raise _unfit(f"it has {len(ruled)} rules")
    ((name, rule),) = ruled
    program = rule.program_alone(spec.context(name, axes))
    what = type(rule).__name__
    if isinstance(program, NotDeclared):
        raise _unfit(f"{what} {program.why}")
    term = program.terms[0]
    if len(program.terms) != 1 or not isinstance(term, TableTerm | GatesTerm):
        raise _unfit(f"{what} is no table and no network of logic gates")
    if any(len(offset) != axes for offset in term.offsets):
        raise _unfit(f"{what} looks along other axes than the grid has")
    return Stepped(name, spec.layout[name].channels, term)


def c_source(what: Stepped, name: str) -> str:
    """Return the source of a program, C99.

    Args:
        what: What it steps.
        name: What it was made of.

    Raises:
        ExportError: Its gates are not hard ones, or its table is too large.
    """
    found = circuit_of(what.term)
    if isinstance(found, str):
        if isinstance(what.term, GatesTerm):
            raise _unfit(f'the rule of level "{what.level}" {found}')
        kind, body = "Each cell is looked up in a table.", _table(what.term)
    else:
        gates = len(found.circuit.gates)
        kind, body = f"A cell is {gates} logic gates.", _bits(what, found)
    head = _filled(
        HEAD,
        version=version("nca"),
        name=re.sub(r"[^\w .-]", "_", name),  # it may come from a stranger, and is compiled
        kind=kind,
        checked=CHECKED,
        cells=_cells(what.states),
        blocks=f", then those of {what.channels} channels below each other" * (what.channels > 1),
        rows=", each row for itself" if len(what.term.offsets[0]) == 1 else "",
        channels=what.channels,
        states=what.states,
    )
    return head + body + MAIN


def _bits(what: Stepped, cell: CellCircuit) -> str:
    table = isinstance(what.term, TableTerm)
    return _filled(
        BITS,
        radius=max(what.term.radius, 1),
        bits=cell.planes if table else 1,
        groups=what.channels if table else 1,
        step="\n".join(f"            {line}" for line in _circuit_lines(cell)),
    )


def _circuit_lines(cell: CellCircuit) -> Iterator[str]:
    """Yield what steps the cells of a row, all planes of them."""
    circuit, places = cell.circuit, list(itertools.product(cell.offsets, range(cell.planes)))
    needed = {wire for gate in circuit.gates for wire in (gate.first, gate.second)}
    needed |= set(circuit.outputs)
    seen = {number: place for number, place in enumerate(places) if number in needed}
    rows: dict[tuple[int, int], str] = {}
    for offset, plane in seen.values():
        down = offset[0] if len(offset) == 2 else 0
        if (plane, down) not in rows:
            rows[plane, down] = f"r{len(rows)}"
            to = f"beside(group * PLANES + {plane}, y, {down})"
            yield f"const uint64_t *restrict {rows[plane, down]} = {to};"
    for plane in range(cell.planes):
        yield f"uint64_t *restrict to{plane} = row(next, group * PLANES + {plane}, y);"
    yield "for (ptrdiff_t w = 0; w < (ptrdiff_t)words; w++) {"
    for number, (offset, plane) in seen.items():
        line = rows[plane, offset[0] if len(offset) == 2 else 0]
        yield f"    const uint64_t w{number} = {_shifted(line, offset[-1])};"
    for number, gate in enumerate(circuit.gates, start=circuit.inputs):
        yield f"    const uint64_t w{number} = {_gate(gate)};"
    for plane, wire in enumerate(circuit.outputs):
        value = f"w{wire}" if wire >= 0 else "~(uint64_t)0" if wire == ONE else "0"
        yield f"    to{plane}[w] = {value};"
    yield "}"


def _shifted(line: str, by: int) -> str:
    """Return the words of the cells so far to the right of those of word `w`."""
    word, shift = divmod(by, 64)
    first = f"{line}[w{word:+d}]" if word else f"{line}[w]"
    if not shift:
        return first
    after = f"{line}[w{word + 1:+d}]" if word + 1 else f"{line}[w]"
    return f"{first} >> {shift} | {after} << {64 - shift}"


def _gate(gate: Gate) -> str:
    if gate.op == "not":
        return f"~w{gate.first}"
    return f"w{gate.first} {OPERATORS[gate.op]} w{gate.second}"


def _table(term: TableTerm) -> str:
    if term.successors.numel() > MOST_TABLE:
        raise _unfit(f"its table has {term.successors.numel():,} numbers")
    counted = [int(state in term.counted) for state in range(term.states)]
    offsets = [(0, *offset)[-2:] for offset in term.offsets]
    return _filled(
        CELLS,
        columns=term.successors.shape[1],
        neighbours=len(term.offsets),
        counted=_numbers(counted),
        offsets=_numbers([f"{{{down}, {right}}}" for down, right in offsets]),
        weights=_numbers(term.weights),
        successors=_numbers(term.successors.flatten().tolist()),
    )


def _numbers(numbers: Sequence[int | str]) -> str:
    return textwrap.fill(
        ", ".join(map(str, numbers)), 98, initial_indent="    ", subsequent_indent="    "
    )


def _cells(states: int) -> str:
    if states <= 10:
        return f"digits from 0 to {states - 1}"
    return f"numbers from 0 to {states - 1} with spaces between them"


def _filled(text: str, **parts: object) -> str:
    """Return a text with what belongs between its at signs."""
    return re.sub(r"@(\w+)@", lambda found: str(parts[found[1]]), text)


def _unfit(why: str) -> ExportError:
    return ExportError(
        f"no C program can be written of this automaton: {why}.",
        where="rules and conditions of the recipe",
        to_do="export one level with one rule of tables or gates, such as life; or use --to torch",
    )

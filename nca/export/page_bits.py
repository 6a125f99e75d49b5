"""Levels that a page steps as bits, many cells to a word of the graphics card.

Legend: P plane of bits.
"""

from typing import Any

from nca.backends.bits.circuit import ZERO, Circuit
from nca.backends.bits.derive import CellCircuit, circuit_of
from nca.backends.bits.stepper import why_not_bits
from nca.engine.automaton import Automaton
from nca.engine.context import RuleContext
from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import Program
from nca.engine.state import State

MOST_GATES, MOST_RADIUS = 1500, 31
"""Of what a page steps as bits: gates that a card compiles soon, and shifts within a word."""


def bits_of(automaton: Automaton, first: State) -> dict[str, dict[str, Any]]:
    """Return the circuits by which a page steps all levels that change; none where it cannot.

    Args:
        automaton: As it shall run; all cells firing, as far as bits are concerned.
        first: The state that the page begins with.
    """
    if why_not_bits(automaton, first) is not None:
        return {}
    found = {}
    for name in automaton.layout:
        for rule in automaton.rules_of(name):
            context = RuleContext(automaton.layout, name, first.axes, automaton.topology)
            program = rule.program_alone(context)
            assert isinstance(program, Program)  # as why_not_bits has seen
            (term,) = program.terms
            assert isinstance(term, TableTerm | GatesTerm)
            cell = circuit_of(term)
            assert isinstance(cell, CellCircuit)
            if len(cell.circuit.gates) > MOST_GATES or term.radius > MOST_RADIUS:
                return {}
            found[name] = _bits(cell, isinstance(term, TableTerm))
    return found


def _bits(cell: CellCircuit, worlds: bool) -> dict[str, Any]:
    return {
        "offsets": [list(offset) for offset in cell.offsets],
        "planes": cell.planes,
        "worlds": worlds,
        **_circuit(cell.circuit),
    }


def _circuit(circuit: Circuit) -> dict[str, Any]:
    """Return gates in order, and the outputs: a wire, or `0` or `1` as text."""
    return {
        "gates": [[gate.op, gate.first, gate.second] for gate in circuit.gates],
        "outputs": [
            wire if wire >= 0 else "0" if wire == ZERO else "1" for wire in circuit.outputs
        ],
    }

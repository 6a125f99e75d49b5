"""What the cells of a level hold: numbers, or one of a few states; their colours, and their count.

A level has few states where a rule on it is a table or a network of gates, or says that cells are
on or off. State 0 is background.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import Program
from nca.engine.run_discrete import state_of
from nca.render.palettes import CONTRAST, PAPER, colour_contrast, legible, state_palette
from nca.tasks.display import StateColours

DARK = torch.tensor([25, 28, 32]) / 255
"""What lies under the cells by night: `--surface` in `style.css`."""

MOST_STATES = 64
"""So many states are distinguished; of more, cells hold numbers."""

LIVE = 0.1
"""A cell that holds a number lives above it."""


@dataclass(frozen=True)
class Holding:
    """What a level holds.

    Attributes:
        states: How many states a cell has; 0: it holds numbers.
        unit: Whether the numbers lie from 0 to 1.
        channel: Which channel holds the state.
        names: A word for each state.
        colours: `(S, 3)` on white paper.
    """

    states: int = 0
    unit: bool = False
    channel: int = 0
    names: tuple[str, ...] = ()
    colours: Tensor | None = None

    def painted(self, dark: bool) -> Tensor:
        """Return the colours of the states, `(S, 3)`, as they are seen by day or by night."""
        if self.colours is None:
            return state_palette(self.states, DARK if dark else PAPER)
        if not dark or colour_contrast(self.colours[:1], PAPER).item() > CONTRAST:
            return self.colours
        return torch.cat([DARK.view(1, 3), legible(self.colours[1:], DARK)])

    def to_json(self) -> dict[str, Any]:
        """Return what a page's brush must know."""
        ground = "" if self.colours is None else hexed(self.colours[0].tolist())
        return {"states": list(self.names), "unit": self.unit, "ground": ground}


def holdings(automaton: Automaton, look: object) -> dict[str, Holding]:
    """Return what each level holds, by its name.

    Args:
        automaton: Its rules say it.
        look: How the task shows it, if it has a task.
    """
    found = {}
    for name in automaton.layout:
        kinds = [rule.needs.states for rule in automaton.rules_of(name)]
        states = max((2 if kind == "binary" else 0 for kind in kinds), default=0)
        states = max([states, *_counted(automaton, name)])
        if isinstance(look, StateColours) and look.level == name:
            colours = look.colours.detach().cpu()
            found[name] = Holding(len(colours), False, look.channel, look.names, colours)
        elif states <= MOST_STATES:
            found[name] = Holding(states, "unit" in kinds, 0, tuple(map(str, range(states))))
        else:
            found[name] = Holding()
    return found


def _counted(automaton: Automaton, level: str) -> list[int]:
    """Return how many states the discrete rules of a level tell apart."""
    found = []
    for rule in automaton.rules_of(level):
        program = rule.declared_program()
        for term in program.terms if isinstance(program, Program) else ():
            if isinstance(term, TableTerm):
                found.append(term.states)
            elif isinstance(term, GatesTerm):
                found.append(2)
    return found


def population_by_state(
    level: Tensor, holding: Holding, living: Tensor | None, dark: bool
) -> list[dict[str, Any]]:
    """Return how many cells of a sample are in each state but the background.

    Args:
        level: The level, `(1, C, *space)`.
        holding: What it holds.
        living: Which cells live, `(1, 1, *space)`, where the automaton knows.
        dark: Whether the page is dark.

    Returns:
        A name, a colour, the count and the share for each state; of cells that hold numbers, of
        those that live; nothing where several channels say nothing of life. No colour: the page's.
    """
    if holding.states:
        held = state_of(level[:, holding.channel], holding.states).long()
        counts = torch.bincount(held.flatten(), minlength=holding.states)[1:].tolist()
        if holding.states == 2 and holding.colours is None:  # which are shown as black and white
            return _rows(["live"], [""], counts, held.numel())
        colours = [hexed(colour) for colour in holding.painted(dark)[1:].tolist()]
        return _rows(holding.names[1:], colours, counts, held.numel())
    if living is None and level.shape[1] > 1:
        return []
    live = living if living is not None else level > LIVE
    return _rows(["live"], [""], [int(live.sum())], live.numel())


def _rows(
    names: Sequence[str], colours: Sequence[str], counts: Sequence[int], cells: int
) -> list[dict[str, Any]]:
    return [
        {"name": name, "colour": colour, "count": count, "share": round(count / cells, 6)}
        for name, colour, count in zip(names, colours, counts, strict=True)
    ]


def hexed(colour: Sequence[float]) -> str:
    """Return a colour, from 0 to 1, as pages write it."""
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)

"""Turmites: agents that walk on a coloured ground and repaint it (Langton 1986; Pegg 2002).

An ant stands on a cell and heads one way. In a step it looks at the colour below it, turns,
repaints the cell, takes on another state of its own where the rule has several, and moves one cell
ahead. Langton's ant is the rule `RL`: on colour 0 it turns right, on colour 1 left, and paints the
next colour.

The ground is a level of one channel, the number of its colour; the ants are the level above it,
four channels for each of their states, which count the ants that head up, right, down and left.
Each of the two levels has a rule of its own, by the same turmite:

    [[levels]]
    name = "ground"
    channels = 1
    rules = [{ name = "turmite_ground", rule = "RL" }]

    [[levels]]
    name = "ants"
    channels = 4
    rules = [{ name = "turmite_ants", rule = "RL" }]

All ants move at once, each by the old colour of its cell. Where several meet, they pass through
each other, and what they add to the colour of the cell adds up, modulo the number of colours: two
of Langton's ants leave it as it was. On a torus no ant is lost; over an edge of zeros ants leave.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nca import Fault, Needs, OptionError, RuleContext, UpdateRule, View, register

HEADINGS = 4
"""Up, right, down, left: a turn to the right is one more."""

LETTERS = {"N": 0, "R": 1, "U": 2, "L": 3}
"""Quarters of a turn to the right: no turn, right, about, left."""

NUMBERS = {1: 0, 2: 1, 4: 2, 8: 3}
"""The same as tables write them."""

MOST = 256
"""Colours or states that a turmite has at most: half precision counts so far."""

BEHIND = (7, 3, 1, 5)
"""Where in its neighbourhood a cell finds those who come to it heading up, right, down, left."""


@dataclass(frozen=True)
class Move:
    """What an ant does on a colour.

    Attributes:
        write: The colour that it paints.
        turn: Quarters of a turn to the right.
        state: Its own state from then on.
    """

    write: int
    turn: int
    state: int


Turmite = tuple[tuple[Move, ...], ...]
"""For each state of an ant what it does on each colour."""


def turmite(rule: str) -> Turmite:
    """Return what a text says that an ant does.

    Args:
        rule: A letter for each colour, `RL`: right, left, N for no turn, U for about; the next
            colour is painted. Or a table as Pegg writes it, `{{{1, 2, 0}, {0, 8, 0}}}`: for each
            state, for each colour, the colour to paint, the turn (1 none, 2 right, 4 about,
            8 left) and the next state.

    Raises:
        OptionError: It says neither.
    """
    text = "".join(rule.split()).upper()
    if re.fullmatch(r"[RLNU]+", text) and len(text) <= MOST:
        colours = len(text)
        letters = enumerate(text)
        return (tuple(Move((c + 1) % colours, LETTERS[turn], 0) for c, turn in letters),)
    table = _table(text) if len(text) <= LONGEST else []
    faults = list(_misfits(table)) if table else [("is no turmite", WRITE)]
    if faults:
        what, to_do = faults[0]
        shown = rule if len(rule) <= 40 else f"{rule[:37]}..."
        raise OptionError([Fault(("rule",), f'"{shown}" {what}', to_do)], f"turmite({shown!r})")
    return tuple(tuple(Move(w, NUMBERS[t], n) for w, t, n in row) for row in table)


WRITE = "write a turn for each colour, RL for Langton's ant, or a table, {{{1, 2, 0}, {0, 8, 0}}}"
"""What to do about a text that is no turmite."""

LONGEST = 1 << 16
"""Characters of a table."""

_NUMBER = r"\d{1,4}"
_MOVE = rf"\{{{_NUMBER},{_NUMBER},{_NUMBER}\}}"
_ROW = rf"\{{{_MOVE}(?:,{_MOVE})*\}}"


def _table(text: str) -> list[list[list[int]]]:
    """Return the numbers of a table: states, colours, moves; nothing if it is none."""
    if not re.fullmatch(rf"\{{{_ROW}(?:,{_ROW})*\}}", text):
        return []
    rows = [re.findall(_MOVE, row) for row in re.findall(_ROW, text)]
    return [[[int(n) for n in re.findall(_NUMBER, move)] for move in row] for row in rows]


def _misfits(table: list[list[list[int]]]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the numbers of a table, and what to do."""
    colours, states = len(table[0]), len(table)
    if colours > MOST or states > MOST:
        yield f"has {colours} colours and {states} states", f"at most {MOST} of each"
    for state, row in enumerate(table):
        if len(row) != colours:
            to_do = f"say for each state what happens on each colour: {colours} times"
            yield f"has {len(row)} moves in state {state}", to_do
        for write, turn, following in row:
            if write >= colours:
                yield f"paints colour {write}", f"it has {colours} colours, from 0"
            if turn not in NUMBERS:
                yield f"turns by {turn}", "1 is no turn, 2 right, 4 about, 8 left"
            if following >= states:
                yield f"goes to state {following}", f"it has {states}, from 0"


def numbers_of_ants(ants: Tensor) -> Tensor:
    """Return how many ants there are, in whole numbers, in the shape of their level."""
    return ants.round().clamp(min=0)


def colour_of(ground: Tensor, count: int) -> Tensor:
    """Return the colour of each cell, int64 `(B, *space)`, from the first channel of a level."""
    return ground.select(1, 0).round().long().remainder(count)


@register.rule("turmite_ground")
class TurmiteGround(UpdateRule):
    """The ground that turmites walk on: its cells are repainted by the ants of the level above.

    Args:
        context: Where the rule stands.
        rule: The turmite, `RL` for Langton's ant; `turmite` says how it is written.

    Raises:
        OptionError: The text is no turmite, or the level above is too small for its states.
    """

    needs = Needs(channels=1, above=HEADINGS, states="binary", alone=True)
    reads = ("own", "above")
    cellwise = True
    radius = 0
    added: Tensor

    def __init__(self, context: RuleContext, *, rule: str = "RL") -> None:
        super().__init__()
        moves = turmite(rule)
        self.states, self.colours = len(moves), len(moves[0])
        refuse_channels(context.above.channels, self.states, rule, "level above")
        added = [[(m.write - c) % self.colours for c, m in enumerate(row)] for row in moves]
        self.register_buffer("added", torch.tensor(added), persistent=False)

    def forward(self, view: View) -> Tensor:
        """Return the way from each colour to the one that the ants paint."""
        own = view.own
        colour = colour_of(own, self.colours)  # (B, *space)
        ants = numbers_of_ants(view.above).unflatten(1, (self.states, HEADINGS)).sum(dim=2)
        added = self.added[:, colour].movedim(0, 1)  # (B, states, *space)
        painted = (colour + (added * ants.long()).sum(dim=1)).remainder(self.colours)
        return painted.unsqueeze(1).to(own.dtype) - own


@register.rule("turmite_ants")
class TurmiteAnts(UpdateRule):
    """The ants of a turmite, which walk on the ground that is the level below.

    Channel `4 * state + heading` counts the ants of a cell in one of their states that head up,
    right, down or left.

    Args:
        context: Where the rule stands.
        rule: The turmite, `RL` for Langton's ant; `turmite` says how it is written.

    Raises:
        OptionError: The text is no turmite, or the level is too small for its states.
    """

    needs = Needs(least_channels=HEADINGS, axes=(2,), states="binary", alone=True)
    reads = ("own", "below")
    taken: Tensor

    def __init__(self, context: RuleContext, *, rule: str = "RL") -> None:
        super().__init__()
        moves = turmite(rule)
        self.states, self.colours = len(moves), len(moves[0])
        refuse_channels(context.own.channels, self.states, rule, "level")
        self.ways = sorted({(s, m.state, m.turn) for s, row in enumerate(moves) for m in row})
        taken = [[(s, m.state, m.turn) == (s, *way) for m in moves[s]] for s, *way in self.ways]
        self.register_buffer("taken", torch.tensor(taken), persistent=False)

    def forward(self, view: View) -> Tensor:
        """Return those who come to each cell, less those who were there."""
        own = view.own
        ants = numbers_of_ants(own)
        taken = self.taken[:, colour_of(view.below, self.colours)]  # (ways, B, *space)
        leaving = [torch.zeros_like(ants[:, :HEADINGS])] * self.states
        for here, (before, after, turn) in zip(taken, self.ways, strict=True):
            turning = ants.narrow(1, HEADINGS * before, HEADINGS) * here.unsqueeze(1)
            leaving[after] = leaving[after] + turning.roll(turn, dims=1)
        around = view.shifted(torch.cat(leaving, dim=1))
        coming = [around[place][:, heading::HEADINGS] for heading, place in enumerate(BEHIND)]
        return torch.stack(coming, dim=2).flatten(1, 2) - own


def refuse_channels(channels: int, states: int, rule: str, level: str) -> None:
    """Refuse a level of ants that has not one channel for each heading in each state.

    Raises:
        OptionError: It has more or fewer.
    """
    if channels != HEADINGS * states:
        words = f"has {states} {'state' if states == 1 else 'states'}, so that {channels} channels"
        to_do = f"give the {level} {HEADINGS * states} channels"
        fault = Fault(("rule",), f"{words} do not fit its {level}", to_do)
        raise OptionError([fault], f"turmite({rule!r:.43})")

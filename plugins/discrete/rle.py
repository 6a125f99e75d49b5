"""Patterns as runs of cells (RLE), in and out: `x = 3, y = 3, rule = B3/S23` and `bo$2bo$3o!`.

    b  or .      an empty cell; 12b: twelve of them
    o            a live one; A to X: states 1 to 24, pA to pX 25 to 48, and so on up to yO, 255
    $            the end of a row; 3$: of three
    !            the end; what follows is not looked at
    #N #O #C     lines before the header: name, author, comments
    #P #R        where the first cell stands: columns, rows; Golly's `#CXRLE Pos=0,0` as well
    #r           a rule, for a header without one; below the header such lines are passed over

The header may be missing where the runs end with `!`; `x = 0, y = 0` leaves the size open. Read
by numpy, a run at a time nowhere: a million of them take a fraction of a second.

Legend: T tokens: a count, perhaps, and the letter that it repeats.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

import numpy as np

from nca_plugins.discrete.families import known_rule
from nca_plugins.discrete.pattern import (
    MOST_CELLS,
    MOST_LETTERS,
    Pattern,
    PatternError,
    place_in,
    refuse_large,
)
from nca_plugins.discrete.rule_string import RuleStringError

HEADER = re.compile(
    r"[ \t]*x[ \t]*=[ \t]*(\d{1,18})[ \t]*,[ \t]*y[ \t]*=[ \t]*(\d{1,18})[ \t]*"
    r"(?:,[ \t]*rule[ \t]*=([^\n]*))?\r?(?:\n|$)",
    re.IGNORECASE,
)
NOTE = re.compile(r"[ \t]*(?:#[^\n]*)?\r?(?:\n|$)")
COMMENT = re.compile(r"^[ \t]*#[^\n]*", re.MULTILINE)
LIKE_HEADER = re.compile(r"[ \t]*[xX][ \t]*[=:\d]|[ \t]*rule[ \t]*=", re.IGNORECASE)
FORM = "write x = 3, y = 3, rule = B3/S23, and below it the runs: bo$2bo$3o!"
RUNS = "write counts and letters: 2o is two live cells, $ ends a row, ! the pattern"
LONGEST_COUNT = 9
LINE = 70
"""Letters of a line of runs at most."""

Refuse: TypeAlias = Callable[[int, str], NoReturn]

DIGITS = np.zeros(256, dtype=bool)
DIGITS[[*b"0123456789"]] = True
STATES = np.full(256, -1, dtype=np.int16)
STATES[[*b"b."]] = 0
STATES[[*b"o"]] = 1
STATES[[*b"ABCDEFGHIJKLMNOPQRSTUVWX"]] = np.arange(1, 25)
PREFIXES = np.zeros(256, dtype=np.int16)
PREFIXES[[*b"pqrstuvwxy"]] = 24 * np.arange(1, 11)


def read_rle(text: str, label: str = "the pattern") -> Pattern:
    """Read a pattern of runs.

    Args:
        text: The whole text.
        label: What errors call it, such as a file's name.

    Raises:
        PatternError: It is none, too large, or at odds with its header; line and column are said.
    """
    if len(text) > MOST_LETTERS:
        raise PatternError(
            f"the pattern has {len(text):,} letters, more than {MOST_LETTERS:,}.",
            where=label,
            to_do="cut it into parts",
        )
    notes, at = _notes(text)
    if header := HEADER.match(text, at):
        width, height = int(header[1]), int(header[2])
        rule, begin = (header[3] or "").strip() or notes.rule, header.end()
        if width and height and not text[begin:].strip():
            raise _fault(text, at, label, "has no runs below its header", FORM)
    elif LIKE_HEADER.match(text, at):
        raise _fault(text, at, label, "has a header that cannot be read", FORM)
    elif "!" not in text[at:]:
        raise _fault(text, at, label, "has no header", FORM)
    else:
        width = height = 0
        rule, begin = notes.rule, at
    refuse_large(width, height, place_in(text, at, label))
    cells = _cells(text, begin, width, height, label)
    found = Pattern(cells, rule, notes.name, notes.author, tuple(notes.comments), notes.offset)
    _refuse_states(found, text, at, label)
    return found


def write_rle(pattern: Pattern) -> str:
    """Return a pattern as runs, in lines of at most 70 letters."""
    height, width = pattern.cells.shape
    lines = [f"#N {pattern.name}"] * bool(pattern.name) + [f"#O {pattern.author}"] * bool(
        pattern.author
    )
    lines += [f"#C {comment}" for comment in pattern.comments]
    if pattern.offset:
        lines.append(f"#P {pattern.offset[0]} {pattern.offset[1]}")
    rule = f", rule = {pattern.rule}" if pattern.rule else ""
    lines.append(f"x = {width}, y = {height}{rule}")
    line = ""
    for token in _tokens(pattern.cells):
        if len(line) + len(token) > LINE:
            lines.append(line)
            line = ""
        line += token
    return "\n".join([*lines, line, ""])


def _tokens(cells: np.ndarray) -> list[str]:
    """Return the runs of all rows: empty ends of rows and of the whole left out."""
    letters = {0: "b", 1: "o"} if cells.max(initial=0) <= 1 else {n: _letter(n) for n in range(256)}
    found: list[str] = []
    ended = 0
    for row in cells:
        live = np.flatnonzero(row)
        if len(live):
            if ended:
                found.append(f"{ended if ended > 1 else ''}$")
                ended = 0
            row = row[: live[-1] + 1]
            starts = np.flatnonzero(np.diff(row, prepend=-1 - int(row[0])))
            counts = np.diff(starts, append=len(row))
            found += [
                f"{count if count > 1 else ''}{letters[state]}"
                for count, state in zip(counts.tolist(), row[starts].tolist(), strict=True)
            ]
        ended += 1
    return [*found, "!"]


def _letter(state: int) -> str:
    if state == 0:
        return "."
    prefix, letter = divmod(state - 1, 24)
    return ("" if not prefix else chr(ord("o") + prefix)) + chr(ord("A") + letter)


@dataclass
class _Notes:
    """What the lines before the header say."""

    name: str = ""
    author: str = ""
    rule: str = ""
    offset: tuple[int, int] | None = None
    comments: list[str] = field(default_factory=list)


def _notes(text: str) -> tuple[_Notes, int]:
    """Read the lines that begin with `#`; return where what follows them begins."""
    notes, at = _Notes(), 0
    while (line := NOTE.match(text, at)) and line.end() > at:
        at = line.end()
        words = line[0].strip()
        kind, rest = words[:2], words[2:].strip()
        numbers = [int(number) for number in re.findall(r"-?\d{1,9}", rest)]
        if kind == "#N":
            notes.name = rest
        elif kind == "#O":
            notes.author = rest
        elif words.startswith("#CXRLE"):
            if where := re.search(r"Pos=(-?\d{1,9}),(-?\d{1,9})", words):
                notes.offset = int(where[1]), int(where[2])
        elif kind in ("#P", "#R") and len(numbers) == 2:
            notes.offset = numbers[0], numbers[1]
        elif kind == "#r":
            notes.rule = rest
        elif words.startswith("#"):
            notes.comments.append(rest if kind in ("#C", "#c", "#D") else words[1:].strip())
    return notes, at


def _cells(text: str, begin: int, width: int, height: int, label: str) -> np.ndarray:
    """Return the cells of runs, `(H, W)`; a size of 0 is read off them."""
    body = text[begin:]
    if "#" in body:  # comments, as long in spaces, so that places stay
        body = COMMENT.sub(lambda line: " " * len(line[0]), body)
    body = body.partition("!")[0]
    # letters that are no ASCII become one that is never right
    letters = np.frombuffer(body.encode("ascii", "replace"), dtype=np.uint8)
    places = np.flatnonzero(letters > 32)
    letters = letters[places]

    def refuse(number: int, what: str) -> NoReturn:
        at = begin + int(places[number])
        raise _fault(text, at, label, what.replace("{}", text[at]), RUNS)

    counts, states, last = _read_tokens(letters, refuse)
    ends_row = states < 0
    before = np.cumsum(np.where(ends_row, counts, 0)) - np.where(ends_row, counts, 0)  # rows
    right = np.cumsum(np.where(ends_row, 0, counts))
    edge = np.maximum.accumulate(np.where(ends_row, right, 0)) if len(right) else right
    right = right - edge  # where a run ends in its row
    runs = ~ends_row & (counts > 0)
    wide = int(right[runs].max(initial=0))
    high = int(before[runs].max(initial=-1)) + 1
    if width and height:
        wrong = runs & ((right > width) | (before >= height))
        if wrong.any():
            n = int(np.flatnonzero(wrong)[0])
            row, cell = int(before[n]) + 1, int(right[n])
            over = f"row {row} has {cell:,} cells" if row <= height else f"there is a row {row:,}"
            what = f"is larger than its header says: {over}"
            to_do = f"write x = {max(wide, width)}, y = {max(high, height)} in the header"
            raise _fault(text, begin + int(places[last[n]]), label, what, to_do)
    else:
        width, height = max(wide, 0), max(high, 0)
        refuse_large(width, height, label)
    # each run raises the sum where it begins and lowers it where it ends; they never overlap
    change = np.zeros(width * height + 1, dtype=np.int16)
    live = runs & (states > 0)
    stop = before[live] * width + right[live]
    change[stop - counts[live]] += states[live]
    change[stop] -= states[live]
    np.cumsum(change, out=change)
    return change[:-1].astype(np.uint8).reshape(height, width)


def _read_tokens(letters: np.ndarray, refuse: Refuse) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return count and state of each of T tokens, -1 for the end of rows, and their last letters.

    Args:
        letters: Without spaces.
        refuse: Called with the number of a letter and what is wrong with it; `{}` is the letter.
    """
    digit, prefix, state = DIGITS[letters], PREFIXES[letters], STATES[letters]
    ends = state >= 0
    rows = letters == ord("$")
    strange = ~(digit | ends | rows | (prefix > 0))
    if strange.any():
        n = int(np.flatnonzero(strange)[0])
        refuse(n, 'has "{}", which is no run')
    last = np.flatnonzero(ends | rows)
    if len(letters) and (not len(last) or last[-1] < len(letters) - 1):
        refuse(len(letters) - 1, "ends in the middle of a run")
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    prefixed = np.flatnonzero(prefix > 0)
    capital = (letters >= ord("A")) & (letters <= ord("X"))
    if len(prefixed) and not (fits := capital[prefixed + 1]).all():
        refuse(int(prefixed[~fits][0]), 'has "{}" without a letter from A to X behind it')
    values = state[last].copy()
    shifted = np.zeros(len(last), dtype=bool)
    if len(prefixed):
        owner = np.searchsorted(last, prefixed)
        shifted[owner] = True
        values[owner] += prefix[prefixed]
    if (values > 255).any():
        refuse(int(last[np.flatnonzero(values > 255)[0]]), "has a state above 255")
    stop = last - shifted
    length = stop - first
    if (length > LONGEST_COUNT).any():
        n = int(np.flatnonzero(length > LONGEST_COUNT)[0])
        refuse(int(first[n]), f"has a count of {int(length[n])} digits, more than {MOST_CELLS:,}")
    counts = np.where(length == 0, 1, 0).astype(np.int64)
    for power in range(int(length.max(initial=0))):
        place = stop - 1 - power
        there = place >= first
        counts[there] += (letters[place[there]].astype(np.int64) - 48) * 10**power
    return counts, values, last


def _refuse_states(pattern: Pattern, text: str, at: int, label: str) -> None:
    """Refuse states that the rule of the header does not have."""
    try:
        rule = known_rule(pattern.rule) if pattern.rule else None
    except RuleStringError:
        return  # whoever asks for the rule hears what is wrong with it
    if rule and pattern.states > rule.states:
        what = f"has cells in state {pattern.states - 1}, of {rule.states} of its rule {rule.text}"
        raise _fault(text, at, label, what, "give the rule of these cells in the header")


def _fault(text: str, at: int, label: str, what: str, to_do: str) -> PatternError:
    return PatternError(f"{label} {what}.", where=place_in(text, at, label), to_do=to_do)

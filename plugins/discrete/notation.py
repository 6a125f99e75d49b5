"""Texts that stand for a recipe: a rule string, a pattern file, and the name of a pattern.

nca play "B36/S23"        a soup under the rule; the grid is 128 x 128, or as its suffix says
nca play glider.rle       the pattern, under the rule of its header, with room around it
nca play glider           the pattern that comes along under this name, likewise
"""

import re
from pathlib import Path

import tomlkit

from nca import register
from nca.data import read_whole
from nca.types import Size
from nca_plugins.discrete.families import known_rule, read_rule
from nca_plugins.discrete.pattern import PatternError
from nca_plugins.discrete.pattern_files import read_pattern
from nca_plugins.discrete.patterns import RULES, RUNS
from nca_plugins.discrete.rle import read_rle
from nca_plugins.discrete.rule_string import RuleString, RuleStringError
from nca_plugins.discrete.table_rule import is_life_like

SIDE, ROW = 128, 256
"""Cells along each axis of a grid, and of a row, where nothing says how many."""

SOUP = 0.3
"""The share of cells of a soup that are on."""

TEXT_ENDINGS = (".rle", ".cells")
OTHER_ENDINGS = (".lif", ".life", ".mc", ".mcl", ".txt")
"""Of files of patterns that are not read; a text is refused where it begins like one."""

LIKE_PATTERN = re.compile(r"^(#Life|\[M2\]|!|x *= *\d+ *, *y *= *\d)", re.MULTILINE)
BEGINNING = 2000

MOST_SIDE, MOST_CELLS = 1_000_000, 1 << 26
"""Of the grid that is made for a pattern."""


@register.notation("rule_string")
def rule_string(text: str) -> str | None:
    """Return the recipe of a rule string, as TOML; None if it is none.

    Raises:
        RuleStringError: It is one, and faulty.
    """
    try:
        rule = known_rule(text)
    except RuleStringError:
        rule = read_rule(text)  # which suggests what was meant
    if rule is None:
        return None
    start: dict[str, str | float] = {}
    if rule.family == "Wireworld":
        start = {"pattern": "wireworld_clock"}
    elif rule.axes == 2:
        start = {"soup": SOUP}
    return recipe_of(rule, _size(rule, (0, 0)), start)


@register.notation("pattern_file")
def pattern_file(text: str) -> str | None:
    """Return the recipe of a pattern file, as TOML; None if the text is no path of one.

    Raises:
        NCAError: The file cannot be read, or its rule is none that is known.
    """
    if "\n" in text:
        return None
    path = Path(text).expanduser().absolute()
    if text.lower().endswith(OTHER_ENDINGS) and path.is_file():
        _refuse_other(text, path)
    if not text.lower().endswith(TEXT_ENDINGS):
        return None
    if not path.is_file():
        raise _no_file(text, path)
    pattern = read_pattern(read_whole(path), path.name)
    try:
        rule = read_rule(pattern.rule or "B3/S23")
    except RuleStringError as fault:
        where = f"{fault.where}, as {path.name} says"
        raise RuleStringError(fault.what, where=where, to_do=fault.to_do) from None
    height, width = pattern.cells.shape
    size = _size(rule, (height, width))
    _demand_room(rule, (height, width), size, path)
    return recipe_of(rule, size, {"pattern": path.as_posix()})


@register.notation("pattern_name")
def pattern_name(text: str) -> str | None:
    """Return the recipe of a pattern that comes along, as TOML; None if none has this name."""
    if text not in RUNS:
        return None
    height, width = read_rle(RUNS[text], text).cells.shape
    rule = read_rule(RULES.get(text, "B3/S23"))
    return recipe_of(rule, _size(rule, (height, width)), {"pattern": text})


def _refuse_other(text: str, path: Path) -> None:
    """Refuse a pattern in a file that is not read as one."""
    first = read_whole(path)[:BEGINNING].decode("latin-1")
    if path.suffix.lower() != ".txt" or LIKE_PATTERN.search(first):
        to_do = "save it as runs (.rle) or as plain text (.cells), and name it so"
        raise PatternError(
            f'"{text}" is no pattern file that is read.', where=str(path), to_do=to_do
        )


def _demand_room(rule: RuleString, pattern: tuple[int, int], size: Size, path: Path) -> None:
    """Refuse a pattern that its rule's grid does not hold, or that needs too large a one.

    Raises:
        PatternError: It is.
    """
    height, width = (1, *size)[-2:]
    if rule.bounds and (pattern[0] > height or pattern[1] > width):
        raise PatternError(
            f"{path.name} has {pattern[1]} x {pattern[0]} cells, and its rule {rule.text} a grid "
            f"of {width} x {height}.",
            where=str(path),
            to_do="write a larger grid at the end of the rule, or none",
        )
    if max(size) > MOST_SIDE or height * width > MOST_CELLS:
        raise PatternError(
            f"{path.name} has {pattern[1]:,} x {pattern[0]:,} cells, and with room around it "
            f"{width:,} x {height:,}, more than {MOST_CELLS:,} cells or {MOST_SIDE:,} a side.",
            where=str(path),
            to_do=f"give the grid's size yourself: nca run {rule.text} {path.name} --set "
            "grid.size=[HEIGHT,WIDTH]",
        )


def _no_file(text: str, path: Path) -> PatternError:
    """Return the refusal of a path where no file is; what lies beside it is suggested."""
    what = f'"{text}" is a folder' if path.is_dir() else f'there is no pattern file "{text}"'
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    files = sorted(one.name for one in beside if one.suffix.lower() in TEXT_ENDINGS)
    others = [name for name in files if name != path.name][:5]
    to_do = f"there are {', '.join(others)}" if others else "give the path of a file of cells"
    return PatternError(f"{what}.", where=str(path), to_do=f"{to_do}; nca plugins lists names")


def recipe_of(rule: RuleString, size: Size, start: dict[str, str | float]) -> str:
    """Return a recipe of one level, as TOML.

    Args:
        rule: Its rule.
        size: Cells along each axis.
        start: What the task begins with.
    """
    text = rule.text.partition(":")[0]
    kind = "life" if is_life_like(rule) else "discrete"
    boundary = rule.bounds.boundary if rule.bounds else "torus"
    options = "".join(f"{key} = {_toml(value)}\n" for key, value in start.items())
    return (
        f"# {rule.text}: {rule.family}.\nformat = 1\n\n"
        f"[grid]\nsize = {list(size)}\ntopology = {_toml(boundary)}\n\n"
        f'[[levels]]\nname = "cells"\nchannels = 1\n'
        f'rules = [{{ name = "{kind}", rule = {_toml(text)} }}]\n\n'
        f"[rollout]\nsteps = 256\n\n"
        f'[task]\nname = "pattern"\nrule = {_toml(text)}\n{options}'
    )


def _size(rule: RuleString, pattern: tuple[int, int]) -> Size:
    if rule.bounds:
        return rule.bounds.size
    if rule.axes == 1:
        return (max(ROW, 2 * pattern[1]),)
    height, width = (max(SIDE, 2 * side) for side in pattern)
    return (height, width)


def _toml(value: str | float) -> str:
    return tomlkit.item(value).as_string()

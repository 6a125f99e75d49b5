"""Texts that stand for a recipe: a rule string, a pattern file, and the name of a pattern.

nca play "B36/S23"        a soup under the rule; the grid is 128 x 128, or as its suffix says
nca play glider.rle       the pattern, under the rule of its header, with room around it
nca play glider           the pattern that comes along under this name, likewise
"""

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
    if not text.lower().endswith(TEXT_ENDINGS) or "\n" in text:
        return None
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise _no_file(text, path)
    pattern = read_pattern(read_whole(path), path.name)
    try:
        rule = read_rule(pattern.rule or "B3/S23")
    except RuleStringError as fault:
        where = f"{fault.where}, as {path.name} says"
        raise RuleStringError(fault.what, where=where, to_do=fault.to_do) from None
    height, width = pattern.cells.shape
    return recipe_of(rule, _size(rule, (height, width)), {"pattern": path.as_posix()})


@register.notation("pattern_name")
def pattern_name(text: str) -> str | None:
    """Return the recipe of a pattern that comes along, as TOML; None if none has this name."""
    if text not in RUNS:
        return None
    height, width = read_rle(RUNS[text], text).cells.shape
    rule = read_rule(RULES.get(text, "B3/S23"))
    return recipe_of(rule, _size(rule, (height, width)), {"pattern": text})


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

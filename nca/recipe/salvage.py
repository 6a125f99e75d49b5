"""What is left of a recipe with faults, so that all that is wrong can be said at once.

What is faulty is taken out, or gives way to a stand-in where there must be something. Faults that
hang on such a place are then left out.
"""

import copy
from collections.abc import Collection, Iterable
from typing import Any

from pydantic import ValidationError

from nca.jsonl import dumps
from nca.recipe.tables import FORMAT, Tables
from nca.validation.faults import Fault, KeyPath, faults_of

STAND_INS: dict[KeyPath, Any] = {
    ("format",): FORMAT,
    ("grid",): {"size": [64, 64]},
    ("grid", "size"): [64, 64],
    ("levels",): [{"name": "hollow", "channels": 64}],
    ("rollout",): {"steps": 64},
    ("rollout", "steps"): 64,
}
"""What must be there."""

ROUNDS = 4


def salvage(tables: dict[str, Any], faults: Iterable[Fault]) -> tuple[Tables | None, set[KeyPath]]:
    """Return tables without what is faulty, if there is a way, and which places that took.

    Args:
        tables: A recipe as TOML has it, without dates and other odd values.
        faults: What is wrong with its types and ranges.
    """
    left, hollow = copy.deepcopy(tables), set()
    for _ in range(ROUNDS):
        for path in [fault.path for fault in faults]:
            hollow.add(_hollow(left, path))
        try:
            return Tables.model_validate_json(dumps(left), strict=True), hollow
        except ValidationError as error:
            faults = faults_of(error, Tables)
    return None, hollow


def hangs_on(fault: Fault, places: Collection[KeyPath]) -> bool:
    """Return whether a fault lies in one of the places, holds one, or hangs on one."""
    # no other table hangs on the options of a rule
    around = [place for place in places if "rules" not in place[:3] or len(place) < 5]
    if any(overlap(fault.path, place) for place in places):
        return True
    return any(overlap(key, place) for key in fault.others for place in around)


def overlap(one: KeyPath, other: KeyPath) -> bool:
    """Return whether one of two places holds the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _hollow(tables: dict[str, Any], path: KeyPath) -> KeyPath:
    """Take out what is faulty; return the place that was emptied."""
    if path[:1] == ("levels",) and len(path) > 2:
        return _hollow_level(tables, path)
    cut = next((n for n, part in enumerate(path) if isinstance(part, int)), len(path))
    path = path[: max(cut, 1)] or path
    last = path[len(path) - 1]
    if path in STAND_INS:
        _put(tables, path, STAND_INS[path])
        return path
    table: Any = tables
    for part in path[:-1]:
        table = table.get(part) if isinstance(table, dict) else None
    if isinstance(table, dict) and last in table:
        del table[last]
        return path
    if len(path) > 1:  # what is missing has no stand-in: the table goes
        return _hollow(tables, path[:-1])
    return path


def _hollow_level(tables: dict[str, Any], path: KeyPath) -> KeyPath:
    number, levels = path[1], tables.get("levels")
    level = None
    if isinstance(levels, list) and isinstance(number, int) and number < len(levels):
        level = levels[number]  # a stand-in for all levels has but one
    if not isinstance(level, dict):
        return _hollow(tables, ("levels",))
    match path[2]:
        case "name":
            level["name"] = f"hollow_{number}"
        case "channels":
            level["channels"] = 64
        case "rules" if len(path) > 3 and isinstance(level.get("rules"), list):
            level["rules"][path[3]] = {"name": "hollow"}
            return path[:4]
        case key:
            level.pop(key, None)
    return path[:3]


def _put(tables: dict[str, Any], path: KeyPath, value: Any) -> None:
    table: Any = tables
    for part in path[:-1]:
        table = table[part]
    table[path[-1]] = copy.deepcopy(value)

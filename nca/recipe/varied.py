"""Hyperparameters that copies of a population may have otherwise, and where a recipe has them.

`learning_rate`, `steps`, `fire_rate`, `noise` and `dropout`, each one number; see `Vary`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nca.recipe.tables import RuleTable, Tables


def first_values(tables: Tables) -> dict[str, list[float]]:
    """Return what a recipe says of each: nothing, one value, or different ones, rising.

    A value of 0 counts as nothing, for factors do not change it.
    """
    rollout, train = tables.rollout, tables.train
    found = {
        "learning_rate": [train.learning_rate if train else 0.0],
        "steps": [float(rollout.steps[1])],
        "fire_rate": [rollout.fire_rate],
        "noise": [rollout.noise.scale if rollout.noise else 0.0],
        "dropout": [value for _, value in _dropouts(tables)],
    }
    return {name: sorted({v for v in values if v > 0}) for name, values in found.items()}


def values_in_recipe(
    tables: Tables, values: Mapping[str, float], moments: tuple[int, ...]
) -> dict[str, Any]:
    """Return the keys of a recipe, `table.key`, with which it has other hyperparameters.

    Args:
        tables: The recipe's.
        values: By name, as `first_values` has them.
        moments: The steps that all members are judged at.
    """
    written: dict[str, Any] = {}
    if "learning_rate" in values:
        written["train.learning_rate"] = values["learning_rate"]
    if "fire_rate" in values:
        written["rollout.fire_rate"] = values["fire_rate"]
    if "noise" in values and tables.rollout.noise:
        kind, when = tables.rollout.noise.kind, tables.rollout.noise.when
        written["rollout.noise"] = {"scale": values["noise"], "kind": kind, "when": when}
    if "steps" in values:
        written["rollout.steps"] = list(rollout_steps(tables, values["steps"]))
        if not tables.evaluate.steps:  # which would follow from those of the rollout
            written["evaluate.steps"] = list(moments)
    if "dropout" in values:
        written |= {key: values["dropout"] for key, _ in _dropouts(tables)}
    return written


def rollout_steps(tables: Tables, most: float) -> tuple[int, int]:
    """Return the fewest and the most steps of a rollout; the fewest keep their share of the most.

    Args:
        tables: A recipe's.
        most: The most steps, not rounded yet.
    """
    fewest, before = tables.rollout.steps
    least = tables.train.last_states if tables.train else 1
    return max(least, round(most * fewest / before)), max(least, round(most))


def _dropouts(tables: Tables) -> Iterator[tuple[str, float]]:
    """Yield where rules have a dropout, and which."""
    for number, level in enumerate(tables.levels):
        for place, rule in enumerate(level.rules):
            value = _dropout(rule)
            if value:
                yield f"levels.{number}.rules.{place}.dropout", value


def _dropout(rule: RuleTable) -> float:
    value = (rule.model_extra or {}).get("dropout")
    return float(value) if isinstance(value, int | float) else 0.0

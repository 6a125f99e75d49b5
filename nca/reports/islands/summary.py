"""Summary of islands: figures over samples, groups compared sample by sample, for JSON."""

from typing import Any

from torch import Tensor

from nca.engine.rollouts import TOLERANCE
from nca.reports.islands.run import IslandsResult
from nca.reports.numbers import null_if_nan
from nca.reports.statistics import CONFIDENCE, Statistics


def over_samples(values: Tensor) -> Statistics:
    """Return the statistics of a figure over samples, `(B,)`, NaN left out."""
    return Statistics.of(values.tolist())


def gain(result: IslandsResult, control: str, *name: str) -> Statistics:
    """Return by how much the trained automaton exceeds a control, sample by sample."""
    return over_samples(result.own.figures[name] - result.groups[control].figures[name])


def measurements(result: IslandsResult) -> dict[str, Any]:
    """Return everything that was measured, ready for JSON; what is undefined is null."""
    plan, recipe = result.plan, result.trained.recipe
    return {
        "checkpoint": str(result.trained.path),
        "recipe": recipe.name,
        "overrides": list(recipe.overrides),
        "iteration": result.trained.checkpoint.iteration,
        "random_seed": recipe.tables.random_seed,
        "split": None if plan.pictures else plan.split,
        "samples": result.samples,
        "steps": plan.steps,
        "moments": list(plan.moments),
        "levels": result.levels,
        "parameters": {
            "threshold": plan.threshold,
            "thresholds": list(plan.thresholds),
            "smallest_island": plan.smallest,
            "translations": plan.shifts,
            "followed": result.followed,
            "settled_below": TOLERANCE,
            "confidence": CONFIDENCE,
        },
        "arms": {
            group: _tree({name: _entry(value) for name, value in own.figures.items()})
            for group, own in result.groups.items()
        },
    }


def _entry(values: Tensor) -> dict[str, Any]:
    if values.ndim == 1:
        one = over_samples(values)
        return null_if_nan({"mean": round(one.mean, 6), "deviation": round(one.deviation, 6)}) | {
            "samples": one.known
        }
    columns = [_entry(column) for column in values.T]
    return {name: [column[name] for column in columns] for name in ("mean", "deviation", "samples")}


def _tree(flat: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        branch = tree
        for word in name[:-1]:
            branch = branch.setdefault(word, {})
        branch[name[-1]] = value
    return tree

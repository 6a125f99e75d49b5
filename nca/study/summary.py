"""Add up figures over samples, compare arms sample by sample, and tell all of it as JSON."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nca.analysis.dynamics import SETTLED
from nca.study.arms import Study

SURE = 2.0
"""How many standard errors a mean difference must exceed to count."""

DUST = 1e-9
"""What is less has been left over by rounding."""


@dataclass(frozen=True)
class Summary:
    """A figure over the samples that have it.

    Attributes:
        mean: NaN if none has it.
        deviation: Standard deviation across samples; NaN for fewer than two.
        samples: How many have it.
    """

    mean: float
    deviation: float
    samples: int

    @property
    def sure(self) -> bool:
        """Whether the mean is positive beyond its own uncertainty."""
        if self.samples < 2:
            return False
        return self.mean > max(SURE * self.deviation / self.samples**0.5, DUST)


def summary(values: Tensor) -> Summary:
    """Return mean and deviation of `(B,)`, NaN left out."""
    known = values[values.isfinite()].double()
    deviation = known.std().item() if len(known) > 1 else torch.nan
    return Summary(known.mean().item() if len(known) else torch.nan, deviation, len(known))


def gain(study: Study, control: str, *name: str) -> Summary:
    """Return by how much the trained automaton exceeds a control, sample by sample."""
    return summary(study.own.figures[name] - study.arms[control].figures[name])


def told(study: Study) -> dict[str, Any]:
    """Return everything that a study found, ready for JSON; what is undefined is NaN."""
    plan, recipe = study.plan, study.trained.recipe
    return {
        "checkpoint": str(study.trained.path),
        "recipe": recipe.name,
        "overrides": list(recipe.overrides),
        "iteration": study.trained.checkpoint.iteration,
        "random_seed": recipe.tables.random_seed,
        "split": None if plan.pictures else plan.split,
        "samples": study.samples,
        "steps": plan.steps,
        "moments": list(plan.moments),
        "levels": study.levels,
        "parameters": {
            "threshold": plan.threshold,
            "thresholds": list(plan.thresholds),
            "smallest_island": plan.smallest,
            "translations": plan.shifts,
            "followed": study.followed,
            "settled_below": SETTLED,
            "sure_beyond_standard_errors": SURE,
        },
        "arms": {
            arm: _tree({name: _told(value) for name, value in own.figures.items()})
            for arm, own in study.arms.items()
        },
    }


def _told(values: Tensor) -> dict[str, Any]:
    if values.ndim == 1:
        one = summary(values)
        return {
            "mean": _number(one.mean),
            "deviation": _number(one.deviation),
            "samples": one.samples,
        }
    columns = [summary(column) for column in values.T]
    return {
        "mean": [_number(one.mean) for one in columns],
        "deviation": [_number(one.deviation) for one in columns],
        "samples": [one.samples for one in columns],
    }


def _number(value: float) -> float:
    return round(value, 6)


def _tree(flat: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        branch = tree
        for word in name[:-1]:
            branch = branch.setdefault(word, {})
        branch[name[-1]] = value
    return tree

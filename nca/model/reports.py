"""Reports of a model: what `nca islands` and `nca examine` find out, in Python."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from nca.checkpoint.trained import Trained
from nca.device import demand_float64
from nca.files import user_path
from nca.progress import Progress
from nca.render.pictures import grid_pictures
from nca.reports.islands import IslandsPlan, demand_plane, islands_report, measure_islands
from nca.reports.report import Report
from nca.reports.robustness import (
    ModelUnderTest,
    ResultCache,
    RobustnessPlan,
    robustness_report,
    run_checks,
    select_checks,
)
from nca.tasks.task import note_if_fewer
from nca.types import Count, Samples, Split, Steps
from nca.validation.checked import checked

__all__ = ["Report", "examine", "find_islands"]

Cosine = Annotated[float, Ge(-1), Le(1)]


@checked
def find_islands(
    trained: Trained,
    images: Sequence[str | Path],
    progress: Progress,
    *,
    steps: Steps | None,
    samples: Annotated[int, Ge(0)],
    split: Split,
    threshold: Cosine,
) -> Report:
    """Measure islands of a trained automaton whose task is prepared; see `Model.islands`."""
    demand_float64(trained.device)
    demand_plane(trained)
    plan = IslandsPlan(
        steps=steps or trained.recipe.evaluation_steps[0],
        samples=samples,
        split=split,
        pictures=grid_pictures([user_path(Path(file)) for file in images], trained.task.canvas),
        threshold=threshold,
    )
    found = measure_islands(trained, plan, progress)
    if not images:
        note_if_fewer(found.samples, samples, split)
    return islands_report(found)


@checked
def examine(
    trained: Trained,
    asked: Sequence[str],
    data: Path | None,
    progress: Progress,
    *,
    quick: bool,
    steps: Steps | None,
    seeds: Count,
    samples: Samples,
    split: Split,
    long_steps: Steps,
) -> Report:
    """Check how robust a trained automaton is, whose task is prepared; see `Model.examine`."""
    demand_float64(trained.device)
    checks = select_checks(asked)
    whole = RobustnessPlan(
        steps=steps or trained.recipe.tables.rollout.steps[1],
        seeds=seeds,
        samples=samples,
        split=split,
        long_steps=long_steps,
    )
    model = ModelUnderTest.planned(trained, whole, data, quick=quick)
    with tempfile.TemporaryDirectory(prefix="nca-examine-") as folder:
        cache = ResultCache(Path(folder) / "examination.jsonl", model)
        return robustness_report(run_checks(model, checks, cache, progress=progress))

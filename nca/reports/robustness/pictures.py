"""Pictures of a few samples: through time, and after damage."""

import torch
from PIL import Image

from nca.engine.rng import CellRNG
from nca.render.sheet import strip
from nca.reports.robustness.duration import TIMES
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.pulse import Pulse
from nca.reports.robustness.seed_run import SeedRun
from nca.tasks.damage import Damage

SHOWN = 3
HURT = Damage("half", 0.5, "left")


@torch.no_grad()
def robustness_pictures(model: ModelUnderTest, pulse: Pulse) -> Image.Image | None:
    """Return a few samples through time and after damage; None unless there are two axes.

    Raises:
        TimeUpError: The time of the pulse is up.
    """
    trained, steps = model.trained, model.plan.steps
    if len(trained.recipe.tables.grid.size) != 2:
        return None
    seed_run = SeedRun(model, 0, pulse)
    batch = seed_run.batch.select(slice(0, SHOWN))
    columns = {}
    for moment in seed_run.rollout(batch.state, [0, *(times * steps for times in TIMES)]):
        columns[f"step {moment.step}"] = moment.state
    state = columns[f"step {steps}"]
    cut = HURT.hurt(
        state,
        CellRNG(seed_run.random_seed, state.step, state.samples),
        trained.automaton.writable_levels,
    )
    for moment in seed_run.rollout(cut, [0, steps, 4 * steps]):
        columns[f"cut, +{moment.step}"] = moment.state
    shown = [trained.task.picture(trained.automaton.finish(one)) for one in columns.values()]
    return strip(shown, list(columns)).image()

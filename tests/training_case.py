"""Training that can be worked out by hand: one weight, one step, and a loss that is linear.

A cell that begins at `b` ends at `b (1 + w)`, and that is the loss: its gradient is `b`, and
Adam, for which a constant gradient has the length 1, moves `w` down by the learning rate.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from nca import SILENT, Batch, Share, Task, UpdateRule, View, register
from nca.recipe.recipe import Recipe
from nca.training.run import Run

RECIPE = """\
format = 1
[grid]
size = [4, 4]
[[levels]]
name = "body"
channels = 1
rules = [{ name = "weighted" }]
[rollout]
steps = 1
[task]
name = "sinking"
[train]
batch = 2
iterations = 4
learning_rate = 0.5
save_every = 1000
[evaluate]
steps = [1]
"""


class Weighted(UpdateRule):
    """Propose a share of what stands there; the share is the only weight."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, view: View) -> Tensor:
        return self.share * view.own


class Sinking(Task):
    """All cells shall hold as little as possible."""

    headline, better = "height", "more"

    def __init__(self, setting) -> None:
        super().__init__(setting)
        self.begins: Callable[[int], float] = lambda iteration: 1.0
        self.tried: list[float] = []

    def training_batch(self, draw, samples):
        return self._batch(self.begins(draw.iteration), len(samples))

    def loss(self, states, batch):
        return {"height": states[-1]["body"].flatten(1).mean(dim=1)}

    def measure(self, state, batch):
        return {"height": Share.of(state["body"].flatten(1).double().mean(dim=1))}

    def evaluation_batches(self, split, batch):
        yield self._batch(self.tried.pop(0) if self.tried else 1.0, 2)

    def picture(self, state):
        return state["body"].expand(-1, 3, -1, -1).clamp(0, 1)

    def _batch(self, height: float, count: int) -> Batch:
        state = self.context.layout.zeros(count, self.context.size)
        return Batch(state.replace({"body": torch.full_like(state["body"], height)}), {})


def begun(
    folder: Path,
    *overrides: str,
    begins: Callable[[int], float] = lambda iteration: 1.0,
    tried: Sequence[float] = (),
) -> Run:
    """Return a run at its beginning; registers its plugins.

    Args:
        folder: Where its folder is made.
        overrides: Of the recipe.
        begins: What all cells begin with, by iteration, counted from 0.
        tried: What they begin with when evaluated, one after the other; then 1.
    """
    register.rule("weighted")(Weighted)
    register.task("sinking")(Sinking)
    made = Recipe.parse(RECIPE, name="sinking", folder=folder, overrides=overrides)
    run = Run.start(made, folder / "run", torch.device("cpu"), None, SILENT)
    task = run.task
    assert isinstance(task, Sinking)
    task.begins, task.tried = begins, list(tried)
    return run


def weight(run: Run) -> float:
    """Return the one weight of a run."""
    (only,) = run.modules.parameters()
    return only.item()

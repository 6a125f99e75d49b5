"""An automaton whose parts and wholes are known: it copies its input, then merges pairs of parts.

Four parts of 8 cells make two wholes of 16, which touch, on a background of 32 cells.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from nca import Batch, Share, Task, UpdateRule, View, register
from nca.checkpoint.file import Checkpoint
from nca.checkpoint.trained import Trained
from nca.recipe.recipe import Recipe

RECIPE = """\
format = 1
random_seed = 5

[grid]
size = [8, 8]

[[levels]]
name = "image"
channels = 5
input = true

[[levels]]
name = "part"
channels = 5
rules = [{ name = "follow", below = "image" }]

[[levels]]
name = "whole"
channels = 5
rules = [{ name = "follow", below = "part", merge = true }]

[rollout]
steps = [4, 4]

[task]
name = "blocks"
"""


class Follow(UpdateRule):
    """Take over the level below, merging channels 2 and 4 into 1 and 3 if asked to."""

    def __init__(self, *, below: str, merge: bool = False) -> None:
        super().__init__()
        self.reads = ("own", below)
        self.below, self.merge = below, merge
        self.gate = nn.Parameter(torch.zeros(()))  # untrained, it stands still

    def forward(self, view: View) -> Tensor:
        seen = view.level(self.below)
        if self.merge:
            ground, one, two, three, four = seen.unbind(1)
            empty = torch.zeros_like(ground)
            seen = torch.stack([ground, one + two, empty, three + four, empty], dim=1)
        return self.gate * (seen - view.own)


class Blocks(Task):
    """Four parts, two wholes, somewhere on the torus."""

    headline = "nothing"
    better = "more"

    def training_batch(self, draw, samples):
        return self._batch(samples)

    def loss(self, states, batch):
        return {"nothing": torch.zeros(states[-1].batch)}

    def measure(self, state, batch):
        return {"nothing": Share.of(torch.zeros(state.batch))}

    def evaluation_batches(self, split, batch):
        for part in (-1 - torch.arange(12)).split(batch):
            yield self._batch(part)

    def segments(self, batch):
        return {"part": batch.truth["part"], "whole": (batch.truth["part"] + 1) // 2}

    def categories(self, batch):
        return {"part": batch.truth["part"]}

    def picture(self, state):
        return state["part"][:, :3].clamp(0, 1)

    def _batch(self, samples: Tensor) -> Batch:
        drawn = torch.zeros(8, 8, dtype=torch.int64)
        for number in range(4):
            drawn[2:6, 2 * number : 2 * number + 2] = number + 1
        parts = torch.stack([drawn.roll((int(n) * 3, int(n) * 5), (0, 1)) for n in samples])
        image = nn.functional.one_hot(parts, 5).movedim(-1, 1).float()
        state = self.context.layout.zeros(len(samples), self.context.size)
        return Batch(state.replace({"image": image}, samples=samples), {"part": parts})


def blocks(gate: float = 1.0, text: str = RECIPE) -> Trained:
    """Return the automaton, wide awake or as its recipe starts it; registers its plugins."""
    register.rule("follow")(Follow)
    register.task("blocks")(Blocks)
    recipe = Recipe.parse(text, name="blocks", folder=Path())
    automaton, task = recipe.automaton().eval(), recipe.task().eval()
    for weight in automaton.parameters():
        nn.init.constant_(weight, gate)
    checkpoint = Checkpoint(name="blocks", recipe=text)
    return Trained(Path("blocks"), checkpoint, recipe, automaton, task, torch.device("cpu"))

"""A task whose patterns are lines of `.` and `O`, for tests of what lays and saves them."""

from dataclasses import replace

import torch
from torch import Tensor

from nca.errors import ShapeError
from nca.play import PlayedModel
from nca.tasks.batch import Batch
from nca.tasks.metrics import Share
from nca.tasks.no_task import NoTask
from nca.tasks.task import TaskContext

GLIDER = ".O.\n..O\nOOO\n"


class Lines(NoTask):
    """Begin with nothing; a pattern is its lines."""

    reads = 0
    headline = "alive"

    def evaluation_batches(self, split, batch):
        yield Batch(self.context.layout.zeros(1, self.context.size))

    def measure(self, state, batch):
        alive = state["cells"].flatten(1)
        return {"alive": Share(alive.sum(dim=1), torch.full((1,), float(alive.shape[1])))}

    def read_pattern(self, text: str) -> Tensor:
        self.reads += 1
        rows = text.split()
        if {*"".join(rows)} - {*".O"} or len({len(row) for row in rows}) != 1:
            raise ShapeError("this is no pattern.", where=text[:20], to_do="write . and O")
        return torch.tensor([[[float(cell == "O") for cell in row] for row in rows]])

    def write_pattern(self, state) -> str:
        rows = state["cells"][0, 0].tolist()
        return "".join("".join(".O"[cell > 0.5] for cell in row) + "\n" for row in rows)


def with_patterns(size: tuple[int, int] = (8, 8), task: type[NoTask] = Lines) -> PlayedModel:
    """Return Life with patterns."""
    life = PlayedModel.load("life", torch.device("cpu"), size=size)
    context = TaskContext(life.automaton.layout, size, life.recipe.folder)
    return replace(life, task=task(context))

"""Train on: a run that begins with the weights of another one, `[train] pretrained`.

Weights go by their names: level, place among the rules of the level, and the rule's own name of
it. What fits is taken. What has another shape here, or is not in the checkpoint, begins as it
would without it. What follows from the recipe, a task's target say, is never taken.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nca.checkpoint.file import MODULES, Checkpoint, weights
from nca.checkpoint.find import checkpoint_path
from nca.checkpoint.fit import misfits
from nca.errors import CheckpointError
from nca.recipe.recipe import Recipe

PREFIXES = tuple(f"{name}." for name in MODULES)
LISTED, NAMED = 12, 4
"""So many tensors are named in a note, and in an error, at most; the log has all."""


@dataclass(frozen=True)
class TakenWeights:
    """What a run has taken from a checkpoint.

    Attributes:
        source: The checkpoint.
        iteration: How many updates lie behind it.
        taken: The names of the tensors that were taken.
        begin: Those of the run that begin anew, and why.
        unused: Those of the checkpoint that have no place in the run.
    """

    source: Path
    iteration: int
    taken: tuple[str, ...]
    begin: tuple[str, ...]
    unused: tuple[str, ...]

    def sentence(self) -> str:
        """Return it in words, with what was not taken."""
        count = len(self.taken) + len(self.begin)
        updates = f", iteration {self.iteration:,}" if self.iteration else ""
        words = [f"trains on from {self.source}{updates}: {len(self.taken)} of {count} tensors fit"]
        for what, names in (("begin anew", self.begin), ("not used", self.unused)):
            if names:
                more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
                words.append(f"{what}: {', '.join(names[:LISTED])}{more}")
        return "; ".join(words)

    def to_json(self) -> dict[str, Any]:
        """Return it as a record of the log."""
        lists = {name: list(getattr(self, name)) for name in ("taken", "begin", "unused")}
        return {"source": str(self.source), "trained": self.iteration, **lists}


def pretrained_path(recipe: Recipe) -> Path | None:
    """Return the checkpoint that a recipe trains on from; None: it begins with first weights.

    A file or a run's folder is looked for where the recipe says, then a name among those that are
    installed.

    Raises:
        CheckpointError: There is none.
    """
    given = recipe.training().pretrained
    if given is None:
        return None
    place = recipe.files.place(given)
    return checkpoint_path(str(place) if place.exists() else given)


def take_weights(source: Path, modules: nn.ModuleDict) -> TakenWeights:
    """Put the weights of a checkpoint, averaged ones if it has them, where they fit.

    Args:
        source: The checkpoint.
        modules: The automaton and the task, by name.

    Raises:
        CheckpointError: It is missing, damaged or foreign; none of its weights fits; one of those
            that fit is not finite.
    """
    checkpoint = Checkpoint.read(source)
    derived = {name for name, _ in modules["task"].named_buffers(prefix="task")}
    given = {**checkpoint.tensors, **checkpoint.part("average")}
    given = {n: t for n, t in given.items() if n.startswith(PREFIXES) and n not in derived}
    wanted = {n: t for n, t in weights(**dict(modules.items())).items() if n not in derived}
    begin = {name: _misfit(name, given.get(name), wanted[name]) for name in wanted}
    taken = [name for name, reason in begin.items() if reason is None]
    _check(taken, given, source)
    for name in taken:
        wanted[name].copy_(given[name])
    return TakenWeights(
        source,
        checkpoint.iteration,
        tuple(sorted(taken)),
        tuple(f"{name} ({reason})" for name, reason in sorted(begin.items()) if reason),
        tuple(sorted(given.keys() - wanted.keys())),
    )


def _misfit(name: str, given: Tensor | None, wanted: Tensor) -> str | None:
    """Return why a tensor is not taken; None: it is."""
    if given is None:
        return "not in the checkpoint"
    found = misfits({name: given}, {name: wanted})
    return f"in the checkpoint {found[0].removeprefix(f'{name} is ')}" if found else None


def _check(taken: list[str], given: dict[str, Tensor], source: Path) -> None:
    """Refuse a checkpoint of which nothing, or nothing sound, would be taken."""
    if not taken:
        raise CheckpointError(
            "no weight of the checkpoint fits this recipe, so there is nothing to train on from.",
            where=f"{source} has {', '.join(sorted(given)[:NAMED]) or 'no weights'}, ...",
            to_do="give levels and rules the names, order and sizes that they have in it: "
            f"nca inspect {source}",
        )
    lost = [name for name in taken if not torch.isfinite(given[name]).all()]
    if lost:
        raise CheckpointError(
            f"weights of the checkpoint are not finite: {', '.join(lost[:NAMED])}.",
            where=str(source),
            to_do="use a checkpoint from before training diverged",
        )

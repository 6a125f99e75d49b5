"""A trained automaton that several processes share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from nca.checkpoint.trained import Trained
from nca.distributed.agreement import agreed_precision
from nca.distributed.common import in_common
from nca.distributed.group import ProcessGroup
from nca.progress import SILENT, Progress
from nca.types import Size


def sharded(trained: Trained, group: ProcessGroup, size: Size | None = None) -> Trained:
    """Return a trained automaton that the processes of a group share: by blocks, if asked for.

    Args:
        trained: It.
        group: The processes.
        size: Cells of the grid along each axis; None: as the recipe says.

    Raises:
        ShapeError: The grid cannot be split as it was asked for.
    """
    if group.count == 1:
        return trained
    size = size or trained.recipe.tables.grid.size
    trained.automaton.sharding = group.cells(size, trained.recipe.layout.coarsest)
    return replace(trained, recipe=agreed_precision(trained.recipe, group))


def prepare_shared(
    trained: Trained, group: ProcessGroup, data: Path | None, progress: Progress = SILENT
) -> None:
    """Let the task of each process load what it needs, and hold in common what is alike.

    Args:
        trained: It.
        group: The processes.
        data: Folder of data sets, if the user named one.
        progress: Where it is reported what is fetched.
    """
    with group.leader_first():
        trained.prepare(data, progress)
    trained.task.hold_data(partial(in_common, group=group))


@contextmanager
def whole_states(trained: Trained, group: ProcessGroup, size: Size | None = None) -> Iterator[None]:
    """Let processes share the steps of states that all of them have, such as those of a picture.

    Args:
        trained: What `sharded` has returned.
        group: The processes.
        size: As of `sharded`.
    """
    automaton, before = trained.automaton, trained.automaton.sharding
    size = size or trained.recipe.tables.grid.size
    automaton.sharding = group.sharding(size, trained.recipe.layout.coarsest)
    try:
        yield
    finally:
        automaton.sharding = before

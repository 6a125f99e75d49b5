"""A trained automaton that several processes share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from nca.checkpoint.trained import Trained
from nca.distributed.agreement import agreed_precision
from nca.distributed.group import ProcessGroup
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

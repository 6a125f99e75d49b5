"""The modules of a recipe without their weights: names and shapes, for files of unknown origin.

A recipe of a few lines can ask for more memory than there is. What a checkpoint cannot hold is
refused before that memory is taken.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def outline(build: Callable[[], Module]) -> Module:
    """Return what `build` builds, its tensors without memory, or whole where it needs them.

    Args:
        build: `recipe.automaton` or `recipe.task`.
    """
    try:
        with torch.device("meta"):
            return build()
    except Exception:  # its constructor computes with its tensors, or is faulty and says so again
        return build()

"""What an importer returns: published weights under our names, and the recipe that they fit.

An importer is a plugin: a function of one path, to the file or folder as it was published. It
runs nothing of what it reads, and refuses what it does not recognise.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from nca.registry.registry import registry


@dataclass(frozen=True)
class Imported:
    """Weights, and how to build what they belong to.

    Attributes:
        recipe: Name of an installed recipe.
        tensors: Float32, by their names in `Automaton.state_dict` after the prefix `automaton.`,
            such as `automaton.rules.part.0.q.weight`; all of them, and no others.
        overrides: What to change in the recipe so that it fits, as `table.key=value`.
    """

    recipe: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    overrides: tuple[str, ...] = ()


Importer: TypeAlias = Callable[[Path], Imported]
"""Reads weights as they were published; raises `CheckpointError` where it finds others."""


def _contract(thing: object) -> str | None:
    if not callable(thing) or isinstance(thing, type):
        return "it is not a function of a path"
    try:
        inspect.signature(thing).bind(Path())
    except TypeError:
        return "it cannot be called with one path alone"
    return None


registry.demand("importer", _contract)

"""What an importer returns: published weights under our names, and the recipe that they fit.

An importer is a plugin: a function of one path, to the file or folder as it was published; its
keyword-only arguments are options, `nca import NAME FILE --set KEY=VALUE`. It runs nothing of what
it reads, and refuses what it does not recognise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from torch import Tensor

from nca.errors import PluginError
from nca.registry.options import plugin_options
from nca.registry.registry import registry, takes_beside_options


@dataclass(frozen=True)
class Imported:
    """Weights, and how to build what they belong to.

    Attributes:
        recipe: Name of an installed recipe.
        tensors: Float32, by their names in `Automaton.state_dict` after the prefix `automaton.`,
            such as `automaton.rules.part.0.q.weight`; all of them, and no others.
        overrides: What to change in the recipe so that it fits, as `table.key=value`.
        notes: What was supposed in reading them, and what was left out, a sentence each.
    """

    recipe: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    overrides: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no recipe's name, no weights by name, or no overrides.

        Raises:
            PluginError: One of them is.
        """
        named = isinstance(self.tensors, Mapping) and all(
            isinstance(name, str) and isinstance(tensor, Tensor)
            for name, tensor in self.tensors.items()
        )
        overridden = all(
            isinstance(texts, tuple | list) and all(isinstance(text, str) for text in texts)
            for texts in (self.overrides, self.notes)
        )
        if not (isinstance(self.recipe, str) and named and overridden):
            kinds = [type(value).__name__ for value in (self.recipe, self.tensors, self.overrides)]
            raise PluginError(
                "this is no nca.Imported.",
                where=f"a recipe of type {kinds[0]}, tensors {kinds[1]}, overrides {kinds[2]}",
                to_do="give the name of a recipe, tensors by their names, and texts `key=value`",
            )


Importer: TypeAlias = Callable[..., Imported]
"""Reads weights as they were published; raises `CheckpointError` where it finds others."""


def _contract(thing: object) -> str | None:
    if not callable(thing) or isinstance(thing, type):
        return "it is not a function of a path"
    return (
        None if takes_beside_options(thing, Path()) else "it cannot be called with one path alone"
    )


def import_weights(
    name: str, source: Path, options: Mapping[str, Any] = MappingProxyType({})
) -> Imported:
    """Return what the importer of a name makes of a file or folder.

    Args:
        name: Of the importer.
        source: The file or folder.
        options: Of the importer, checked as a rule's are.

    Raises:
        OptionError: It takes no such options.
        PluginError: It returns something else than `Imported`.
        NCAError: There is no such importer, or what it raises.
    """
    given = plugin_options("importer", name, options, (name,))
    imported: object = registry.get("importer", name)(source, **given)
    if not isinstance(imported, Imported):
        raise PluginError(
            f"the importer {name!r} returns {type(imported).__name__}, not nca.Imported.",
            where=str(source),
            to_do="let it return Imported(recipe, tensors)",
        )
    return imported


registry.demand("importer", _contract)

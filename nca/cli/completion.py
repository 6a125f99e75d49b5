"""What a shell completes besides verbs and options: names of recipes, checkpoints, data sets.

Where no name fits, the shell completes the names of files.
"""

from collections.abc import Iterable
from pathlib import Path

from nca.checkpoint.find import pretrained, recipes
from nca.registry.registry import registry


def complete_recipe(incomplete: str) -> list[str]:
    """Return the installed recipes that begin so."""
    return _beginning(incomplete, recipes())


def complete_checkpoint(incomplete: str) -> list[str]:
    """Return the installed checkpoints and the folders of runs that begin so."""
    runs = {path.parent.as_posix() for path in Path("runs").glob("*/*.safetensors")}
    return _beginning(incomplete, [*pretrained(), *sorted(runs)])


def complete_either(incomplete: str) -> list[str]:
    """Return the checkpoints and recipes that begin so, each name once."""
    both = [*complete_checkpoint(incomplete), *complete_recipe(incomplete)]
    return list(dict.fromkeys(both))


def complete_data_set(incomplete: str) -> list[str]:
    """Return the registered data sets that begin so."""
    return _beginning(incomplete, registry.names("dataset"))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]

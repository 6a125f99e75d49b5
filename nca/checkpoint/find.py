"""Find recipes and checkpoints by path or by name.

Installed packages offer recipes through the entry-point group `nca.recipes`, whose value is a
package of `*.toml` files; pretrained checkpoints lie in its folder `pretrained`, and recipes that
are there to be timed in `bench`. Finding imports no torch; `read` parses what was found.
"""

from pathlib import Path

from nca.errors import CheckpointError, NCAError
from nca.files import is_file, read_text_bounded, user_path
from nca.registry.installed import complain, entry_points_of, folders_of
from nca.suggest import did_you_mean, listed

LARGEST = 1 << 20
"""Bytes of a recipe's file."""


def recipes() -> dict[str, Path]:
    """Return the installed recipes by name."""
    return _installed("", ".toml")


def benchmarks() -> dict[str, Path]:
    """Return the installed recipes that are there to be timed, by name."""
    return _installed("bench", ".toml")


def pretrained() -> dict[str, Path]:
    """Return the installed checkpoints by name."""
    return _installed("pretrained", ".safetensors")


def recipe_path(source: str) -> Path:
    """Return the file of a recipe, given by path or by name.

    Raises:
        NCAError: There is no such file or name; the nearest is suggested.
    """
    path = user_path(source)
    if is_file(path):
        return path
    known = recipes()
    if source in known:
        return known[source]
    raise NCAError(
        f"there is no recipe {source!r}.",
        where=f"installed recipes: {listed(known)}",
        to_do=f"{did_you_mean(path.stem, known)}give the path of a .toml file, or one of "
        "these names",
    )


def recipe_text(path: Path) -> str:
    """Return the text of a recipe file.

    Raises:
        NCAError: It cannot be read, or is no text.
    """
    return read_text_bounded(path, LARGEST, "the recipe")


def checkpoint_path(source: str) -> Path:
    """Return the file of a checkpoint, given by path, by run folder, or by name.

    Raises:
        CheckpointError: There is no such file, folder or name; the nearest is suggested.
    """
    path = user_path(source)
    if not is_file(path):
        for name in ("best.safetensors", "last.safetensors"):
            if is_file(path / name):
                return path / name
    if is_file(path) and path.suffix != ".toml":
        return path
    known = pretrained()
    if source in known:
        return known[source]
    if path.suffix == ".toml" or source in recipes():
        raise CheckpointError(
            f"{source!r} is a recipe, and this needs the weights that come of training.",
            where="CHECKPOINT",
            to_do=f"train it, nca run {source}, and give its run's folder; nca play {source} "
            "begins with first weights",
        )
    raise CheckpointError(
        f"there is no checkpoint {source!r}.",
        where=f"pretrained: {listed(known)}",
        to_do=f"{did_you_mean(path.stem, known)}give a .safetensors file, a run's folder "
        "(runs/NAME), or one of these names",
    )


def _installed(folder: str, ending: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for point in entry_points_of("nca.recipes"):
        for place in folders_of(point.package, point.value):
            try:
                found |= {path.stem: path for path in (place / folder).glob(f"*{ending}")}
                if not any(place.glob("*.toml")):
                    complain(point.package, f"{point.value} has no recipes (*.toml)")
            except OSError as fault:
                complain(point.package, f"its recipes cannot be read: {fault}")
    return dict(sorted(found.items()))

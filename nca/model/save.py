"""Save an automaton that was built in Python."""

from pathlib import Path

from nca.engine.automaton import Automaton
from nca.files import user_path
from nca.model.model import Model
from nca.types import Size, Steps


def save(
    automaton: Automaton,
    file: str | Path,
    *,
    name: str = "",
    size: Size = (64, 64),
    steps: Steps = 64,
) -> Path:
    """Write an automaton that was built in Python as a checkpoint; `load` takes it back.

    Args:
        automaton: Its rules are registered.
        file: A .safetensors file. What was there is replaced.
        name: What it shall be called; as the file, if not given.
        size: Cells along each axis of the grid.
        steps: How many a rollout has if none are given.

    Raises:
        NCAError: A rule is not registered, or could not be built again from its options.
        RecipeError: The name, size or steps make no recipe.
        StorageError: The file cannot be written.
    """
    trains, path = automaton.training, user_path(Path(file))
    try:
        model = Model.from_automaton(automaton, name=name or path.stem, size=size, steps=steps)
        return model.save(path)
    finally:
        automaton.train(trains)

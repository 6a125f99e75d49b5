"""A run of a recipe without weights: steps, pictures and what was seen, in place of training."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nca.checkpoint.read import weightless_checkpoint, write_copies
from nca.checkpoint.trained import Trained
from nca.cli.console import print_result, say
from nca.cli.interruption import interruptible
from nca.cli.progress import terminal_progress
from nca.device import hardware
from nca.engine.capacity import in_bytes
from nca.engine.plane import check_plane
from nca.evaluation.observe import Observation, observe
from nca.files import write_whole
from nca.jsonl import dumps
from nca.progress import ProgressList
from nca.recipe.memory import state_bytes
from nca.recipe.recipe import Recipe
from nca.render.animation import save_animation
from nca.render.population import save_population
from nca.render.sheet import crowd, fitting_scale, save_image, strip
from nca.training.run_folder import LAST, RECIPE, check_run_folder, create_run_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

LARGE = 1 << 30
"""Bytes of states from which on it is said beforehand how many they take."""
RATE = 12.0
NARROW = 400
"""Pixels that a film is wide at least, as far as whole pixels per cell allow it."""
LONGEST = 800
"""Pixels along a side of a film, at most; of more cells several share a pixel."""


def observed_run(
    recipe: Recipe,
    out: Path | None,
    device: torch.device,
    data: Path | None,
    steps: int | None,
    plane: bool,
) -> None:
    """Let the steps of a recipe without weights pass, and leave what was seen in one folder.

    Args:
        recipe: Nothing of it is trained.
        out: The run's folder; None: the next `runs/NAME-N`.
        device: Where it runs.
        data: Folder of data sets.
        steps: How many; None: as the recipe says.
        plane: Whether the grid grows before a pattern reaches its edge.
    """
    check_run_folder(out)
    recipe.check()
    count = steps or recipe.evaluation_steps[0]
    trained = _loaded(recipe, device)
    with terminal_progress() as progress:
        trained.prepare(data, progress)
    _say_size(recipe, count)
    first = trained.task.first_evaluation_batch("test", 1).state
    if plane:  # refused before there is a folder
        check_plane(trained.automaton, first)
    del first
    lock = create_run_folder(out, recipe.name)
    try:
        folder = lock.folder
        write_whole(folder / RECIPE, recipe.text.encode())
        weightless_checkpoint(recipe, recipe.text).write(folder / LAST)
        say(f"{recipe.name}: no weights to train, {count:,} steps on {hardware(device)}, {folder}")
        with interruptible() as interruption, terminal_progress() as progress:
            write_copies(recipe.files, folder, progress)
            found = observe(trained, count, ProgressList(progress, interruption), plane=plane)
        _write(trained, found, folder)
    finally:
        lock.release()
    for sentence in found.sentences():
        print_result(sentence)
    print_result(f"{folder / 'states.png'}")
    if interruption.stopped():
        sys.exit(128 + interruption.signal)
    say(f"next: nca play {folder}")


def _loaded(recipe: Recipe, device: torch.device) -> Trained:
    checkpoint = weightless_checkpoint(recipe, recipe.text)
    automaton, task = recipe.automaton().to(device).eval(), recipe.task().to(device).eval()
    decided = recipe.decided(automaton, device, "float32")
    return Trained(Path(recipe.name), checkpoint, decided, automaton, task, device)


def _say_size(recipe: Recipe, steps: int) -> None:
    count = sum(state_bytes(recipe.tables).values())
    if count > LARGE:
        say(f"memory: a state takes {in_bytes(count)}, for {steps:,} steps")


def _write(trained: Trained, found: Observation, folder: Path) -> None:
    """Write numbers, pictures, and where there is more than one state a film."""
    write_whole(folder / "observation.json", dumps(found.to_json()).encode())
    save_population(found.steps, found.population, folder / "population.png")
    pictures = [trained.task.picture(state) for state in found.moments]
    words = [f"step {state.step:,}" for state in found.moments]
    sheet = strip(pictures, words) if len(pictures) > 1 else crowd(pictures[0], words[0])
    save_image(sheet.image(), folder / "states.png")
    if len(frames := _film(trained, found)) > 1:
        save_animation(frames, folder / "film.gif", RATE)
    elif found.plane:
        say("no film: what was seen of the plane is too large for one")


def _film(trained: Trained, found: Observation) -> "Sequence[Image.Image]":
    from nca.render.sheet import tile

    frames = []
    for state in found.plane.states() if found.plane else found.frames:
        picture = trained.task.picture(state)[0]
        shrunk = -(-max(picture.shape) // LONGEST) or 1
        if shrunk > 1:
            picture = torch.nn.functional.avg_pool2d(picture[None], shrunk, ceil_mode=True)[0]
        frames.append(tile(picture, fitting_scale(picture.shape, NARROW)))
    return frames

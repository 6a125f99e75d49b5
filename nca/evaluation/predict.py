"""Predict: what a trained automaton says of pictures, a few at a time.

However many pictures there are, one batch of them is in memory.

Legend: B sample, H height, W width, in pixels.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nca.analysis import area_under_risk, error_correlation, risk_at
from nca.checkpoint.trained import Trained
from nca.engine.capacity import capacity, in_bytes
from nca.errors import LongPictureError, NCAError, NCAWarning, PictureError
from nca.evaluation.predict_large import LargePicture, predict_large
from nca.files import is_file, is_folder
from nca.render.load import LONGEST_SIDE
from nca.render.pictures import (
    decode,
    fit_to_grid,
    fit_to_side,
    pictures_in,
    read_picture_file,
)
from nca.tasks.batch import Batch
from nca.tasks.prediction import Prediction
from nca.types import Size

ROOM = 1 << 22
"""Pixels beyond which pictures are not taken at once, however few they are."""

LEAST = 8
"""So many states are in memory: in a step the old one, its change and the new one, and those of
the rollouts before it."""

SIDE = 1024
"""The side that is proposed, in pixels."""

COVERAGES = (0.5, 0.8, 1.0)
"""Shares of the surest predictions of which the error is given."""


@dataclass(frozen=True)
class Seen:
    """A few samples that an automaton begins from.

    Attributes:
        names: What each is called.
        batch: First states, with their truth where it is known.
        size: Height and width of the pictures, where states are larger; None: as they are.
    """

    names: tuple[str, ...]
    batch: Batch
    size: Size | None = None


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """Return files, and the pictures in folders, in this order.

    Raises:
        PictureError: A file is missing; a folder has no picture, or may not be read.
    """
    found: list[Path] = []
    for path in paths:
        if not (folder := is_folder(path)) and not is_file(path):
            read_picture_file(path)  # says what is there instead
        found += pictures_in(path) if folder else [path]
    return found


def demand_predictions(trained: Trained) -> None:
    """Refuse a task that takes no picture as its input.

    Raises:
        NCAError: It takes none.
    """
    roles = trained.task.roles
    if "input" not in roles:
        raise NCAError(
            "nothing can be predicted of a picture: the task takes none as input.",
            where=f"{trained.path}; its task takes pictures as: {', '.join(roles) or 'nothing'}",
            to_do="choose a checkpoint whose cells look at pictures",
        )


def demand_any_size(trained: Trained) -> None:
    """Refuse to shrink pictures where the task fits each one to its grid.

    Raises:
        NCAError: It does.
    """
    if not trained.task.any_size:
        raise NCAError(
            "pictures of any size are shrunk to the grid here, and cannot be to another size.",
            where=f"{trained.path}; its grid sees {_sides(trained.task.canvas)} pixels",
            to_do="leave the side out",
        )


def seen_files(
    trained: Trained, files: Sequence[Path], batch: int, side: int | None = None
) -> Iterator[Seen | LargePicture]:
    """Yield first states that see pictures from files, some at once where their sizes are alike.

    A file that cannot be read is left out, and a warning says so. One whose cells are too many for
    the memory comes alone.

    Args:
        trained: Whose task makes the states.
        files: The pictures.
        batch: At most so many at once.
        side: Pixels along the longer side beyond which a picture is shrunk, and a warning says so;
            None: none is.
    """
    waiting: list[tuple[int, Path, Tensor]] = []
    for number, file in enumerate(files):
        try:
            picture = _read(trained, file, side)
        except PictureError as fault:
            text = f"left out: {file}: {fault.what}"
            warnings.warn(text, NCAWarning, stacklevel=2)
            continue
        if not _fits(trained, file, tuple(picture.shape[1:])):
            if waiting:
                yield _seen(trained, waiting)
                waiting = []
            if not trained.automaton.skips:
                yield LargePicture(str(file), picture, -1 - number)
            continue
        most = min(batch, max(1, ROOM // picture[0].numel()))
        if waiting and (len(waiting) >= most or waiting[0][2].shape != picture.shape):
            yield _seen(trained, waiting)
            waiting = []
        waiting.append((number, file, picture))
    if waiting:
        yield _seen(trained, waiting)


def seen_samples(trained: Trained, samples: int, batch: int) -> Iterator[Seen]:
    """Yield the first samples of the test data, with their truth.

    Args:
        trained: Its task must be prepared.
        samples: At most so many; 0: all.
        batch: At most so many at once.
    """
    done = 0
    for each in trained.task.evaluation_batches("test", batch):
        if samples:
            each = each.select(slice(0, samples - done))
        names = tuple(f"test-{done + number}" for number in range(1, each.state.batch + 1))
        done += each.state.batch
        yield Seen(names, each)
        if samples and done >= samples:
            break


@torch.no_grad()
def predict(
    trained: Trained,
    seen: Seen | LargePicture,
    *,
    steps: int,
    repeats: int,
    fire_rate: float | None = None,
) -> list[tuple[str, Prediction]]:
    """Return what is said of each sample, with its name.

    Args:
        trained: Whose task says it.
        seen: Where it begins.
        steps: How many steps it takes.
        repeats: How many rollouts, each with fire masks and noise of its own.
        fire_rate: Use this chance instead of the automaton's own.
    """
    if isinstance(seen, LargePicture):
        how = {"steps": steps, "repeats": repeats, "fire_rate": fire_rate}
        try:
            with trained.recipe.autocast(trained.device):
                return [(seen.name, predict_large(trained, seen, **how))]
        except PictureError as fault:
            warnings.warn(f"left out: {seen.name}: {fault.what}", NCAWarning, stacklevel=2)
            return []
    states = []
    with trained.recipe.autocast(trained.device):
        for repeat in range(repeats):
            first = seen.batch.state
            first = first.replace(random_seed=first.random_seed + repeat)
            last = trained.automaton.rollout(first, steps, fire_rate=fire_rate)
            states.append(trained.automaton.finish(last))
        found = trained.task.predict(states, seen.batch)
    return [
        (name, one if seen.size is None else _cut(one, seen.size))
        for name, one in zip(seen.names, found, strict=True)
    ]


def reliability(uncertainty: Sequence[float], error: Sequence[float]) -> dict[str, float]:
    """Return whether uncertainty predicts error over all samples whose truth is known.

    Args:
        uncertainty: Of each.
        error: Of each.

    Returns:
        Their correlation, the error of the surest half, four fifths and all, and the mean of that
        over all shares; nothing, where there is no sample.
    """
    if not error:
        return {}
    sure, wrong = (torch.tensor([[*each]], dtype=torch.float64) for each in (uncertainty, error))
    risks = risk_at(sure, wrong, COVERAGES)[0].tolist()
    shares = zip(COVERAGES, risks, strict=True)
    return {
        "samples": len(error),
        "correlation with the error": error_correlation(sure, wrong).item(),
        **{f"error of the surest {share:.0%}": risk for share, risk in shares},
        "area under risk": area_under_risk(sure, wrong).item(),
    }


def _read(trained: Trained, file: Path, side: int | None) -> Tensor:
    """Return a picture as the task takes it, `(4, H, W)`."""
    content, canvas = read_picture_file(file), trained.task.canvas
    if not trained.task.any_size:
        return fit_to_grid(decode(content, str(file), side=max(canvas)), canvas)
    most, longest = (side, None) if side else (LONGEST_SIDE, LONGEST_SIDE)
    try:
        picture = decode(content, str(file), side=most, longest=longest)
    except LongPictureError as fault:
        what = f"{fault.what.rstrip('.')}: --side {SIDE} shrinks it."
        raise LongPictureError(what, where=fault.where, to_do=f"give side={SIDE}") from fault
    if max(picture.pixels.shape[:2]) > most:
        text = f"pictures of more than {most:,} pixels along a side are shrunk to so many"
        warnings.warn(f"{text}, and so is what is written of them", NCAWarning, stacklevel=2)
    return fit_to_side(picture, most)


def _fits(trained: Trained, file: Path, size: Size) -> bool:
    """Tell whether the cells of a picture fit into memory; say what becomes of it otherwise."""
    if not trained.task.any_size:
        return True
    in_a_cell = math.prod(trained.task.canvas) / math.prod(trained.recipe.tables.grid.size)
    channels = sum(level.channels for level in trained.recipe.layout.values())
    numbers = LEAST * channels * math.prod(size) / in_a_cell
    count, there = numbers * torch.float32.itemsize, capacity(trained.device)
    if there is None or count <= there:
        return True
    words = f"its {_sides(size)} pixels take {in_bytes(count)} of {in_bytes(there)} as one grid"
    if trained.automaton.skips:  # which remember states that no file of a grid holds
        text = f"left out: {file}: {words}: --side {min(max(size) // 2, SIDE)} shrinks it"
    else:
        text = f"{file}: {words}: its cells lie on disk, and step tile by tile"
    warnings.warn(text, NCAWarning, stacklevel=3)
    return False


def _sides(size: Size) -> str:
    return " x ".join(f"{side:,}" for side in size)


def _seen(trained: Trained, waiting: Sequence[tuple[int, Path, Tensor]]) -> Seen:
    numbers, files, pictures = zip(*waiting, strict=True)
    batch = trained.task.input_batch(torch.stack(pictures).to(trained.device))
    # each picture has fire masks of its own, whichever others are in its batch
    samples = -1 - torch.tensor(numbers, device=trained.device)
    size = tuple(pictures[0].shape[1:]) if trained.task.any_size else None
    state = batch.state.replace(samples=samples)
    return Seen(tuple(str(file) for file in files), Batch(state, batch.truth), size)


def _cut(prediction: Prediction, size: Size) -> Prediction:
    """Return the same with pictures that end where the person's picture does."""
    height, width = size
    pictures = {name: one[:, :height, :width] for name, one in prediction.pictures.items()}
    return Prediction(prediction.values, pictures, prediction.uncertainty, prediction.error)

"""Show a film to an automaton: its frames on the input, one after the other, the state carried on.

Legend: B batch, H height, W width.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nca.checkpoint.trained import Trained
from nca.engine.rollouts import rollout_frames
from nca.errors import NCAError
from nca.files import is_folder
from nca.progress import SILENT, Progress
from nca.render.pictures import Picture, decode_frames, fit_to_grid, pictures_in, read_picture_file
from nca.tasks.batch import Batch
from nca.types import Size


def read_frames(path: Path, size: Size) -> list[Tensor]:
    """Return the frames of a film; they keep their proportions, and what is beside them is dark.

    Args:
        path: A folder of pictures, in the order of their names (10 after 9), or an animated
            picture, each frame of which counts once, however long it lasts.
        size: Height and width of the outcome, in pixels.

    Returns:
        Red, green and blue, `(3, *size)` each, from 0 to 1; what was transparent is dark too.

    Raises:
        PictureError: There is no picture, or one that cannot be read.
    """

    def dark_around(picture: Picture) -> Tensor:
        sheet = fit_to_grid(picture, size)
        return sheet[:3] * sheet[3:]

    files = pictures_in(path) if is_folder(path) else [path]
    return [
        frame
        for file in files
        for frame in decode_frames(read_picture_file(file), str(file), dark_around, side=max(size))
    ]


def demand_input(trained: Trained) -> None:
    """Refuse a task that takes no picture as its input.

    Raises:
        NCAError: It takes none.
    """
    roles = trained.task.roles
    if "input" not in roles:
        raise NCAError(
            "frames cannot be shown: the task takes no picture as input.",
            where=f"{trained.path}; its task takes pictures as: {', '.join(roles) or 'nothing'}",
            to_do="choose a checkpoint whose cells look at pictures",
        )


@torch.no_grad()
def screen(
    trained: Trained,
    frames: Sequence[Tensor],
    steps: int,
    samples: int,
    progress: Progress = SILENT,
) -> list[Batch]:
    """Return the states after each frame, as they are shown; nothing starts anew between frames.

    Beside them is what their votes are judged by while that frame is seen.

    Args:
        trained: Whose automaton looks at them; its task must take an input.
        frames: Red, green and blue, `(3, H, W)` each, on the canvas of the task.
        steps: How many steps pass while a frame is shown.
        samples: How many look at them, each with randomness of its own.
        progress: Where it is reported how many frames have been shown.
    """
    automaton, task = trained.automaton, trained.task
    batch = task.first_evaluation_batch("test", samples)
    truths: list[Mapping[str, Tensor]] = []
    progress.begin("frames", len(frames), unit="frames")

    def shown() -> Iterator[dict[str, Tensor]]:
        for number, frame in enumerate(frames):
            progress.advance(number)
            whole = torch.cat([frame, torch.ones_like(frame[:1])]).to(trained.device)
            seen = task.apply_picture(batch, whole, "input")
            truths.append(seen.truth)
            written = seen.state
            yield {name: written[name] for name in written if name not in automaton.writable_levels}
        progress.advance(len(frames))

    with trained.recipe.autocast(trained.device):
        states = rollout_frames(automaton, batch.state, shown(), steps)
    finished = [automaton.finish(state) for state in states]
    return [Batch(state, truth) for state, truth in zip(finished, truths, strict=True)]

"""The last states of a training, drawn below its progress."""

import time

import torch

from nca.cli.console import err, say
from nca.cli.progress import TerminalProgress
from nca.engine.state import State
from nca.render.terminal import abreast, half_blocks, why_no_picture
from nca.training.monitor import ShowStates
from nca.training.run import Run

PICTURE_EVERY = 1.0
PICTURE_SHARE = 0.02
"""Pictures may take so much of the time of a training, at most."""
PICTURE_SAMPLES = 8
PICTURE_ROWS = 12
PANEL_ROWS = 4
"""Lines of the panel that are no picture, one to spare."""


def live_picture(run: Run, panel: TerminalProgress, wanted: bool | None) -> ShowStates | None:
    """Return what draws states on a panel; None where no picture is wanted or none can be seen.

    Args:
        run: What is trained.
        panel: Where to draw.
        wanted: Whether to draw; None: where it can be seen. Where it is asked for and cannot be
            seen, the reason is printed.
    """
    reason = why_no_picture(err)
    if wanted and reason:
        say(f"no picture: {reason}")
    return None if reason or wanted is False else LivePicture(run, panel)


class LivePicture:
    """Draws states now and then, so rarely that training is not slowed down.

    Args:
        run: What is trained.
        panel: Where to draw.
    """

    def __init__(self, run: Run, panel: TerminalProgress) -> None:
        self.run, self.panel = run, panel
        self.next = 0.0

    def __call__(self, state: State) -> None:
        """Draw the first samples side by side, if it is time."""
        begun, rows = time.monotonic(), min(PICTURE_ROWS, err.height - PANEL_ROWS)
        if state.axes != 2 or rows < 1 or begun < self.next:
            return
        with torch.no_grad():
            pictures = self.run.task.picture(state.select(slice(0, PICTURE_SAMPLES))).cpu()
        count = abreast(pictures[0], err.width, rows)
        self.panel.show(half_blocks(list(pictures[:count]), err.width, rows))
        ended = time.monotonic()
        self.next = begun + max(PICTURE_EVERY, (ended - begun) / PICTURE_SHARE)

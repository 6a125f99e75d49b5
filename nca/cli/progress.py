"""Show how a long command gets on: a live panel on a terminal, plain lines in a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from nca.cli.console import err, format_figure, say
from nca.engine.state import State
from nca.render.terminal import abreast, half_blocks, why_no_picture
from nca.training.loop import Watch
from nca.training.run import Run

LINE_EVERY = 5.0
PICTURE_EVERY = 1.0
PICTURE_SHARE = 0.02
"""Pictures may take so much of the time of a training, at most."""
PICTURE_SAMPLES = 8
PICTURE_ROWS = 12
PANEL_ROWS = 4
"""Lines of the panel that are no picture, one to spare."""


@contextmanager
def watching(run: Run, picture: bool | None = None) -> Iterator[Watch]:
    """Return a watch that shows a training run.

    Args:
        run: What is trained.
        picture: Whether to draw what the last states look like; None: where it can be seen.
            Where it cannot, that is said to whoever asked.
    """
    reason = why_no_picture(err)
    if picture and reason:
        say(f"no picture: {reason}")
    if err.is_terminal:
        with _Panel(run, picture is not False and not reason).live() as watch:
            yield watch
    else:
        yield _Lines(run).watch()


@contextmanager
def counting(what: str, total: int | None) -> Iterator[Watch]:
    """Return a watch that shows how far an evaluation is; silent in a pipe."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as progress:
        bar = progress.add_task(what, total=total)
        yield Watch(measured=lambda done: progress.update(bar, completed=done))


def _figures(record: dict[str, Any]) -> str:
    left_out = {"iteration", "kind", "after", "samples", "steps"}
    told = [
        f"{name} {format_figure(value)}" for name, value in record.items() if name not in left_out
    ]
    return "  ".join(told)


class _Lines:
    """One line now and then, for logs and pipes."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.begun = self.spoken = time.monotonic()

    def watch(self) -> Watch:
        return Watch(record=self.record, notice=say)

    def record(self, record: dict[str, Any]) -> None:
        now = time.monotonic()
        if record["kind"] == "train" and now - self.spoken < LINE_EVERY:
            return
        self.spoken = now
        of = f"{record['iteration']:>6,}/{self.run.table.iterations:,}"
        word = "held out  " if record["kind"] == "held_out" else ""
        say(f"{now - self.begun:6.0f} s  {of}  {word}{_figures(record)}")


class _Panel:
    """A bar, the last figures and a small picture."""

    def __init__(self, run: Run, draws: bool) -> None:
        self.run, self.draws = run, draws
        self.progress = Progress(
            TextColumn(run.recipe.name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=err,
        )
        self.bar = self.progress.add_task("", total=run.table.iterations, completed=run.iteration)
        self.now, self.held_out = Text(), Text()
        self.picture: RenderableType = Text()
        self.next_picture = 0.0

    @contextmanager
    def live(self) -> Iterator[Watch]:
        with Live(self.render(), console=err, refresh_per_second=4, transient=False) as live:
            self.shown = live
            yield Watch(record=self.record, states=self.states, notice=say)

    def render(self) -> Group:
        return Group(self.progress, self.now, self.held_out, self.picture)

    def record(self, record: dict[str, Any]) -> None:
        self.progress.update(self.bar, completed=record["iteration"])
        line = Text(_figures(record))
        if record["kind"] == "held_out":
            self.held_out = Text("held out  ") + line
        else:
            self.now = line
        self.shown.update(self.render())

    def states(self, state: State) -> None:
        begun, rows = time.monotonic(), min(PICTURE_ROWS, err.height - PANEL_ROWS)
        if not self.draws or state.axes != 2 or rows < 1 or begun < self.next_picture:
            return
        with torch.no_grad():
            pictures = self.run.task.picture(state.select(slice(0, PICTURE_SAMPLES))).cpu()
        count = abreast(pictures[0], err.width, rows)
        self.picture = half_blocks(list(pictures[:count]), err.width, rows)
        self.shown.update(self.render())
        ended = time.monotonic()
        self.next_picture = begun + max(PICTURE_EVERY, (ended - begun) / PICTURE_SHARE)

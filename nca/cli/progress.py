"""Show how a long command gets on: a live panel on a terminal, plain lines in a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from torch import Tensor

from nca.cli.console import err, figure, say
from nca.run import Run
from nca.state import State
from nca.training import Watch

LINE_EVERY = 5.0
PICTURE_EVERY = 2.0
PICTURE_CELLS = 20


@contextmanager
def watching(run: Run) -> Iterator[Watch]:
    """Return a watch that shows a training run."""
    if err.is_terminal:
        with _Panel(run).live() as watch:
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
    told = [f"{name} {figure(value)}" for name, value in record.items() if name not in left_out]
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

    def __init__(self, run: Run) -> None:
        self.run = run
        self.progress = Progress(
            TextColumn(run.recipe.name),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=err,
        )
        self.bar = self.progress.add_task("", total=run.table.iterations, completed=run.iteration)
        self.now, self.held_out, self.picture = Text(), Text(), Text()
        self.drawn = 0.0

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
        if state.axes != 2 or time.monotonic() - self.drawn < PICTURE_EVERY:
            return
        self.drawn = time.monotonic()
        with torch.no_grad():
            shown = self.run.task.picture(state.select(slice(0, 3)))
        self.picture = half_blocks(torch.cat(list(shown.cpu()), dim=-1))
        self.shown.update(self.render())


def half_blocks(picture: Tensor) -> Text:
    """Return `(3, H, W)` as text: each character is two cells, one above the other."""
    step = -(-picture.shape[1] // PICTURE_CELLS)
    rows = (picture[:, ::step, ::step].clamp(0, 1) * 255).int().movedim(0, -1).tolist()
    rows += [rows[-1]] if len(rows) % 2 else []
    text = Text()
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        for (r, g, b), (s, h, c) in zip(upper, lower, strict=True):
            text.append("\u2580", style=f"rgb({r},{g},{b}) on rgb({s},{h},{c})")
        text.append("\n")
    return text

"""Progress of every command: a live panel on a terminal, plain lines in a pipe."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from rich import progress as bars
from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.text import Text

from nca.cli.console import err, format_figure, say
from nca.progress import Progress

NEVER = math.inf
RECORD_EVERY = 5.0
"""Seconds between two lines of training in a pipe."""

LEFT_OUT = {"iteration", "kind", "after", "samples", "steps"}
"""What a line of figures does not repeat."""


@dataclass(frozen=True)
class Piece:
    """A piece of work and how far it is; see `Progress.begin`."""

    what: str = ""
    total: int | None = None
    done: int = 0
    unit: str = ""
    since: float = field(default_factory=lambda: time.monotonic())

    @property
    def amount(self) -> str:
        """How much is done, in words: `120/6,000`, `3.1 MB of 9.9 MB`, or a speed."""
        done, total = self.done, self.total
        if self.unit == "bytes":
            return f"{decimal(done)} of {decimal(total)}" if total else decimal(done) * (done > 0)
        if self.unit == "cell-steps":
            speed = done / max(time.monotonic() - self.since, 1e-9)
            return f"{done / total:6.1%}  {speed:,.0f} {self.unit} per second" if total else ""
        return f"{done:,}/{total:,}" if total else f"{done:,}" if self.unit else ""


def figures(row: Mapping[str, Any]) -> str:
    """Return the figures of a row in a line; `held out` comes first where they are."""
    words = [f"{name} {format_figure(v)}" for name, v in row.items() if name not in LEFT_OUT]
    return "  ".join(["held out", *words] if row["kind"] == "held_out" else words)


class TerminalProgress(Progress):
    """Progress on stderr."""

    def note(self, text: str) -> None:
        """Print it."""
        say(text)

    def show(self, picture: RenderableType) -> None:
        """Draw a picture below the figures, where there is a panel."""

    def interrupted(self) -> AbstractContextManager[Any]:
        """Return a context in which stdout may be written to."""
        return nullcontext()


@contextmanager
def terminal_progress(*, every: float = NEVER, keep: bool = False) -> Iterator[TerminalProgress]:
    """Show progress on stderr.

    Args:
        every: Seconds between two lines in a pipe that say how far it is; 0: all of them.
        keep: Whether the panel of a terminal stays there afterwards.
    """
    if err.is_terminal:
        with _Panel().live(keep) as panel:
            yield panel
    else:
        yield _Lines(every)


class _Lines(TerminalProgress):
    """One line now and then, for logs and pipes."""

    def __init__(self, every: float) -> None:
        self.every = every
        self.piece = Piece()
        self.begun = self.recorded = time.monotonic()
        self.last = -math.inf

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        """Print what begins, unless it can be counted and its lines come later."""
        self.piece = Piece(what, total, done, unit)
        if unit:
            self.last = time.monotonic()
        elif self._due():
            say(what)

    def advance(self, done: int, part: str = "") -> None:
        """Print how far it is, if it is time."""
        self.piece = replace(self.piece, done=done)
        if self._due():
            self._say(part)

    def record(self, row: Mapping[str, Any]) -> None:
        """Print the figures of an iteration; of training, if it is time."""
        now = time.monotonic()
        if "iteration" not in row:
            return
        if row["kind"] == "train" and now - self.recorded < RECORD_EVERY:
            return
        self.recorded = now
        self._say(figures(row))

    def _due(self) -> bool:
        now = time.monotonic()
        due = now - self.last >= self.every
        self.last = now if due else self.last
        return due

    def _say(self, words: str) -> None:
        width = 7 + len(f"{self.piece.total:,}") if self.piece.total else 0
        line = f"{time.monotonic() - self.begun:6.0f} s  {self.piece.amount:>{width}}  {words}"
        say(line.rstrip())


class _Time(bars.ProgressColumn):
    """The time that is left where that can be predicted, else the time that has passed."""

    def render(self, task: bars.Task) -> Text:
        if task.total is None:
            return bars.TimeElapsedColumn().render(task)
        return Text("left ") + bars.TimeRemainingColumn().render(task)


class _Panel(TerminalProgress):
    """A bar, the last figures of each kind and perhaps a picture."""

    def __init__(self) -> None:
        self.piece = Piece()
        self.rows: dict[str, Text] = {}
        self.picture: RenderableType = ""
        self.bars = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            bars.TextColumn("{task.fields[amount]}", markup=False, justify="right"),
            _Time(),
            console=err,
        )
        self.tasks: dict[str, bars.TaskID] = {}

    @contextmanager
    def live(self, keep: bool) -> Iterator["_Panel"]:
        """Show it for a while."""
        self.shown = Live(
            get_renderable=self._render, console=err, refresh_per_second=4, transient=not keep
        )
        with self.shown:
            yield self

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Take the panel away for a while."""
        self.shown.stop()
        yield
        self.shown.start(refresh=True)

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        """Show the bar of this piece alone; one that has only been interrupted goes on."""
        self._put_away()
        self.piece = Piece(what, total, done, unit)
        if what not in self.tasks:
            self.tasks[what] = self.bars.add_task(what, total=total, completed=done, amount="")
        task = self.tasks[what]
        if (self._task(task).completed, self._task(task).total) != (done, total):
            self.bars.reset(task, total=total, completed=done)
        self.bars.update(task, visible=True, amount=self.piece.amount)

    def advance(self, done: int, part: str = "") -> None:
        """Move the bar, and name the part that was done."""
        self.piece = replace(self.piece, done=done)
        what, amount = self.piece.what, self.piece.amount
        self.bars.update(self.tasks[what], completed=done, description=part or what, amount=amount)

    def record(self, row: Mapping[str, Any]) -> None:
        """Show the figures of an iteration."""
        if "iteration" in row:
            self.rows[row["kind"]] = Text(figures(row))
            self.shown.refresh()

    def show(self, picture: RenderableType) -> None:
        """Draw a picture below the figures."""
        self.picture = picture
        self.shown.refresh()

    def _put_away(self) -> None:
        """Hide the bar of the current piece; drop it where nothing of it is left to do."""
        task = self.tasks.get(self.piece.what)
        if task is None:
            return
        if self.piece.total is None or self.piece.done >= self.piece.total:
            self.bars.remove_task(self.tasks.pop(self.piece.what))
        else:
            self.bars.update(task, visible=False)

    def _task(self, number: bars.TaskID) -> bars.Task:
        return next(task for task in self.bars.tasks if task.id == number)

    def _render(self) -> Group:
        return Group(self.bars, *self.rows.values(), self.picture)

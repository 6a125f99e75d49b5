"""Progress of the jobs of a sweep: a line for each on a terminal, plain lines in a pipe."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rich.live import Live
from rich.table import Table

from nca.cli.console import err, format_figure, say
from nca.cli.progress import Piece
from nca.progress import Progress
from nca.sweep.worker import Job

LINE_EVERY = 15.0


@contextmanager
def sweep_progress(names: Mapping[str, str], headline: str, done: int) -> Iterator["SweepProgress"]:
    """Show the jobs that are under way.

    Args:
        names: What to call a job, by its folder; there is one for every run of the sweep.
        headline: The metric to show.
        done: How many runs are done already.
    """
    progress = SweepProgress(names, headline, done, live=err.is_terminal)
    if err.is_terminal:
        with Live(get_renderable=progress.render, console=err, transient=True):
            yield progress
    else:
        yield progress


class SweepProgress:
    """All jobs of a sweep; each reports to a `Progress` of its own."""

    def __init__(self, names: Mapping[str, str], headline: str, done: int, live: bool) -> None:
        self.names, self.headline, self.live = names, headline, live
        self.done, self.total = done, len(names)
        self.begun = time.monotonic()
        self.jobs: dict[str, _JobProgress] = {}

    def job(self, job: Job) -> Progress:
        """Return where a job that begins is reported."""
        self.jobs[job.folder] = _JobProgress(self, job)
        return self.jobs[job.folder]

    def render(self) -> Table:
        """Return the panel as it is now."""
        table = Table(box=None, pad_edge=False, show_header=False)
        for folder, job in list(self.jobs.items()):
            table.add_row(self.names[folder], job.at, "  ".join(job.figures.values()))
        table.add_row(f"{self.done} of {self.total} runs are done")
        return table


class _JobProgress(Progress):
    """One job: prints when it begins and ends, and keeps what the panel shows in between."""

    def __init__(self, sweep: SweepProgress, job: Job) -> None:
        self.sweep, self.folder = sweep, job.folder
        self.piece: Piece | None = None
        self.figures: dict[str, str] = {}
        self.said = time.monotonic()

    @property
    def at(self) -> str:
        """How far it is, in words."""
        if self.piece is None:
            return "starts"
        if self.piece.unit == "iterations":
            return self.piece.amount
        if self.piece.unit == "samples":
            return f"evaluating, {self.piece.done:,} samples"
        return f"{self.piece.what}  {self.piece.amount}".rstrip()

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        """Keep it for the panel."""
        self.piece = Piece(what, total, done, unit)

    def advance(self, done: int, part: str = "") -> None:
        """Keep it for the panel."""
        self.piece = replace(self.piece or Piece(), done=done)

    def note(self, text: str) -> None:
        """Print it as a line of this job."""
        passed, done = time.monotonic() - self.sweep.begun, self.sweep.done
        name = self.sweep.names[self.folder]
        say(f"{passed:6.0f} s  {done:>3}/{self.sweep.total}  {name}  {text}")

    def record(self, row: Mapping[str, Any]) -> None:
        """Print beginning and end, and in a pipe now and then what training has come to."""
        headline = self.sweep.headline
        match row["kind"]:
            case "begun" if not self.sweep.live:
                at = row["iteration"]
                self.note(f"goes on at iteration {at:,}" if at else "begins")
            case "train":
                self.figures["loss"] = f"loss {format_figure(row['loss'])}"
                if not self.sweep.live and time.monotonic() - self.said >= LINE_EVERY:
                    self.said = time.monotonic()
                    self.note("  ".join([self.at, *self.figures.values()]))
            case "held_out" if headline in row:
                self.figures["held out"] = f"held out {headline} {format_figure(row[headline])}"
            case "ended":
                self._end(row["outcome"])

    def _end(self, outcome: Mapping[str, Any] | None) -> None:
        del self.sweep.jobs[self.folder]
        if outcome is None:
            self.note("stopped")
            return
        self.sweep.done += 1
        if "failed" in outcome:
            self.note(f"failed: {outcome['failed']}")
            return
        headline, first = self.sweep.headline, outcome["measured"][0]
        value = f"  {headline} {format_figure(first[headline])}" * (headline in first)
        self.note(f"done{value}")

"""Show how the jobs of a sweep get on: a line for each on a terminal, plain lines in a pipe."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.live import Live
from rich.table import Table

from nca.cli.console import err, format_figure, say
from nca.sweep.processes import SweepDisplay
from nca.sweep.worker import Job

LINE_EVERY = 15.0


@contextmanager
def showing(names: Mapping[str, str], headline: str, done: int) -> Iterator[SweepDisplay]:
    """Return a display of the jobs that are under way.

    Args:
        names: What to call a job, by its folder; there is one for every run of the sweep.
        headline: The metric to show.
        done: How many runs are done already.
    """
    progress = _Progress(names, headline, done, live=err.is_terminal)
    if err.is_terminal:
        with Live(get_renderable=progress.render, console=err, transient=True):
            yield progress
    else:
        yield progress


class _Progress:
    """Say when a run begins and ends, and show in a panel, or now and then, what is between."""

    def __init__(self, names: Mapping[str, str], headline: str, done: int, live: bool) -> None:
        self.names, self.headline, self.live = names, headline, live
        self.done, self.total = done, len(names)
        self.begun = time.monotonic()
        self.spoken: dict[str, float] = {}
        self.length: dict[str, int] = {}
        self.now: dict[str, dict[str, str]] = {}

    def started(self, job: Job) -> None:
        """Remember the job."""
        self.now[job.folder] = {"at": "starts"}

    def told(self, job: Job, record: dict[str, Any]) -> None:
        """Take what a job tells; say what is worth a line."""
        now = self.now[job.folder]
        match record["kind"]:
            case "notice":
                self._say(job, record["text"])
            case "measured":
                now["at"] = f"evaluating, {record['samples']:,} samples"
            case "begun":
                self.length[job.folder] = record["of"]
                self.spoken[job.folder] = time.monotonic()
                self._at(job, record["iteration"])
                if not self.live:
                    at = record["iteration"]
                    self._say(job, f"goes on at iteration {at:,}" if at else "begins")
            case "train":
                self._at(job, record["iteration"])
                now["loss"] = f"loss {format_figure(record['loss'])}"
                self._now_and_then(job)
            case "held_out" if self.headline in record:
                value = format_figure(record[self.headline])
                now["held out"] = f"held out {self.headline} {value}"

    def ended(self, job: Job, outcome: dict[str, Any] | None) -> None:
        """Say what came of a job."""
        del self.now[job.folder]
        if outcome is None:
            self._say(job, "stopped")
            return
        self.done += 1
        if "failed" in outcome:
            self._say(job, f"failed: {outcome['failed']}")
            return
        first = outcome["measured"][0]
        value = f"  {self.headline} {format_figure(first[self.headline])}" * (
            self.headline in first
        )
        self._say(job, f"done{value}")

    def _at(self, job: Job, iteration: int) -> None:
        self.now[job.folder]["at"] = f"{iteration:,}/{self.length[job.folder]:,}"

    def _now_and_then(self, job: Job) -> None:
        if not self.live and time.monotonic() - self.spoken[job.folder] >= LINE_EVERY:
            self.spoken[job.folder] = time.monotonic()
            self._say(job, "  ".join(self.now[job.folder].values()))

    def _say(self, job: Job, text: str) -> None:
        passed = time.monotonic() - self.begun
        say(f"{passed:6.0f} s  {self.done:>3}/{self.total}  {self.names[job.folder]}  {text}")

    def render(self) -> Table:
        """Return the panel as it is now."""
        table = Table(box=None, pad_edge=False, show_header=False)
        for folder, now in list(self.now.items()):
            rest = "  ".join(text for name, text in list(now.items()) if name != "at")
            table.add_row(self.names[folder], now["at"], rest)
        table.add_row(f"{self.done} of {self.total} runs are done")
        return table

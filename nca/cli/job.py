"""The process that does one run of a sweep; its program is in `nca.sweep.processes`.

It reads its job as one line of JSON, and then listens to the same pipe: when it closes, the run
saves and stops, since the sweep asks for it or has ended. Progress is written as lines of JSON.
The folder among the arguments is for those who look at a list of processes.
"""

import os
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from nca.cli.console import out_of_memory
from nca.errors import NCAError
from nca.jsonl import dumps
from nca.progress import Progress
from nca.registry.discovery import discover
from nca.sweep.worker import STOPPED, Job, Stopped, note, reason, run_job


class PipeProgress(Progress):
    """Progress as lines of JSON on the pipe to the sweep; each names its call as its `kind`."""

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._to = os.dup(1)
        os.dup2(2, 1)  # what plugins print is not for the sweep to read

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        """Write it."""
        call = {"what": what, "total": total, "done": done, "unit": unit}
        self.record({"kind": "begin", **call})

    def advance(self, done: int, part: str = "") -> None:
        """Write it."""
        self.record({"kind": "advance", "done": done, "part": part})

    def note(self, text: str) -> None:
        """Write it."""
        self.record({"kind": "note", "text": text})

    def record(self, row: Mapping[str, Any]) -> None:
        """Write a line; where the sweep has ended, the job should stop as well."""
        try:
            os.write(self._to, f"{dumps(row)}\n".encode())
        except OSError:
            self._closed.set()

    def stopped(self) -> bool:
        """Return whether the sweep has closed its end of the pipe."""
        return self._closed.is_set()

    def listen(self) -> None:
        """Wait for the other end to close, in the background."""

        def wait() -> None:
            while os.read(0, 1):
                pass
            self._closed.set()

        threading.Thread(target=wait, daemon=True).start()


def serve_job() -> int:
    """Do the job; return 0 with an outcome, 130 if it was stopped, 1 on a bug of ours."""
    progress = PipeProgress()
    job = Job.read(sys.stdin.readline())
    progress.listen()
    try:
        outcome = _done(job, progress)
    except Stopped:
        return STOPPED
    progress.record({"kind": "outcome", "outcome": outcome})
    return 0


def _done(job: Job, progress: Progress) -> dict[str, Any]:
    """Do the job; what goes wrong is its outcome, since the other runs go on."""
    try:
        discover()
        return run_job(job, progress)
    except NCAError as fault:
        return note(job, failed=reason(fault))
    except Exception as fault:  # a bug of ours or of a plugin
        full = out_of_memory(fault)
        if full is not None:
            return note(job, failed=reason(full))
        traceback.print_exc()
        words = (str(fault).splitlines() or [""])[0]
        return note(job, failed=f"{type(fault).__name__}: {words} (log.txt in its folder)")

"""Worker processes of a sweep: its jobs side by side, each in a process of its own.

A process that fails, or is killed for its memory, takes no other with it. All of them end with
the sweep: they listen to a pipe, and stop when it closes.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import nca
from nca.errors import StorageError
from nca.progress import Progress
from nca.sweep.worker import STOPPED, Job

ROOT = Path(nca.__file__).resolve().parent.parent
"""Where this very package is found."""

JOB = """\
import sys
sys.path.append(sys.argv.pop(1))
from nca.cli.job import serve_job
sys.exit(serve_job())
"""
"""The program of a job: nothing that lies in the working folder takes the place of a module."""

LOG = "log.txt"
WAKE = 0.1
GRACE = 120.0
"""Seconds that a run gets to end its iteration and save."""


@dataclass(frozen=True)
class Slot:
    """A place for one job at a time.

    Attributes:
        device: Where it runs.
        threads: Of the processor.
    """

    device: str
    threads: int


class _Worker:
    """A job and its process."""

    def __init__(
        self,
        job: Job,
        slot: Slot,
        inbox: "queue.Queue[tuple[_Worker, Any]]",
        progress_of: Callable[[Job], Progress],
    ) -> None:
        self.job, self.slot = replace(job, device=slot.device), slot
        self.begun, self.outcome = False, None
        self.log = Path(job.folder) / LOG
        with _opened(self.log) as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", JOB, str(ROOT), job.folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": str(slot.threads)},
                start_new_session=True,  # Ctrl-C is for the sweep, which stops its jobs
            )
        assert self.process.stdin is not None
        with suppress(OSError):  # it has ended already, and its end will be read
            self.process.stdin.write(f"{self.job.written()}\n".encode())
            self.process.stdin.flush()
        self.progress = progress_of(self.job)
        self.thread = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self.thread.start()

    def _read(self, inbox: "queue.Queue[tuple[_Worker, Any]]") -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict) and "kind" in message:
                    inbox.put((self, message))
        inbox.put((self, None))

    def receive(self, message: Mapping[str, Any]) -> None:
        """Report what the process has written: a call of `PipeProgress`, or its outcome."""
        match message["kind"]:
            case "outcome":
                self.outcome = message["outcome"]
            case "begin":
                what, total = message["what"], message["total"]
                self.progress.begin(what, total, done=message["done"], unit=message["unit"])
            case "advance":
                self.progress.advance(message["done"], message["part"])
            case "note":
                self.progress.note(message["text"])
            case kind:
                self.begun = self.begun or kind == "begun"
                self.progress.record(message)

    def stop(self) -> None:
        """Ask the process to save and end; one that has nothing to save ends at once."""
        if not self.begun:
            self.process.kill()
        self._hang_up()

    def _hang_up(self) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()

    def end(self) -> dict[str, Any] | None:
        """Wait for the end of the process, and return what came of the job."""
        self._hang_up()
        code = self.process.wait()
        self.thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        with suppress(OSError):
            if not self.log.stat().st_size:
                self.log.unlink()
        if self.outcome is not None or code == STOPPED:
            return self.outcome
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        hint = ", perhaps for want of memory" if code == -9 else ""
        return {"failed": f"its process ended with {how}{hint} ({self.log})"}


def side_by_side(
    jobs: Sequence[Job],
    slots: Sequence[Slot],
    progress_of: Callable[[Job], Progress],
    stopped: Callable[[], bool],
) -> dict[str, dict[str, Any]]:
    """Do all jobs, as many at a time as there are slots.

    Args:
        jobs: What to do, in this order.
        slots: Where; they replace the jobs' own devices.
        progress_of: Returns where a job is reported, when its process has begun; the last thing
            reported is a record of the kind `ended`, with its outcome, or null.
        stopped: Asked now and then whether to save and stop.

    Returns:
        Outcomes by the folder of their job; jobs that were stopped or never begun have none.
    """
    inbox: queue.Queue[tuple[_Worker, Any]] = queue.Queue()
    waiting, free, busy = list(jobs), list(slots), []
    outcomes: dict[str, dict[str, Any]] = {}
    deadline = None
    try:
        while busy or (waiting and not stopped()):
            if stopped() and deadline is None:
                deadline = time.monotonic() + GRACE
                for worker in busy:
                    worker.stop()
            while waiting and free and not stopped():
                busy.append(_Worker(waiting.pop(0), free.pop(0), inbox, progress_of))
            if deadline is not None and time.monotonic() > deadline:
                break
            try:
                worker, message = inbox.get(timeout=WAKE)
            except queue.Empty:
                continue
            if message is not None:
                worker.receive(message)
                continue
            busy.remove(worker)
            free.insert(0, worker.slot)
            outcome = worker.end()
            if outcome is not None and not (deadline and worker.outcome is None):
                outcomes[worker.job.folder] = outcome
            outcome = outcomes.get(worker.job.folder)
            worker.progress.record({"kind": "ended", "outcome": outcome})
    finally:
        for worker in busy:  # a second Ctrl-C, a bug, or no end in sight
            worker.process.kill()
        for worker in busy:
            worker.end()
    return outcomes


def _opened(log: Path) -> BinaryIO:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError as fault:
        raise StorageError(
            f"the run's folder cannot be used: {fault.strerror}.",
            where=str(log.parent),
            to_do="free some space or choose another folder: nca sweep ... --out FOLDER",
        ) from fault

"""The process that does one run of a sweep: `python -m nca.cli.job FOLDER`.

It reads its job as one line of JSON, and then listens to the same pipe: when it closes, the
sweep wants the run to save and stop, or is no more. What happens is told in lines of JSON. The
folder among the arguments is for those who look at a list of processes.
"""

import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from nca.cli.console import out_of_memory
from nca.data.dataset import Report
from nca.errors import NCAError
from nca.jsonl import dumps
from nca.registry.discovery import discover, load_file
from nca.sweep.worker import STOPPED, Job, Stopped, note, reason, run_job
from nca.training.loop import Watch


class _Line:
    """The pipe to the sweep and the one from it."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._to = os.dup(1)
        os.dup2(2, 1)  # what plugins print is not for the sweep to read

    def tell(self, told: dict[str, Any]) -> None:
        """Write a line; a sweep that is no more does not read it, and that is a wish to stop."""
        try:
            os.write(self._to, f"{dumps(told)}\n".encode())
        except OSError:
            self.closed.set()

    def listen(self) -> None:
        """Wait for the other end to close, in the background."""

        def wait() -> None:
            while os.read(0, 1):
                pass
            self.closed.set()

        threading.Thread(target=wait, daemon=True).start()


def serve_job() -> int:
    """Do the job; return 0 with an outcome, 130 if it was stopped, 1 on a bug of ours."""
    line = _Line()
    job = Job.read(sys.stdin.readline())
    line.listen()
    watch = Watch(
        record=line.tell,
        notice=lambda text: line.tell({"kind": "notice", "text": text}),
        measured=lambda done: line.tell({"kind": "measured", "samples": done}),
        stopped=line.closed.is_set,
    )
    report = Report(watch.notice, lambda *_: None)
    try:
        outcome = _done(job, watch, report)
    except Stopped:
        return STOPPED
    line.tell({"kind": "outcome", "outcome": outcome})
    return 0


def _done(job: Job, watch: Watch, report: Report) -> dict[str, Any]:
    """Do the job; what goes wrong is its outcome, since the other runs go on."""
    try:
        discover()
        for file in job.plugins:
            load_file(Path(file))
        return run_job(job, watch, report)
    except NCAError as fault:
        return note(job, failed=reason(fault))
    except Exception as fault:  # a bug of ours or of a plugin
        full = out_of_memory(fault)
        if full is not None:
            return note(job, failed=reason(full))
        traceback.print_exc()
        words = (str(fault).splitlines() or [""])[0]
        return note(job, failed=f"{type(fault).__name__}: {words} (log.txt in its folder)")


if __name__ == "__main__":
    sys.exit(serve_job())

"""What the page is shown of an exception; the log gets a bug of ours with its traceback."""

import logging
import time
import traceback

from nca.errors import NCAError

LOG = logging.getLogger("nca.play")
"""Without a handler of its own, so that it goes to stderr."""

AGAIN = 5.0
"""Seconds after which a fault that goes on is reported once more."""


def describe_fault(fault: Exception) -> dict[str, str]:
    """Return what, where and to do of an exception, which is logged unless it is an `NCAError`."""
    if isinstance(fault, NCAError):
        return {"what": fault.what, "where": fault.where, "to_do": fault.to_do}
    LOG.error("a bug of nca play", exc_info=fault)
    return {
        "what": "nca play has failed at this, by a bug of its own; all else goes on.",
        "where": f"{type(fault).__name__}: {fault}"[:300],
        "to_do": "report it, with the traceback that nca play has printed",
    }


class Repeats:
    """Knows a fault that comes again and again, so that it is reported now and then only."""

    def __init__(self) -> None:
        self._last: object = None
        self._when = 0.0

    def new(self, fault: Exception) -> bool:
        """Tell whether a raised fault shall be reported: another one, or after a while."""
        found = type(fault), traceback.extract_tb(fault.__traceback__)[-1]
        known = found == self._last and time.monotonic() - self._when < AGAIN
        if not known:
            self._last, self._when = found, time.monotonic()
        return not known

    def forget(self) -> None:
        """Let whatever comes next count as new."""
        self._last = None

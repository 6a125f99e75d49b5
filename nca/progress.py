"""How long work reports its progress: one protocol, whatever the work is and whoever watches.

Training, evaluation, downloads, streaming, reports, benchmarks and sweeps call it; a terminal
panel, a pipe of JSON, TensorBoard and tests implement it. Nothing below the command line prints.
"""

from collections.abc import Mapping
from typing import Any, Protocol


class Progress(Protocol):
    """Callbacks of long work; a subclass overrides those that it cares for."""

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        """Begin a piece of work, or return to one that another has interrupted.

        Args:
            what: Its name.
            total: How much there is to do; None: unknown.
            done: How much of it is done already.
            unit: What is counted, in the plural: `samples`, `bytes`.
        """

    def advance(self, done: int, part: str = "") -> None:
        """Report how far the current piece of work is.

        Args:
            done: How much of it is done now.
            part: The part that was done last, where parts have names.
        """

    def note(self, text: str) -> None:
        """Report a sentence that a person should read."""

    def record(self, row: Mapping[str, Any]) -> None:
        """Report a row of results; `kind` says which."""

    def stopped(self) -> bool:
        """Return whether the work should save and stop; asked between its iterations."""
        return False


class _Silent(Progress):
    """Progress without an observer."""


SILENT: Progress = _Silent()
"""Reports nothing, and never stops."""


class ProgressList(Progress):
    """Several observers as one; the work stops if any of them asks for it.

    Args:
        parts: The observers, called in this order.
    """

    def __init__(self, *parts: Progress) -> None:
        self.parts = parts

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        """Pass it on."""
        for part in self.parts:
            part.begin(what, total, done=done, unit=unit)

    def advance(self, done: int, part: str = "") -> None:
        """Pass it on."""
        for each in self.parts:
            each.advance(done, part)

    def note(self, text: str) -> None:
        """Pass it on."""
        for part in self.parts:
            part.note(text)

    def record(self, row: Mapping[str, Any]) -> None:
        """Pass it on."""
        for part in self.parts:
            part.record(row)

    def stopped(self) -> bool:
        """Return whether any of them asks to stop."""
        return any(part.stopped() for part in self.parts)

"""A progress that keeps what is reported to it."""

from collections.abc import Callable, Mapping
from typing import Any

from nca import Progress


class Observed(Progress):
    """Keeps all calls; `stops` answers whether to stop."""

    def __init__(self, stops: Callable[[], bool] = lambda: False) -> None:
        self.pieces: list[tuple[str, int | None, int, str]] = []
        self.steps: list[int] = []
        self.parts: list[str] = []
        self.notes: list[str] = []
        self.rows: list[Mapping[str, Any]] = []
        self.stops = stops

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        self.pieces.append((what, total, done, unit))

    def advance(self, done: int, part: str = "") -> None:
        self.steps.append(done)
        self.parts.append(part)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def record(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)

    def stopped(self) -> bool:
        return self.stops()

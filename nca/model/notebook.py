"""Progress as a bar in the cell of a notebook that has started the work."""

import html
import sys
import time
from collections.abc import Mapping
from typing import Any

from nca.progress import SILENT, Progress

EVERY = 0.25
"""Seconds between two looks of a bar, at least."""


def progress_here() -> Progress:
    """Return a bar where a notebook runs this; elsewhere what reports nothing."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return NotebookProgress() if hasattr(shell, "kernel") else SILENT


class NotebookProgress(Progress):
    """A bar with the newest figures; notes are lines below it.

    It needs IPython, which a notebook brings.
    """

    def __init__(self) -> None:
        self._what, self._total, self._done = "", None, 0
        self._figures: dict[str, str] = {}
        self._notes: list[str] = []
        self._handle: Any = None
        self._shown = 0.0

    def begin(self, what: str, total: int | None = None, *, done: int = 0, unit: str = "") -> None:
        """Show another piece of work."""
        self._what, self._total, self._done = what, total, done
        self._figures.clear()
        self._show(at_once=True)

    def advance(self, done: int, part: str = "") -> None:
        """Move the bar."""
        self._done = done
        self._show(at_once=done == self._total)

    def note(self, text: str) -> None:
        """Add a line."""
        self._notes.append(text)
        self._show(at_once=True)

    def record(self, row: Mapping[str, Any]) -> None:
        """Show the figures of an iteration."""
        if "iteration" not in row:
            return
        left = {"iteration", "kind", "after", "samples", "steps"}
        of = "held out " if row["kind"] == "held_out" else ""
        figures = {f"{of}{name}": value for name, value in row.items() if name not in left}
        self._figures |= {
            name: f"{value:.4g}" if isinstance(value, float) else str(value)
            for name, value in figures.items()
        }
        self._show(at_once=False)

    def _repr_html_(self) -> str:
        """Return bar, figures and notes."""
        amount = f"{self._done:,}" + (f"/{self._total:,}" if self._total else "")
        bar = f'<progress max="{self._total}" value="{self._done}"></progress> '
        figures = ", ".join(f"{name} {text}" for name, text in self._figures.items())
        words = html.escape(f"{self._what} {amount}  {figures}")
        lines = "".join(f"<br>{html.escape(note)}" for note in self._notes)
        return f"<div>{bar if self._total else ''}{words}<small>{lines}</small></div>"

    def _show(self, *, at_once: bool) -> None:
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]

        now = time.monotonic()
        if not at_once and now - self._shown < EVERY:
            return
        self._shown = now
        look = HTML(self._repr_html_())
        if self._handle is None:
            self._handle = display(look, display_id=True)
        else:
            self._handle.update(look)

"""A report in Python: findings and figures, which a notebook shows and a folder keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from nca.files import user_path
from nca.reports.finding import Finding
from nca.reports.html import table
from nca.reports.table import Table


@dataclass(frozen=True)
class Report:
    """What was found out about an automaton; a notebook shows it as two short tables.

    Attributes:
        title: What was asked, of what.
        headline: The verdict in a sentence.
        findings: Questions with their answers.
        figures: Everything that was measured, as `--json` prints it.
        shown: The figures that count most.
        publish: Writes the page with its pictures into a folder.
    """

    title: str
    headline: str
    findings: Sequence[Finding]
    figures: dict[str, Any] = field(repr=False)
    shown: Table = field(repr=False)
    publish: Callable[[Path], None] = field(repr=False)

    def save(self, folder: str | Path) -> Path:
        """Write `report.html` with its pictures and numbers, and return the folder.

        Args:
            folder: Is made where it is missing; files of the same names are replaced.

        Raises:
            StorageError: It cannot be made, or a file not written.
        """
        path = user_path(Path(folder))
        self.publish(path)
        return path

    def __repr__(self) -> str:
        """Return title and verdict."""
        return f"Report({self.title}: {self.headline})"

    def _repr_html_(self) -> str:
        rows = [(one.question, one.answer, one.words) for one in self.findings]
        answers = table(Table(3, ("question", "answer", "figures"), rows))
        head = f"<p><b>{escape(self.title)}</b>: {escape(self.headline)}</p>"
        return f"{head}{answers}{table(self.shown)}"

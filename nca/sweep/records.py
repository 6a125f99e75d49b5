"""What a sweep has written down, read again: its request, and the outcome of each run.

A file that was damaged, edited or made by somebody else is recognised by its shape; the folder of
a run is one directly inside the sweep's, and never a link that leads out of it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Len
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nca.errors import NCAError
from nca.files import read_bounded
from nca.jsonl import dumps, parse_json
from nca.sweep.plan import PlannedRun

MOST = 2**53
MOST_BYTES = 64 << 20
FORMAT = 1


def _inside(name: str) -> str:
    if not name.isprintable() or name in ("", ".", "..") or set(name) & set("/\\:"):
        raise ValueError("is no name of a folder inside the sweep's")
    return name


Whole = Annotated[int, Ge(0), Le(MOST)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Run(_Record):
    title: str
    random_seed: Annotated[int, Ge(0), Le(2**63 - 1)]
    overrides: tuple[str, ...]
    folder: Annotated[str, AfterValidator(_inside), Len(1, 200)]


class SweepRecord(_Record):
    """The content of `sweep.json`."""

    format: Literal[1]
    name: str
    recipe: str
    runs: tuple[_Run, ...]

    @property
    def planned(self) -> list[PlannedRun]:
        """The runs that have their places."""
        return [PlannedRun(**dict(run)) for run in self.runs]


class _Row(_Record):
    """What was measured at one moment; every further key is a metric."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, float | None] = Field(init=False)  # pyright: ignore

    steps: Whole
    after: str
    samples: Whole


class _Outcome(_Record):
    model_config = ConfigDict(strict=True, extra="ignore")

    overrides: tuple[str, ...]
    split: str
    steps: tuple[Whole, ...]
    samples: Whole
    final: bool = False
    failed: str | None = None
    iteration: Whole = 0
    parameters: Whole = 0
    measured: Annotated[tuple[_Row, ...], Len(1, 100_000)] | None = None


def _json(path: Path) -> Any:
    return parse_json(read_bounded(path, MOST_BYTES, path.name))


def read_sweep(path: Path) -> SweepRecord | None:
    """Return what a `sweep.json` holds; None where there is none, or it is damaged."""
    try:
        record = SweepRecord.model_validate_json(dumps(_json(path)))
    except (NCAError, ValueError):  # an error of validation is a ValueError
        return None
    names = [run.folder.casefold() for run in record.runs]
    home = path.parent.resolve()
    links = any((home / run.folder).resolve().parent != home for run in record.runs)
    return None if links or len(set(names)) < len(names) else record


def read_outcome(path: Path) -> dict[str, Any] | None:
    """Return the outcome of a run; None where there is none, or it is damaged."""
    try:
        outcome = _json(path)
        _Outcome.model_validate_json(dumps(outcome))
    except (NCAError, ValueError):
        return None
    failed = outcome.get("final") and outcome.get("failed")
    return outcome if failed or outcome.get("measured") else None

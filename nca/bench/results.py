"""Results of a benchmark: medians, spreads, speed-ups and verdicts."""

import statistics
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from nca.bench.backends import PLAIN, Backend, What
from nca.bench.case import Case
from nca.bench.flops import WorkPerCell
from nca.bench.roofline import Roofline
from nca.reports.statistics import Quartiles

FORMAT = 1

UNSTEADY = 0.1
"""Half the distance of the quartiles, as a share of the median, from which on a row is unsteady."""

Verdict: TypeAlias = Literal["reference", "faster", "level", "slower"]
"""Compared with plain; `level` where rounds disagree about it."""


@dataclass
class Result:
    """What one backend has measured of one task.

    Attributes:
        what: Forward or training.
        backend: How.
        seconds: Of each round.
        plain: Seconds of the plain backend in the same rounds.
        worked: For which share of each round this process was at work; more than 1 with threads.
        floor: The least seconds that the device needs, and what it waits for; see `work`.
        first: Seconds of the first call.
        peak: Bytes that it adds to the memory.
        difference: How far its outcome is from plain's, as a share of the change.
        failed: Why there is nothing of all this, or nothing.
    """

    what: What
    backend: Backend
    seconds: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    floor: tuple[float, str] = (0.0, "products")
    first: float = 0.0
    peak: int | None = None
    difference: float = 0.0
    failed: str = ""

    @property
    def time(self) -> Quartiles:
        """Seconds of a rollout, or of a training iteration."""
        return Quartiles.of(self.seconds)

    @property
    def speedup(self) -> Quartiles:
        """How many times as fast as the plain way, round by round."""
        return Quartiles.of([p / own for p, own in zip(self.plain, self.seconds, strict=True)])

    @property
    def verdict(self) -> Verdict:
        """Whether that is faster; rounds whose quartiles lie on both sides of 1 do not say."""
        if self.backend.name == PLAIN.name:
            return "reference"
        if self.speedup.low > 1:
            return "faster"
        return "slower" if self.speedup.high < 1 else "level"

    @property
    def share(self) -> float:
        """Which share of its ceiling the device reaches."""
        return self.floor[0] / self.time.median

    @property
    def at_work(self) -> float:
        """For which share of the time this process was at work; more than 1 with threads."""
        return statistics.median(self.worked)

    @property
    def compiling(self) -> float | None:
        """Seconds that the first call took longer than the others, if the backend compiles."""
        return max(0.0, self.first - self.time.median) if self.backend.compiles else None

    def to_json(self, cell_steps: int) -> dict[str, Any]:
        """Return the result for JSON."""
        head = {"what": self.what, "way": self.backend.name}
        if self.failed:
            return {**head, "failed": self.failed}
        time, speedup = self.time, self.speedup
        return {
            **head,
            "ms": _rounded(time.median * 1e3),
            "ms_quartiles": [_rounded(time.low * 1e3), _rounded(time.high * 1e3)],
            "rounds": len(self.seconds),
            "cell_steps_per_second": _rounded(cell_steps / time.median),
            "speedup": _rounded(speedup.median),
            "speedup_quartiles": [_rounded(speedup.low), _rounded(speedup.high)],
            "verdict": self.verdict,
            "peak_bytes": self.peak,
            "share_of_ceiling": _rounded(self.share),
            "bound_by": self.floor[1],
            "compile_seconds": None if self.compiling is None else _rounded(self.compiling),
            "difference_from_plain": _rounded(self.difference),
            "share_at_work": _rounded(self.at_work),
            "unsteady": time.share > UNSTEADY,
        }


@dataclass
class Measured:
    """One case with all backends.

    Attributes:
        case: What was measured.
        parameters: Its weights.
        alive: Share of the cells alive in the first state and, with plain, in the last.
        work: What one cell needs for one step.
        results: Forward first, plain first in each.
        left_out: What was not measured, and why.
        first: Seconds of plain's last first call, by which it is judged what there is time for.
    """

    case: Case
    parameters: int
    alive: tuple[float, float] = (1.0, 1.0)
    work: dict[What, WorkPerCell] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    left_out: dict[What, str] = field(default_factory=dict)
    first: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the case for JSON."""
        case = self.case
        return {
            "name": case.name,
            "summary": case.summary,
            "size": list(case.size),
            "batch": case.batch,
            "steps": case.steps,
            "parameters": self.parameters,
            "alive": [_rounded(share) for share in self.alive],
            "operations_per_cell_step": {
                w: round(each.operations) for w, each in self.work.items()
            },
            "bytes_per_cell_step": {w: round(each.moved) for w, each in self.work.items()},
            "results": [result.to_json(case.cell_steps) for result in self.results],
            "left_out": dict(self.left_out),
        }


@dataclass
class BenchReport:
    """Everything that was measured.

    Attributes:
        machine: What it was measured on, in words, by name.
        ceiling: What the device can do, measured before all cases.
        after: The same, measured after them.
        seconds: How long all took.
        measured: The cases.
    """

    machine: dict[str, Any]
    ceiling: Roofline
    after: Roofline
    seconds: float
    measured: list[Measured]

    def to_json(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "format": FORMAT,
            "machine": self.machine,
            "ceiling": self.ceiling.to_json(),
            "ceiling_afterwards": self.after.to_json(),
            "seconds": round(self.seconds, 1),
            "cases": [measured.to_json() for measured in self.measured],
        }


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")

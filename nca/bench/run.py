"""A benchmark: the roofline of the device, then case by case, all backends round by round.

In each round every backend runs once, so that whatever slows the machine down slows all of them.
The order rotates from round to round. Each backend runs once before the rounds: that is where it
compiles, and its outcome is compared with plain's; and once after them, to measure its memory,
since a process that has just freed memory is slow to begin with.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nca.bench.backends import PLAIN, WHATS, Backend, Rollout, What, compiled_afresh
from nca.bench.case import Case, loss_of
from nca.bench.flops import work_per_cell
from nca.bench.results import BenchReport, Measured, Result
from nca.bench.roofline import Roofline
from nca.bench.timing import Budget, Clock
from nca.device import hardware
from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.engine.wide import wide
from nca.progress import SILENT, Progress
from nca.training.probe import resident_peak

SPENT = "the budget is spent"

TRAINING = 3.0
"""How many rollouts an iteration of training takes about as long as."""

COMPILING = 20.0
"""Seconds that a first call is taken to compile for."""

Outcome = Mapping[str, Tensor]


@dataclass(frozen=True)
class BenchPlan:
    """What to measure, and how long that may take.

    Attributes:
        cases: What is measured.
        backends: How, plain first.
        repeats: Rounds, if there is time for them.
        budget: Seconds that all may take; a call that would not come to its end is not begun, by
            what a step of plain, or the call before it, has taken.
        clock: What time is read from.
        progress: Where it is reported what is being measured, and, as a record of the kind
            `case`, what each case has come to.
    """

    cases: Sequence[Case]
    backends: Sequence[Backend]
    repeats: int
    budget: float
    clock: Clock
    progress: Progress = SILENT

    @property
    def parts(self) -> int:
        """In how many parts the budget is divided: forward and training of each case."""
        return len(self.cases) * len(WHATS)


def bench(plan: BenchPlan) -> BenchReport:
    """Measure all cases with all backends.

    Args:
        plan: At least one case, all on one device.

    Raises:
        NCAError: What building an automaton raises.
    """
    budget = Budget(plan.budget, plan.clock)
    device = plan.clock.device
    plan.progress.begin("the ceiling of the device")
    ceiling = Roofline.measure(device, plan.clock)
    measured, left = [], plan.parts
    for case in plan.cases:
        found = _measured(case)
        for what in WHATS:
            if why := _spared(found, what, budget):
                found.left_out[what] = why
            else:
                found.results += _part(plan, found, what, ceiling, budget, left)
            left -= 1
        measured.append(found)
        plan.progress.record({"kind": "case", "measured": found})
    after = Roofline.measure(device, plan.clock)
    spent = budget.seconds - budget.left
    return BenchReport(machine(plan.clock), ceiling, after, spent, measured)


def machine(clock: Clock) -> dict[str, Any]:
    """Return what it is measured on and with, by name."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "device": hardware(clock.device),
        "time": "of the processor" if clock.by_work else "of the clock",
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load_average": load,
    }


def _measured(case: Case) -> Measured:
    automaton = case.automaton()
    first, living = case.first(), automaton.alive_mask
    parameters = sum(weight.numel() for weight in automaton.parameters())
    mask = living(first)
    share = 1.0 if mask is None else wide(mask).mean().item()
    return Measured(case, parameters, (share, share))


def _spared(found: Measured, what: What, budget: Budget) -> str:
    if what == "training" and not found.parameters:
        return "there are no weights to train"
    return "" if budget.left > 0 else SPENT


def _part(
    plan: BenchPlan, found: Measured, what: What, ceiling: Roofline, budget: Budget, parts: int
) -> list[Result]:
    """Measure forward or training of one case with all backends."""
    case, until = found.case, plan.clock.now() + budget.left / parts
    words = f"{case.name}, {what}"
    work = found.work[what] = work_per_cell(case, what)
    results, calls = [], {}
    chosen = [backend for backend in plan.backends if what in backend.whats]
    expected = max(_expected(plan, case, what), found.first)
    with compiled_afresh() if any(backend.compiles for backend in chosen) else nullcontext():
        for backend in chosen:
            plan.progress.begin(f"{words}: {backend.name}, for the first time")
            floor, by = ceiling.floor(work, backend.dtype)
            result = Result(what, backend, floor=(floor * case.cell_steps, by))
            results.append(result)
            if expected + COMPILING * backend.compiles > budget.left:
                result.failed = SPENT
                continue
            call = _begun(plan, case, result, calls.get(PLAIN.name))
            if call:
                calls[backend.name] = call
                expected = found.first = results[0].first
        running = _fitting([result for result in results if not result.failed], budget)
        _rounds(plan, words, running, calls, min(until, plan.clock.now() + budget.left))
        for result in running:
            plan.progress.begin(f"{words}: {result.backend.name}, its memory")
            if result.seconds[-1] <= budget.left:
                result.peak = resident_peak(calls[result.backend.name], case.device)
    if not running:
        found.left_out[what] = SPENT
        return []
    if what == "forward":
        found.alive = (found.alive[0], calls[PLAIN.name].alive())
    return results


def _expected(plan: BenchPlan, case: Case, what: What) -> float:
    """Return how long plain will take, by the faster of two steps of its own."""
    rollout, first = PLAIN.made(case.automaton()), case.first()
    with torch.no_grad():
        one = min(plan.clock.seconds(lambda: rollout(first, 1)) for _ in "ab")
    return one * case.steps * (TRAINING if what == "training" else 1)


def _fitting(results: list[Result], budget: Budget) -> list[Result]:
    """Return those whose first round fits into what is left, plain first; note the others."""
    fitting, left = [], budget.left
    for result in results:
        left -= min(result.first, results[0].first) if result.backend.compiles else result.first
        if left < 0:
            result.failed = SPENT
        else:
            fitting.append(result)
    return fitting


def _begun(plan: BenchPlan, case: Case, result: Result, plain: "Call | None") -> "Call | None":
    """Run a backend for the first time; return None and say why if it cannot."""
    if lack := result.backend.lacks(case.device):
        result.failed = lack
        return None
    call = Call(case, result.backend, result.what)
    try:
        result.first = plan.clock.seconds(call)
    except (RuntimeError, MemoryError) as fault:
        if plain is None:  # there is nothing to hold the others against
            raise
        result.failed = _reason(fault)
        return None
    if plain:
        result.difference = outcome_difference(call.outcome(), plain.outcome(), call.before())
    return call


def _rounds(
    plan: BenchPlan, words: str, results: list[Result], calls: Mapping[str, "Call"], until: float
) -> None:
    for number in range(plan.repeats if results else 0):
        if number and plan.clock.now() + sum(result.seconds[-1] for result in results) > until:
            return
        plan.progress.begin(f"{words}: round {number + 1} of {plan.repeats}")
        start = number % len(results)
        seconds = {}
        for result in results[start:] + results[:start]:
            seconds[result.backend.name], worked = plan.clock.reading(calls[result.backend.name])
            result.seconds.append(seconds[result.backend.name])
            result.worked.append(worked)
        for result in results:
            result.plain.append(seconds[PLAIN.name])


class Call:
    """One backend's rollout, or training iteration, from the same state and weights every time.

    The optimiser's learning rate is zero: it works as ever, and every call does the same.
    """

    def __init__(self, case: Case, backend: Backend, what: What) -> None:
        self.case = case
        self.what = what
        self.automaton: Automaton = case.automaton().train(what == "training")
        self.rollout: Rollout = backend.made(self.automaton)
        self.first = case.first()
        self.last: State | None = None
        self.optimiser = (
            torch.optim.Adam(self.automaton.parameters(), lr=0.0, fused=True)
            if what == "training"
            else None
        )

    def __call__(self) -> None:
        """Do it once."""
        self.last = None
        if self.optimiser is None:
            with torch.no_grad():
                self.last = self.rollout(self.first, self.case.steps)
            return
        self.optimiser.zero_grad()
        loss_of(self.automaton, self.rollout(self.first, self.case.steps)).backward()
        self.optimiser.step()

    def outcome(self) -> Outcome:
        """Return what the last call has computed: the last state, or all gradients."""
        if self.last is not None:
            return self.last.levels
        weights = self.automaton.named_parameters()
        return {name: w.grad.clone() for name, w in weights if w.grad is not None}

    def before(self) -> Outcome:
        """Return what there was before: the first state, or no gradient."""
        return self.first.levels if self.what == "forward" else {}

    def alive(self) -> float:
        """Return the share of cells that live in the last state; all do without an alive mask."""
        living = self.automaton.alive_mask(self.last) if self.last is not None else None
        return 1.0 if living is None else wide(living).mean().item()


def outcome_difference(outcome: Outcome, reference: Outcome, before: Outcome) -> float:
    """Return how far an outcome is from the reference: 0 is the same, 1 nothing of the change.

    Both distances are root mean squares, over all numbers together.
    """
    off, moved = 0.0, 0.0
    for name, wanted in reference.items():
        wanted, nothing = wide(wanted), torch.zeros_like(wanted)
        off += (wide(outcome.get(name, nothing)) - wanted).square().sum().item()
        moved += (wanted - wide(before.get(name, nothing))).square().sum().item()
    return (off / moved) ** 0.5 if moved else off**0.5


def _reason(fault: BaseException) -> str:
    lines = [line for line in str(fault).splitlines() if line.strip()]
    return f"{type(fault).__name__}: {lines[0] if lines else 'no reason given'}"

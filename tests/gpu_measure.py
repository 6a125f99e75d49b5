"""Measure fused steps on a card: whether they are right, what they take, what training takes.

    python tests/gpu_measure.py smoke [KIND ...] --out gpu.jsonl
    python tests/gpu_measure.py kernels [CASE ...] --out gpu.jsonl
    python tests/gpu_measure.py iteration [RECIPE ...] --data FOLDER --out gpu.jsonl

`smoke` takes a step of each kind of program, and its gradient, in memory that held NaN, beside the
plain step in float32; and once more, for the same bits. `kernels` times each launch of a further
step of a case of `nca bench`, replayed as a CUDA graph, beside the least that the device needs.
`iteration` trains by a recipe: samples a second, where the host waits for the device, and the
operations that take longest. What fails is said, and the rest is measured.

Each adds lines of JSON to the file, the first of which says what it ran on. The same path is taken
without a card, on tiny grids, where times mean nothing:

    TRITON_INTERPRET=1 python tests/gpu_measure.py smoke --out gpu.jsonl --device cpu --small
"""

import argparse
import sys
import time
import traceback
import warnings
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fused_case
import torch
from fused_case import apart, attending, end_and_gradients, layered, one_net, state_of, three_levels
from torch.profiler import ProfilerActivity, profile

import nca
import nca_plugins
from nca.backends.device_check import FLOAT32, REDUCED
from nca.backends.triton import interpreted
from nca.backends.triton.graphs import record_graph
from nca.backends.triton.launch import Launch
from nca.bench import Case, Roofline, cases
from nca.bench.backends import WHATS
from nca.bench.case import loss_of
from nca.bench.flops import work_per_cell
from nca.bench.run import machine
from nca.bench.timing import Clock
from nca.checkpoint.read import read_recipe
from nca.device import pick_device
from nca.jsonl import JsonLines, dumps
from nca.registry.discovery import discover
from nca.training.gradient_descent import GradientDescent
from nca.training.learner import Learner

Record = dict[str, Any]
Measurements = Iterator[tuple[str, Callable[[], Record]]]
"""The names of what is measured, each with what measures it."""
Launched = list[tuple[tuple[str, str, tuple[int, ...]], Callable[[], None]]]
"""Launches: in which part of a rollout, of which program, how often side by side; and what starts
each again."""

SOME_LIVE: dict[str, Any] = {"fire_rate": 0.5, "alive": nca.Alive("body", 3, 0.1)}
KINDS: dict[str, Callable[[], nca.Automaton]] = {
    "taps": lambda: one_net(16, 128, **SOME_LIVE),
    "stencils": lambda: layered(16, (128,), "relu", True, **SOME_LIVE),
    "frozen": lambda: one_net(10, 96, alive=nca.Alive("body", 3, 0.1, dead="frozen")),
    "levels": lambda: three_levels(fire_rate=0.5, noise=nca.Noise(0.1)),
    "deep": lambda: layered(16, (80, 80), "gelu", False, **SOME_LIVE),
    "attention": lambda: attending(16),
}
"""An automaton of each kind of program."""

CASES = ("growing_72", "texture_128", "self_classifying_28", "glom_large")
SMALL_CASE = ("grid.size=[5, 3]", "evaluate.batch=1")
RECIPES = ("growing_lizard", "texture", "self_classifying_mnist", "glom_mnist", "glom_mnist_large")
SMALL = ("rollout.steps=[2, 3]", "train.batch=4", "pool.size=8")
SMALL_RECIPES = {
    "growing_lizard": (*SMALL, "grid.size=[16, 16]", "task.side=8"),
    "texture": (*SMALL, "grid.size=[12, 10]", "task.side=8"),
}
PRODUCTS = (torch.float32, torch.bfloat16)
SOURCES = tuple(str(Path(package.__path__[0])) for package in (nca, nca_plugins))
"""The folders of the lines that are named where the host waits."""


@contextmanager
def memory_of_nan() -> Iterator[None]:
    """Let all memory that is asked for inside the block hold NaN, and what lies beside it, too."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        # of large tensors and of small ones; what is freed here is handed out again
        freed = [torch.full((n,), torch.nan, device="cuda") for n in (1 << 26, *[1 << 17] * 64)]
        del freed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of operations that are not deterministic
        torch.use_deterministic_algorithms(True, warn_only=True)  # `torch.empty` is NaN then
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(False)


@contextmanager
def waits_are(mode: str) -> Iterator[None]:
    """Let it be an `error` or `warn` inside the block that the host waits for a card."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the mode itself, which is a prototype
        torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def heard(call: Callable[[], object]) -> list[Record]:
    """Return the warnings of a call, each with the innermost line of ours that it is from."""
    found: Counter[tuple[str, str]] = Counter()

    def hear(message: Warning | str, *_: object) -> None:
        frames = [
            frame for frame in traceback.extract_stack() if frame.filename.startswith(SOURCES)
        ]
        place = f"{frames[-1].filename}:{frames[-1].lineno} {frames[-1].name}" if frames else ""
        found[str(message).partition("\n")[0], place] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = hear
        call()
    return [{"text": t, "place": p, "times": n} for (t, p), n in found.most_common()]


def smoke(given: Namespace) -> Measurements:
    """Yield kinds of programs with the measurement of a step."""
    shape = (1, 5, 3) if given.small else (5, 23, 19)
    for kind in given.names or KINDS:
        for products in PRODUCTS:
            yield kind, partial(step_beside_plain, kind, products, *shape)


def step_beside_plain(
    kind: str, products: torch.dtype, batch: int, height: int, width: int
) -> Record:
    """Return how far a fused step and its gradients are from those of the plain one."""
    automaton = KINDS[kind]()
    state = state_of(automaton, batch, (height, width), 1)
    reduced = products == torch.bfloat16
    if reduced:  # no hidden unit shall be rounded to the other side of relu's kink
        state = state.map(lambda level: level.bfloat16().float())
        with torch.no_grad():
            for weight in automaton.parameters():
                weight.copy_(weight.bfloat16())
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        plain, wanted = end_and_gradients(automaton, state, False)
    with torch.autocast(fused_case.DEVICE, torch.bfloat16, enabled=reduced):
        began = time.perf_counter()
        with memory_of_nan():
            fused, gradients = end_and_gradients(automaton, state, True)
            lost = sum((~t.isfinite()).sum().item() for t in (*fused.values(), *gradients.values()))
        first = time.perf_counter() - began
        again, others = end_and_gradients(automaton, state, True)
    levels = max(apart(fused[name], plain[name]) for name in automaton.writable_levels)
    slopes = max(apart(gradients[name], wanted[name]) for name in wanted)
    same = again == fused and all(gradients[n].equal(others[n]) for n in wanted)
    near = REDUCED if reduced else FLOAT32
    return {
        "products": str(products),
        "shape": [batch, height, width],
        "moved": max(apart(plain[name], state[name]) for name in automaton.writable_levels),
        "levels_apart": levels,
        "slopes_apart": slopes,
        "not_finite": lost,
        "same_bits": same,
        "first_seconds": first,
        "right": levels < near[0] and slopes < near[1] and not lost and same,
    }


def kernels(given: Namespace) -> Measurements:
    """Yield what the device does at best, and cases with the measurement of their launches."""
    ceiling = Roofline.measure(given.device, Clock(given.device))
    yield "ceiling", ceiling.to_json
    times = 1 if given.small else 50
    for case in cases(given.names or CASES, given.device, SMALL_CASE if given.small else ()):
        for products in PRODUCTS:
            yield case.name, partial(launches_of_step, case, products, ceiling, times)


def launches_of_step(case: Case, products: torch.dtype, ceiling: Roofline, times: int) -> Record:
    """Return what each launch of a further step takes, and what all could take at least."""
    few, many = (launches_of_rollout(case, products, steps) for steps in (2, 3))
    counts, starts = Counter(key for key, _ in many), dict(many)
    counts.subtract(key for key, _ in few)
    programs = [
        {
            **dict(zip(("part", "program", "grid"), key, strict=True)),
            "a_step": count,
            "us": 1e6 * seconds_of(starts[key], case.device, times),
        }
        for key, count in counts.items()
        if count > 0
    ]
    cells, found = case.cell_steps // case.steps, {}
    for what in WHATS:
        counted = [each for each in programs if what == "training" or each["part"] == what]
        floor, by = ceiling.floor(work_per_cell(case, what), products)
        us = sum(each["a_step"] * each["us"] for each in counted)
        found[what] = {"us": us, "floor_us": 1e6 * floor * cells, "bound_by": by}
    return {"products": str(products), "cells": cells, **found, "programs": programs}


def launches_of_rollout(case: Case, products: torch.dtype, steps: int) -> Launched:
    """Return the launches of a rollout and its gradient."""
    found, start, part = [], Launch.__call__, "forward"

    def noted(launch: Launch, *given: Any) -> None:
        key = part, launch.program.__name__, launch.grid
        found.append((key, partial(start, launch, *given)))
        start(launch, *given)

    automaton = case.automaton()
    automaton.fused, automaton.memory = True, nca.ActivationMemory("store")
    with patch.object(Launch, "__call__", noted):
        with torch.autocast(case.device.type, torch.bfloat16, enabled=products == torch.bfloat16):
            loss = loss_of(automaton, automaton.rollout(case.first(), steps))
        part = "backward"
        loss.backward()
    return found


def seconds_of(start: Callable[[], None], device: torch.device, times: int) -> float:
    """Return how long the device takes for a launch among many; what it reads lies in its cache."""

    def launches() -> None:
        for _ in range(times):
            start()

    replay = record_graph(launches) if device.type == "cuda" else launches
    return min(Clock(device).seconds(replay) for _ in "abcde"[:times]) / times


def iteration(given: Namespace) -> Measurements:
    """Yield recipes with the measurement of their training."""
    for name in given.names or RECIPES:
        overrides = SMALL_RECIPES.get(name, SMALL) if given.small else ()
        yield name, partial(training_by, name, overrides, given)


def training_by(name: str, overrides: Sequence[str], given: Namespace) -> Record:
    """Return what iterations of training take, once all is compiled and recorded."""
    device, count = given.device, given.iterations
    learner = Learner.build(read_recipe(name, overrides), device, given.data, nca.SILENT)
    descent, losses = GradientDescent(learner), []

    def iterate(times: int = count) -> None:
        for _ in range(times):
            update = descent.look()
            descent.move(update)
            learner.iteration += 1
            losses.append(update.loss.detach())

    said = heard(iterate)
    seconds = Clock(device).seconds(iterate)
    with waits_are("warn") if device.type == "cuda" else nullcontext():
        waits = heard(iterate)
    longest, busy = longest_operations(iterate, min(count, 3), device)
    with learner.recipe.autocast(device):
        obstacle = nca.why_not_fused(learner.automaton, descent.look().state)
    return {
        "batch": learner.table.batch,
        "iterations": count,
        "not_fused": obstacle,
        "samples_a_second": learner.table.batch * count / seconds,
        "ms": 1e3 * seconds / count,
        "busy_ms": busy / 1e3,
        "losses": [losses[0].item(), losses[-1].item()],
        "warnings": said,
        "waits": waits,
        "longest": longest,
    }


def longest_operations(
    call: Callable[[int], None], times: int, device: torch.device
) -> tuple[list[Record], float]:
    """Return what takes longest in one of many calls, and microseconds of all; on a card, there."""
    on_card = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_card]) as found:
        call(times)
    rows = [
        (row.self_device_time_total if on_card else row.self_cpu_time_total, row.count, row.key)
        for row in found.key_averages()
        if not on_card or row.device_type.name == "CUDA"
    ]
    longest = [
        {"name": name[:80], "times": count / times, "us": us / times}
        for us, count, name in sorted(rows, reverse=True)[:15]
    ]
    return longest, sum(us for us, *_ in rows) / times


COMMANDS: dict[str, Callable[[Namespace], Measurements]] = {
    "smoke": smoke,
    "kernels": kernels,
    "iteration": iteration,
}


def parsed(arguments: Sequence[str] | None) -> Namespace:
    """Return what is asked for."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    asked.add_argument("command", choices=COMMANDS)
    asked.add_argument("names", nargs="*", metavar="NAME")
    asked.add_argument("--out", type=Path, required=True, metavar="FILE")
    asked.add_argument("--device", default="cuda", type=pick_device)
    asked.add_argument("--small", action="store_true", help="tiny grids: times mean nothing")
    asked.add_argument("--iterations", type=int, default=20, metavar="N")
    asked.add_argument("--data", type=Path, metavar="FOLDER", help="of data sets")
    given = asked.parse_args(arguments)
    on_card = given.device.type == "cuda"
    if interpreted() == on_card and (on_card or given.command != "iteration"):
        asked.error(f"on this device programs run with TRITON_INTERPRET={1 - on_card}")
    return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and return how much has failed."""
    import triton  # which only a machine with a card must have

    discover()
    given = parsed(arguments)
    fused_case.DEVICE, failed = given.device.type, 0
    file = JsonLines(given.out, "what was measured", "name another file with --out")

    def tell(record: Record) -> None:
        file.append(record)
        print(dumps(record), flush=True)

    tell({"kind": "machine", "triton": triton.__version__, **machine(Clock(given.device))})
    for name, measured in COMMANDS[given.command](given):
        record: Record = {"kind": given.command, "name": name}
        try:
            record |= measured()
        except Exception as fault:  # whatever a compiler or a driver may raise
            record["failed"] = f"{type(fault).__name__}: {fault}"
        failed += "failed" in record or record.get("right") is False
        tell(record)
    return failed


if __name__ == "__main__":
    sys.exit(main() > 0)

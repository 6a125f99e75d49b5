"""`nca sweep`: train variants of a recipe under several random seeds, and compare them."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nca.checkpoint.find import find_recipe
from nca.cli.console import (
    AsJson,
    Data,
    Device,
    Overrides,
    PluginFiles,
    RecipeName,
    load_plugins,
    print_result,
    say,
    show_json,
)
from nca.cli.numbers import SAMPLES, STEPS, number

if TYPE_CHECKING:
    from nca.sweep.plan import Base, SweepPlan
    from nca.sweep.processes import Slot
    from nca.sweep.request import Variant
    from nca.sweep.worker import Job, Measure

MOST_JOBS = 16
"""Runs at a time that are refused nowhere."""


def sweep_command(
    recipe: RecipeName,
    over: Annotated[
        list[str] | None,
        typer.Option("--over", metavar="KEY=VALUE,VALUE", help="Try these values. Repeatable."),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="'TITLE: KEY=VALUE; ...'",
            help="Try these keys together. Repeatable.",
        ),
    ] = None,
    variants: Annotated[
        Path | None,
        typer.Option(
            "--variants", metavar="FILE", help="Try each table of this file: title, set = [...]."
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", metavar="N|LIST", help="Random seeds: 3 is 0,1,2; or 4,7; or [7]."),
    ] = None,
    random: Annotated[
        int | None,
        number("--random", 1, 10_000, "Only N combinations, drawn at random.", metavar="N"),
    ] = None,
    random_seed: Annotated[
        int, number("--random-seed", 0, 2**63 - 1, "Of what --random draws.")
    ] = 0,
    jobs: Annotated[
        int | None,
        number("--jobs", 1, 1024, "Runs at a time; else one per core, or per GPU."),
    ] = None,
    split: Annotated[
        Literal["held_out", "test"], typer.Option("--split", help="Which data to compare on.")
    ] = "held_out",
    steps: Annotated[
        list[int] | None, number("--steps", 1, STEPS, "Measure at this step. Repeatable.")
    ] = None,
    samples: Annotated[
        int, number("--samples", 0, SAMPLES, "Stop after so many; 0: as the recipe says.")
    ] = 0,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Its folder; sweeps/NAME-N without it."),
    ] = None,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Train variants of a recipe under several random seeds, and compare them.

    The same command again goes on where it was stopped; what is done is not done again.

    Example: nca sweep glom_mnist --over rollout.fire_rate=0.5,1 --seeds 3
    """
    from nca.checkpoint.read import load_named
    from nca.sweep.plan import asked_for, grid, planned, rooted, sample
    from nca.sweep.request import check_number, parse_request
    from nca.sweep.results import write_results
    from nca.sweep.worker import Measure

    _check_jobs(jobs)
    devices = _devices(device)
    measure = Measure(split, tuple(sorted(set(steps or ()))), samples)
    axes, random_seeds = parse_request(over or (), variant or (), variants, seeds)
    check_number(axes, len(random_seeds), random)
    base, common = _base(recipe), overrides or ()

    def combinations() -> "list[Variant]":
        drawn = rooted(axes, base, common)
        return list(sample(drawn, random, random_seed) if random else grid(drawn))

    with ExitStack() as held:
        wanted = asked_for(base, common, combinations(), random_seeds)
        folder = _taken(base, wanted, out, held)  # before anything is executed
        load_plugins(plugin)
        load_named(base.text, base.folder, base.source)
        plan = planned(base, common, combinations(), random_seeds)
        if (known := {run.overrides for run in plan.runs}) != wanted:  # plugins have said more
            folder = _taken(base, known, out, held)
        plan = _settled(plan, base, folder)
        made = _jobs(plan, base, folder, measure, plugin or (), data)
        outcomes = _done(plan, made, _slots(devices, jobs, len(made)))
        results = write_results(folder, plan, measure, outcomes)
    _show(results, plan, outcomes, folder, as_json, plugin or ())


def _base(source: str) -> "Base":
    from nca.sweep.plan import Base

    found = find_recipe(source)
    return Base(found.text, found.name, found.path.parent, found.source)


def _taken(base: "Base", wanted: set[tuple[str, ...]], out: Path | None, held: ExitStack) -> Path:
    """Return the folder of a sweep, locked; at the end it goes if nothing was written into it."""
    from nca.cli.output import SWEEP, output_path
    from nca.files import make_folder
    from nca.lock import FolderLock
    from nca.sweep.folder import ROOT, take_folder
    from nca.sweep.worker import ANOTHER

    if out is None:
        held.callback(_remove_if_bare, ROOT)
        lock = take_folder(base, wanted, ROOT, ANOTHER)
    else:
        output_path(out, "", SWEEP)  # refuses a folder of something else
        new = not out.exists()
        lock = FolderLock.take(make_folder(out, "the folder", ANOTHER), ANOTHER)
        if not new:
            held.callback(lock.release)
            return out
    held.callback(lock.release)
    held.callback(lock.discard_if_empty)
    return lock.folder


def _remove_if_bare(folder: Path) -> None:
    with suppress(OSError):  # it is not empty, or not there
        folder.rmdir()


def _settled(plan: "SweepPlan", base: "Base", folder: Path) -> "SweepPlan":
    """Give every run its folder, and write down which runs have one."""
    from nca.sweep.folder import known_runs, write_asked
    from nca.sweep.plan import assign_folders

    known = known_runs(folder, base)
    plan = replace(plan, runs=assign_folders(plan.runs, known))
    ours = {run.overrides for run in plan.runs}
    write_asked(folder, base, [*plan.runs, *(run for run in known if run.overrides not in ours)])
    return plan


def _jobs(
    plan: "SweepPlan",
    base: "Base",
    folder: Path,
    measure: "Measure",
    plugins: Sequence[Path],
    data: Path | None,
) -> "list[Job]":
    from nca.sweep.worker import Job

    return [
        Job(
            folder=str(folder / run.folder),
            text=base.text,
            name=base.name,
            home=str(base.folder),
            overrides=run.overrides,
            measure=measure,
            device="cpu",
            plugins=tuple(map(str, plugins)),
            data=str(data) if data else None,
        )
        for run in plan.runs
    ]


def _done(
    plan: "SweepPlan", jobs: "Sequence[Job]", slots: "Sequence[Slot]"
) -> dict[str, dict[str, Any]]:
    """Do what is left to do; return what came of every run, by the name of its folder."""
    from nca.cli.interruption import interruptible
    from nca.cli.jobs_progress import sweep_progress
    from nca.sweep.processes import side_by_side
    from nca.sweep.worker import outcome_of

    outcomes = {job.folder: outcome for job in jobs if (outcome := outcome_of(job))}
    left, stopped_by = [job for job in jobs if job.folder not in outcomes], 0
    names = {job.folder: run.words for job, run in zip(jobs, plan.runs, strict=True)}
    kept = f", {len(outcomes)} of them done already" if outcomes else ""
    at_once = min(len(slots), len(left))
    say(f"{len(jobs)} run{'s' * (len(jobs) > 1)}{kept}" + f"; {at_once} at a time" * bool(left))
    if left:
        with (
            interruptible() as interruption,
            sweep_progress(names, plan.headline, len(outcomes)) as progress,
        ):
            outcomes |= side_by_side(left, slots, progress.job, interruption.stopped)
        stopped_by = interruption.signal
    if len(outcomes) < len(jobs):
        say(f"stopped with {len(outcomes)} of {len(jobs)} runs done; what is trained is saved.")
        say("continue with: the same command again")
        sys.exit(128 + stopped_by)
    return {Path(name).name: outcome for name, outcome in outcomes.items()}


def _devices(wanted: str) -> list[str]:
    """Return where runs may go: all GPUs, unless one or none is named.

    Raises:
        DeviceError: The device is not there.
    """
    import torch

    from nca.device import pick_device

    device = pick_device(wanted)
    if device.type == "cuda" and device.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(device)]


def _cores() -> int:
    """Return on how many cores this process may run."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return bound or 1


def _check_jobs(jobs: int | None) -> None:
    """Refuse more runs at a time than the cores can take: each is a process with torch."""
    most = max(MOST_JOBS, 4 * _cores())
    if jobs is not None and jobs > most:
        raise typer.BadParameter(
            f"{jobs:,} runs at a time, but {_cores()} cores take at most {most}",
            param_hint="--jobs",
        )


def _slots(devices: Sequence[str], jobs: int | None, runs: int) -> "list[Slot]":
    """Return the places for runs; all the runs count, so that going on changes no place."""
    from nca.sweep.processes import Slot

    cores = _cores()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    each = int(threads) if threads.isdigit() and int(threads) > 0 else 0
    usual = len(devices) if devices != ["cpu"] else max(1, cores // (each or 1))
    count = min(jobs or usual, runs)
    share = each or max(1, cores // count)
    return [Slot(devices[number % len(devices)], share) for number in range(count)]


def _show(
    results: dict[str, Any],
    plan: "SweepPlan",
    outcomes: dict[str, dict[str, Any]],
    folder: Path,
    as_json: bool,
    plugins: Sequence[Path],
) -> None:
    from nca.cli.sweep_table import show_lines
    from nca.sweep.results import summarise_variants

    found = summarise_variants(plan, outcomes)
    if as_json:
        show_json(results)
    else:
        show_lines(found, plan.headline)
        print_result(str(folder / "results.json"))
    best = next((line.folder for line in found if line.folder), None)
    if best is None:
        say("no run came to its end; look into log.txt of a run's folder, if it is there")
        raise typer.Exit(1)
    flags = "".join(f" --plugin {file}" for file in plugins)
    say(f"next: nca evaluate {folder / best}{flags}")

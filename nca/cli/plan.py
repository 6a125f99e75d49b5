"""`nca plan`: say what training a recipe will need, before it is trained."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nca.cli.console import (
    AsJson,
    Data,
    Device,
    Overrides,
    PluginFiles,
    RecipeName,
    load_plugins,
    say,
    show_json,
    show_rows,
)
from nca.cli.progress import terminal_progress

if TYPE_CHECKING:
    from nca.training.memory_planner import IterationProbe, MemoryChoice, MemoryNeed

LINE_EVERY = 5.0


def plan_command(
    recipe: RecipeName,
    free: Annotated[
        str,
        typer.Option("--free", metavar="SIZE", help="24GB, say; what is free now without it."),
    ] = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="Do a whole iteration of each mode that fits, too.")
    ] = False,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Predict the memory and time of an iteration in each memory mode; nothing is trained.

    Example: nca plan growing --set grid.size=[256,256] --free 24GB
    """
    from nca.checkpoint.read import read_recipe
    from nca.checkpoint.reads import PLANNED
    from nca.device import hardware, pick_exact_device
    from nca.training import probe
    from nca.training.memory_planner import IterationProbe, MemoryChoice, fastest_that_fits
    from nca.training.run import Run
    from nca.training.way import way_of_training

    load_plugins(plugin)
    bound = probe.bytes_of(free) if free else None
    wanted = pick_exact_device(device)
    checked = read_recipe(recipe, overrides or (), reads=PLANNED)
    checked.training()
    checked.check()
    with terminal_progress() as progress:
        run = Run.build(checked, wanted, data, progress)
    held, room = probe.held(wanted), _room(bound, wanted)
    least, most = checked.tables.rollout.steps
    say(f"{checked.name} on {hardware(wanted)}: batch {run.table.batch}, {least} to {most} steps")
    chosen = run.recipe.precision
    if chosen:
        say(chosen.sentence())
    way = way_of_training(run)
    say(f"steps: {way}{MAYBE_COMPILED * (run.table.compile == 'auto')}")
    with terminal_progress(every=LINE_EVERY) as progress:
        trial = IterationProbe(run, progress)
        if trial.spreads:
            progress.note(
                "rules change which cells live here: predicted as if all cells were alive, and in "
                "dense steps"
            )
        needs = list(trial.needs(timed=True))
        taken = fastest_that_fits(needs, room)
        rows = [_row(need, MemoryChoice(need, room), need is taken.need) for need in needs]
        if measure:
            for row, need in zip(rows, needs, strict=True):
                fits = MemoryChoice(need, room).fits
                row |= _measured(trial, need) if fits else NOT_MEASURED
    if as_json:
        head = {"recipe": checked.name, "device": hardware(wanted), "batch": run.table.batch}
        head |= {"steps": [trial.least, trial.most], "all_cells_live": trial.spreads}
        head |= {"precision": chosen.name if chosen else "float32", "way": way}
        show_json({**head, "held_bytes": held, "room_bytes": room, "modes": rows})
        return
    show_rows([_words(row) for row in rows])
    say(_last(held, room, bound, taken))


MAYBE_COMPILED = ", or compiled where a trial finds that faster"
NOT_MEASURED = {"measured_bytes": None, "measured_seconds": None}


def _room(bound: int | None, device: Any) -> int | None:
    """Return the bytes that an iteration may take."""
    from nca.training import probe
    from nca.training.memory_planner import MARGIN

    if bound is not None:
        return bound - probe.held(device)
    now = probe.free(device)
    return None if now is None else round((1 - MARGIN) * now)


def _row(need: "MemoryNeed", choice: "MemoryChoice", taken: bool) -> dict[str, Any]:
    return {
        "mode": need.memory.mode,
        "every": need.memory.every,
        "peak_bytes": need.peak,
        "seconds": need.seconds,
        "fits": choice.fits,
        "auto": taken,
    }


def _measured(trial: "IterationProbe", need: "MemoryNeed") -> dict[str, Any]:
    found = trial.measure(need.memory)
    return {"measured_bytes": found.peak, "measured_seconds": found.seconds}


def _words(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as people read it."""
    words = {"mode": row["mode"], "every": row["every"] or ""}
    for key, (name, unit) in COLUMNS.items():
        if key in row:
            value = row[key]
            words[name] = "" if value is None else unit(value)
    return words | {"fits": "yes" if row["fits"] else "no", "auto": "takes it" * row["auto"]}


COLUMNS: dict[str, tuple[str, Any]] = {
    "peak_bytes": ("peak MB", lambda count: round(count / 1e6)),
    "measured_bytes": ("measured MB", lambda count: round(count / 1e6)),
    "seconds": ("s/iteration", float),
    "measured_seconds": ("measured s", float),
}


def _last(held: int, room: int | None, bound: int | None, taken: "MemoryChoice") -> str:
    from nca.training.memory_planner import MARGIN

    beside = f"beside it {held / 1e6:,.0f} MB are held by program, data, weights and pool"
    if room is None:
        return f"{beside}; how much is free is unknown: give --free"
    left = "after them" if bound is not None else f"now, less a {MARGIN:.0%} margin"
    short = "" if taken.fits else "; nothing fits, and auto takes the least"
    return f"{beside}; {max(room, 0) / 1e6:,.0f} MB are free {left}{short}"

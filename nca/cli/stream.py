"""`nca stream`: run a trained automaton on a grid that is too large for the memory."""

import math
import tempfile
import time
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nca.cli.completion import complete_checkpoint
from nca.cli.console import (
    AsJson,
    Data,
    Device,
    FireRate,
    Overrides,
    Pattern,
    PluginFiles,
    Trust,
    load_plugins,
    print_result,
    say,
    say_replaced,
    show_json,
    sides,
    with_pattern,
)
from nca.cli.numbers import STEPS, number
from nca.cli.output import output_path, picture_kind
from nca.cli.progress import terminal_progress
from nca.errors import StorageError

if TYPE_CHECKING:
    import torch

    from nca.checkpoint.reads import Reads
    from nca.engine.automaton import Automaton
    from nca.recipe.recipe import Recipe
    from nca.tasks.task import Task
    from nca.types import Size

LINE_EVERY = 10.0


def stream_command(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A file, a run's folder, a name, or a recipe without weights.",
            autocompletion=complete_checkpoint,
        ),
    ],
    size: Annotated[str, typer.Option("--size", metavar="HxW", help="Cells of the grid.")],
    steps: Annotated[int, number("--steps", 1, STEPS, "How long to run.")],
    pattern: Pattern = None,
    tile: Annotated[int, number("--tile", 1, 1 << 14, "Cells along a tile's side.")] = 512,
    halo: Annotated[int, number("--halo", 1, 1024, "Steps a tile takes at once.")] = 8,
    soup: Annotated[
        float | None,
        number(
            "--soup",
            0.0,
            1.0,
            "Start from chance: this share is 1. Otherwise the test data tile the grid.",
        ),
    ] = None,
    store: Annotated[
        Literal["float32", "float16", "bfloat16", "float64", "uint8"],
        typer.Option("--store", help="As what numbers are kept; uint8: whole ones to 255."),
    ] = "float32",
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="FOLDER", help="A disk with room; the files are removed."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="FOLDER",
            help="Let the grid stay here: the same command goes on after a kill, or for longer.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.png", help="Draw the outcome.")
    ] = None,
    pixels: Annotated[
        int, number("--pixels", 1, 1 << 14, "At most so many along each side.")
    ] = 1024,
    fire_rate: FireRate = None,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Run a checkpoint on a huge grid, tile by tile, with the grid on disk.

    Example: nca stream growing --size 4096x4096 --steps 96 --out field.png

    With a pattern, whose grid is repeated: nca stream B3/S23 acorn --size 4096x4096 --steps 96
    """
    import torch

    from nca.checkpoint.file import fingerprint
    from nca.checkpoint.reads import MODEL
    from nca.device import demand_float64, hardware, pick_device
    from nca.render.sheet import demand_format, save_image
    from nca.streaming.fill_and_draw import draw, fill_random, plain_colours, tile_first_states
    from nca.streaming.grid_file import GridFile
    from nca.streaming.kept_grid import KeptGrid
    from nca.streaming.stream import demand_whole_numbers, stream

    load_plugins(plugin, checkpoint if trust else None)
    wanted, cells = pick_device(device), sides(size, "--size")
    reads = MODEL.without(fire_rate=(fire_rate, "rollout.fire_rate"))
    given = with_pattern(pattern, checkpoint, overrides, plugin)
    recipe, automaton, task = _loaded(checkpoint, wanted, given, data, reads)
    if len(cells) != len(recipe.tables.grid.size):
        raise typer.BadParameter(
            f"a grid of {len(cells)} axes, but the recipe's has {len(recipe.tables.grid.size)}",
            param_hint="--size",
        )
    if pattern and any(a < b for a, b in zip(cells, recipe.tables.grid.size, strict=True)):
        whole = "x".join(map(str, recipe.tables.grid.size))
        raise typer.BadParameter(
            f"the pattern lies in the middle of {whole} cells, of which this is a part: make it as "
            f"large, or the other smaller, --set grid.size={list(cells)}",
            param_hint="--size",
        )
    if store == "float64":
        demand_float64(wanted)
    if store == "uint8":
        demand_whole_numbers(automaton)
    if keep is not None and folder is not None:
        raise typer.BadParameter("give --folder or --keep, not both", param_hint="--keep")
    if soup is None and task is None:
        raise typer.BadParameter(
            "the recipe has no task to start from: give --soup 0.3", param_hint="--soup"
        )
    output = None
    if out is not None:
        demand_format(out)
        inputs = [Path(checkpoint), *(plugin or ())]
        output = output_path(out, "", picture_kind(out.name), inputs)
    with nullcontext(keep) if keep else _own_folder(folder) as place:
        seed, dtype = recipe.tables.random_seed, getattr(torch, store)
        grid = GridFile(Path(place), recipe.layout, cells, dtype, seed)
        kept = None
        if keep is None:
            grid.allocate()
        else:
            made_of = {"size": size, "store": store, "soup": str(soup), "fire rate": str(fire_rate)}
            made_of |= {"recipe": f"{zlib.crc32(recipe.text.encode()):08x}"}
            made_of |= {"weights": f"{fingerprint(automaton):08x}"}
            kept = KeptGrid.take(grid, made_of)
            grid = kept.grid
        if kept is None or not kept.filled:
            if soup is not None:
                fill_random(grid, soup)
            elif task is not None:
                tile_first_states(grid, task)
            kept = kept and kept.at(grid)
        written = " x ".join(map(str, cells))
        say(f"{recipe.name}: {written} cells, {steps} steps on {hardware(wanted)}")
        if grid.step:
            say(f"it goes on from step {grid.step:,}")
        if grid.step > steps:
            raise typer.BadParameter(f"the grid is at step {grid.step:,}", param_hint="--steps")
        begun, steps = time.perf_counter(), steps - grid.step
        with terminal_progress(every=LINE_EVERY) as progress:
            grid = stream(
                automaton,
                grid,
                steps,
                tile=tile,
                halo=halo,
                fire_rate=fire_rate,
                progress=progress,
                passed=kept.at if kept else lambda grid: None,
            )
        seconds = time.perf_counter() - begun
        if output is not None:
            picture = draw(grid, task.picture if task else plain_colours, pixels, wanted)
            output.write(lambda path: save_image(picture, path))
            say_replaced(output)
    _show(cells, steps, seconds, out, as_json)


def _own_folder(parent: Path | None) -> "tempfile.TemporaryDirectory[str]":
    """Return a folder for the grid's files, which goes with them.

    Raises:
        StorageError: It cannot be made.
    """
    try:
        return tempfile.TemporaryDirectory(prefix="nca-stream-", dir=parent)
    except (OSError, ValueError) as fault:
        raise StorageError(
            f"no folder can be made for the grid: {getattr(fault, 'strerror', None) or fault}.",
            where=str(parent or tempfile.gettempdir()),
            to_do="name one that is there and may be written to: --folder FOLDER",
        ) from fault


def _loaded(
    source: str,
    device: "torch.device",
    overrides: tuple[str, ...],
    data: Path | None,
    reads: "Reads",
) -> "tuple[Recipe, Automaton, Task | None]":
    """Return a trained automaton with its task, or one that has nothing to train."""
    from nca.checkpoint.trained import Trained

    trained = Trained.load(source, device, overrides, reads)
    with terminal_progress() as progress:
        trained.prepare(data, progress)
    task = trained.task if trained.recipe.tables.task else None
    return trained.recipe, trained.automaton, task


def _show(size: "Size", steps: int, seconds: float, out: Path | None, as_json: bool) -> None:
    done = steps * math.prod(size)
    if as_json:
        row = {"size": list(size), "steps": steps, "cell-steps": done, "seconds": seconds}
        show_json(row | {"cell-steps per second": done / seconds, "out": out and str(out)})
        return
    print_result(f"{done:,} cell-steps in {seconds:,.1f} s: {done / seconds:,.0f} per second")
    if out is not None:
        print_result(str(out))

"""`nca predict`: what a checkpoint says of one's own pictures."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nca.cli.console import (
    AsJson,
    CheckpointName,
    Data,
    Device,
    FireRate,
    Overrides,
    PluginFiles,
    Trust,
    load_plugins,
    print_result,
    say,
    show_json,
    show_rows,
)
from nca.cli.numbers import SAMPLES, STEPS, number
from nca.cli.output import OutputKind, output_path
from nca.cli.progress import terminal_progress
from nca.files import user_path

if TYPE_CHECKING:
    from nca.checkpoint.trained import Trained
    from nca.cli.predict_files import PredictionFiles
    from nca.evaluation.predict import Seen
    from nca.evaluation.predict_large import LargePicture

SHOWN = 20
"""So many rows are printed, at most; the table has all."""

EMPTY = OutputKind("an empty folder", lambda path: False, folder=True)


def predict_command(
    checkpoint: CheckpointName,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES]...",
            help="Pictures, or folders of them. Without any: the test data, and how sure it is.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="A new or empty folder for what is written."),
    ] = None,
    table: Annotated[
        Literal["csv", "json"],
        typer.Option("--table", help="The table: CSV, or JSON with a line for each picture."),
    ] = "csv",
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Whether to write PNG beside it.")
    ] = True,
    side: Annotated[
        int | None,
        number("--side", 1, 1 << 13, "Shrink a picture that is longer, in pixels, to so many."),
    ] = None,
    steps: Annotated[
        int | None, number("--steps", 1, STEPS, "How long to run. Else as the recipe says.")
    ] = None,
    repeats: Annotated[
        int, number("--repeats", 1, 1000, "Rollouts with other fire masks; their spread is given.")
    ] = 4,
    batch: Annotated[int, number("--batch", 1, SAMPLES, "Pictures in memory at once.")] = 16,
    samples: Annotated[
        int | None, number("--samples", 1, SAMPLES, "Of the test data: at most so many.")
    ] = None,
    fire_rate: FireRate = None,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Predict classes or masks of your own pictures, with votes and confidence.

    What is written lies in a folder of its own; no picture is replaced.

    Example: nca predict segmentation my/pictures --out found
    """
    from nca.checkpoint.reads import DRAWN
    from nca.checkpoint.trained import Trained
    from nca.cli.predict_files import PredictionFiles
    from nca.device import pick_device
    from nca.evaluation.predict import (
        demand_any_size,
        demand_predictions,
        picture_files,
        reliability,
        seen_files,
        seen_samples,
    )

    if side and not files:
        raise typer.BadParameter("it shrinks pictures of yours; name FILES", param_hint="--side")
    if files and samples:
        raise typer.BadParameter("it counts test data; give no FILES", param_hint="--samples")
    load_plugins(plugin, checkpoint if trust else None)
    found = picture_files([user_path(file) for file in files or ()])
    reads = DRAWN.without(
        steps=(steps, "evaluate.steps", "rollout.steps"), fire_rate=(fire_rate, "rollout.fire_rate")
    )
    trained = Trained.load(checkpoint, pick_device(device), tuple(overrides or ()), reads)
    demand_predictions(trained)
    if side is not None:
        demand_any_size(trained)
    place = output_path(out and user_path(out), f"{trained.recipe.name}-predicted", EMPTY)
    if not found:
        with terminal_progress() as progress:
            trained.prepare(data, progress)
    steps = steps or trained.recipe.evaluation_steps[0]
    times = f", {repeats} times" if repeats > 1 else ""
    say(f"{trained.path}: {steps} steps{times} on {trained.place}")
    if found:
        seen = seen_files(trained, found, batch, side)
    else:
        seen = seen_samples(trained, samples or 0, batch)
    there = place.path.exists()
    writer = PredictionFiles(place.make_folder(), table, pictures)
    try:
        shown, judged = _write(trained, seen, writer, len(found), (steps, repeats, fire_rate))
    finally:
        if not there:
            writer.remove_if_empty()
    known = reliability(*map(list, zip(*judged, strict=True))) if judged else {}
    _show(shown, known, writer.table, as_json)


def _write(
    trained: "Trained",
    seen: "Iterable[Seen | LargePicture]",
    writer: "PredictionFiles",
    total: int,
    how: tuple[int, int, float | None],
) -> tuple[list[dict[str, Any]], list[tuple[float, float]]]:
    """Predict, and write it down; return what is shown, and uncertainty and error where known."""
    from nca.errors import PictureError
    from nca.evaluation.predict import predict

    steps, repeats, fire_rate = how
    shown, judged, done = [], [], 0
    with terminal_progress() as progress:
        progress.begin("pictures", total or None, unit="pictures")
        for each in seen:
            rows = predict(trained, each, steps=steps, repeats=repeats, fire_rate=fire_rate)
            for name, one in rows:
                writer.write(name, one)
                done += 1
                if len(shown) < SHOWN:
                    shown.append({"file": name, **one.values})
                if one.error is not None and one.uncertainty is not None:
                    judged.append((one.uncertainty, one.error))
            progress.advance(done)
    if not done:
        raise PictureError(
            "none of the pictures could be read.",
            where=f"{total} files",
            to_do="the notes above say what is wrong with each",
        )
    if done > len(shown):
        say(f"{done:,} rows in all, the first {len(shown)} of which are shown")
    return shown, judged


def _show(rows: list[dict[str, Any]], known: dict[str, float], table: Path, as_json: bool) -> None:
    if as_json:
        show_json({"predictions": rows, "reliability": known, "table": str(table)})
        return
    show_rows([{k: v for k, v in row.items() if not isinstance(v, Mapping)} for row in rows])
    if known:
        show_rows([known])
    print_result(str(table))

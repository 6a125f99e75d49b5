"""`nca evaluate`: measure a checkpoint on data it has never seen."""

from typing import Annotated, Any, Literal

import typer

from nca.cli.console import (
    AsJson,
    AtMost,
    CheckpointName,
    Data,
    Device,
    FireRate,
    MeasuredOn,
    Overrides,
    PluginFiles,
    load_plugins,
    say,
    show_json,
    show_rows,
)
from nca.cli.data import terminal_report
from nca.cli.progress import counting
from nca.report import hardware, judge
from nca.run import pick_device
from nca.trained import Trained
from nca.training import Watch


def evaluate(
    checkpoint: CheckpointName,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--steps",
            metavar="N|settle",
            help="Measure at this step (repeatable), or where nothing moves any more.",
        ),
    ] = None,
    split: MeasuredOn = "test",
    samples: AtMost = 0,
    fire_rate: FireRate = None,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Measure a checkpoint on test data, as its recipe says.

    Example: nca evaluate runs/glom_mnist-1 --steps 8 --steps 16
    """
    load_plugins(plugin)
    moments = _moments(steps) if steps else None
    trained = Trained.load(checkpoint, pick_device(device), tuple(overrides or ()))
    with terminal_report() as report:
        trained.prepare(data, report)
    options: dict[str, Any] = {"samples": samples, "fire_rate": fire_rate}
    if moments:
        options["steps"] = moments
    say(f"{trained.path}: {split} data on {hardware(trained.device)}")
    with counting(split, samples or None) as watch:
        rows = judge(trained, split, Watch(measured=watch.measured), **options)
    told = [row.told() for row in rows]
    show_json(told) if as_json else show_rows(told)


def _moments(words: list[str]) -> list[int] | Literal["settle"]:
    if words == ["settle"]:
        return "settle"
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise typer.BadParameter("give whole numbers from 1, or settle alone", param_hint="--steps")
    return sorted({int(word) for word in words})

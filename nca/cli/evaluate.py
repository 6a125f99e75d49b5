"""`nca evaluate`: measure a checkpoint on data it has never seen."""

from typing import Annotated, Any, Literal

import typer

from nca.cli.console import (
    AsJson,
    CheckpointName,
    Data,
    Device,
    FireRate,
    MeasuredOn,
    Overrides,
    Pattern,
    PluginFiles,
    Shard,
    Trust,
    load_plugins,
    say,
    show_json,
    show_measurements,
    sides,
    speaking,
    with_pattern,
)
from nca.cli.numbers import SAMPLES, number
from nca.cli.progress import terminal_progress


def evaluate_command(
    checkpoint: CheckpointName,
    pattern: Pattern = None,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--steps",
            metavar="N|settle",
            help="Measure at this step (repeatable), or where nothing moves any more.",
        ),
    ] = None,
    split: MeasuredOn = "test",
    samples: Annotated[
        int | None,
        number("--samples", 0, SAMPLES, "Stop after so many; 0: all. Else as the recipe says."),
    ] = None,
    fire_rate: FireRate = None,
    untrained: Annotated[
        bool,
        typer.Option("--untrained", help="Measure its recipe with first weights, to compare."),
    ] = False,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
    shard: Shard = None,
    as_json: AsJson = False,
) -> None:
    """Measure a checkpoint on test data, as its recipe says.

    Example: nca evaluate runs/glom_mnist-1 --steps 8 --steps 16

    On several devices: torchrun --nproc-per-node 2 -m nca evaluate glom_mnist
    """
    from nca.checkpoint.reads import EVALUATED
    from nca.checkpoint.trained import Trained
    from nca.device import pick_device
    from nca.distributed.group import join, local_device
    from nca.evaluation.evaluate import divergence_note
    from nca.evaluation.finish_run import evaluate_trained
    from nca.evaluation.shared import prepare_shared, sharded

    load_plugins(plugin, checkpoint if trust else None)
    options: dict[str, Any] = {"fire_rate": fire_rate}
    if samples is not None:
        options["samples"] = samples
    if steps:
        options["steps"] = _moments(steps)
    wanted = pick_device(local_device(device))
    group = join(wanted, sides(shard, "--shard") if shard else None)
    with speaking(group), group.guard():
        reads = EVALUATED.without(
            steps=(steps, "evaluate.steps", "rollout.steps"),
            samples=(samples, "evaluate.samples"),
            fire_rate=(fire_rate, "rollout.fire_rate"),
        )
        given = with_pattern(pattern, checkpoint, overrides, plugin)
        trained = Trained.load(checkpoint, wanted, given, reads)
        trained = sharded(trained.untrained() if untrained else trained, group)
        with terminal_progress() as progress:
            prepare_shared(trained, group, data, progress)
        among = f", {group.count} processes" if group.count > 1 else ""
        what = ", untrained" if untrained else ""
        say(f"{trained.path}{what}: {split} data on {trained.place}{among}")
        with terminal_progress() as progress:
            rows = evaluate_trained(trained, split, progress, shares=group.samples, **options)
        group.close()
        if said := divergence_note(rows):
            say(said)
        found = [row.to_json() for row in rows]
        show_json(found) if as_json else show_measurements(found)


def _moments(words: list[str]) -> list[int] | Literal["settle"]:
    if words == ["settle"]:
        return "settle"
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise typer.BadParameter("give whole numbers from 1, or settle alone", param_hint="--steps")
    return sorted({int(word) for word in words})

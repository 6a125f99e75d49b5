"""`nca islands`: measure whether parts and wholes appear in a checkpoint, beside controls."""

from pathlib import Path
from typing import Annotated

import typer

from nca.cli.console import (
    AsJson,
    CheckpointName,
    Data,
    Device,
    MeasuredOn,
    Overrides,
    PluginFiles,
    Trust,
    load_plugins,
    print_result,
    say,
    say_replaced,
    show_json,
    show_rows,
)
from nca.cli.numbers import SAMPLES, STEPS, number
from nca.cli.output import ISLANDS, output_path
from nca.cli.progress import terminal_progress


def islands_command(
    checkpoint: CheckpointName,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where to; islands-NAME without it."),
    ] = None,
    steps: Annotated[int | None, number("--steps", 1, STEPS, "Measure at this step.")] = None,
    split: MeasuredOn = "test",
    samples: Annotated[
        int, number("--samples", 0, SAMPLES, "Stop after so many samples; 0: all.")
    ] = 200,
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="FILE", help="Measure on this picture. Repeatable."),
    ] = None,
    threshold: Annotated[
        float,
        number("--threshold", -1.0, 1.0, "Least cosine inside an island."),
    ] = 0.9,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Measure whether cells agree in islands that grow and nest, and report it in a folder.

    Example: nca islands glom_mnist --samples 200
    """
    from nca.checkpoint.reads import GROUPED
    from nca.checkpoint.trained import Trained
    from nca.device import pick_exact_device
    from nca.render.pictures import grid_pictures
    from nca.reports.islands import (
        IslandsPlan,
        demand_plane,
        islands_headline,
        islands_to_json,
        measure_islands,
        publish_islands,
        verdict,
    )
    from nca.reports.islands.tables import table_lines
    from nca.tasks.task import note_if_fewer

    load_plugins(plugin, checkpoint if trust else None)
    reads = GROUPED.without(steps=(steps, "evaluate.steps", "rollout.steps"))
    trained = Trained.load(checkpoint, pick_exact_device(device), tuple(overrides or ()), reads)
    demand_plane(trained)
    output = output_path(out, f"islands-{trained.recipe.name}", ISLANDS)
    with terminal_progress() as progress:
        trained.prepare(data, progress)
    pictures = grid_pictures(image or (), trained.task.canvas)
    plan = IslandsPlan(
        steps=steps or trained.recipe.evaluation_steps[0],
        samples=samples,
        split=split,
        pictures=pictures,
        threshold=threshold,
    )
    what = f"{len(pictures)} pictures" if pictures else f"{split} data"
    say(f"{trained.path}: {what} on {trained.place}")
    with terminal_progress() as progress:
        found = measure_islands(trained, plan, progress)
    if not pictures:
        note_if_fewer(found.samples, samples, split)
    if lost := int(found.own.figures["sample", "diverged"].sum()):
        at = found.own.figures["sample", "diverged at"]
        say(
            f"the automaton diverges: numbers of {lost} of {found.samples} samples are not finite "
            f"by step {plan.moments[-1]}, the first from step {at[~at.isnan()].min():.0f} on, so "
            "that what is measured of them there is undefined"
        )
    folder = output.make_folder()
    publish_islands(found, folder)
    say_replaced(output)
    if as_json:
        show_json(islands_to_json(found))
    else:
        show_rows(table_lines(found))
        print_result(f"\n{islands_headline(verdict(found))}\n")
        print_result(str(folder / "report.html"))

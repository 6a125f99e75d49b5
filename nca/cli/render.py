"""`nca render`: draw what a checkpoint does, as a strip or an animation."""

from pathlib import Path
from typing import Annotated, Literal

import torch
import typer

from nca.cli.console import Data, Device, Overrides, PluginFiles, load_plugins, show
from nca.cli.data import terminal_report
from nca.evaluation import moments
from nca.render import Sheet, levels_sheet, save_animation, save_image, strip
from nca.report import film
from nca.run import pick_device
from nca.trained import Trained

ANIMATED = (".gif", ".apng", ".webp")


def render(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="A file, a run's folder, or a name.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to: .png for a strip, .gif or .webp for an animation."),
    ] = None,
    show_: Annotated[
        Literal["picture", "levels"],
        typer.Option("--show", help="What to see: the task's picture, or all levels."),
    ] = "picture",
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="How long to run.")] = None,
    every: Annotated[
        int | None, typer.Option("--every", min=1, help="Steps between pictures.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="How many samples.")] = 4,
    scale: Annotated[
        int | None, typer.Option("--scale", min=1, help="Pixels along each side of a cell.")
    ] = None,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Frames per second.")] = 12.0,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    data: Data = None,
) -> None:
    """Draw a checkpoint: a strip through time, the levels, or an animation.

    Example: nca render runs/glom_mnist-1 --out votes.gif --samples 8
    """
    load_plugins(plugin)
    trained = Trained.load(checkpoint, pick_device(device), tuple(overrides or ()))
    out = out or Path(f"{trained.recipe.name}.png")
    animated = out.suffix.lower() in ANIMATED
    with terminal_report() as report:
        trained.prepare(data, report)
    steps = steps or moments(trained.recipe)[0]
    every = every or (1 if animated else -(-steps // 7))
    with torch.no_grad():
        states = [trained.automaton.finish(s) for s in film(trained, samples, steps, every)]
        pictures = [trained.task.picture(state) for state in states]
    words = [f"step {state.step}" for state in states]
    if animated:
        sheets = []
        for word, state, picture in zip(words, states, pictures, strict=True):
            if show_ == "levels":
                sheets.append(levels_sheet(states, pictures).only(words.index(word)))
            else:
                columns = [word, *[""] * (len(picture) - 1)]
                sheets.append(Sheet(columns, [list(picture)], [""]))
                del state
        save_animation([sheet.image(scale) for sheet in sheets], out, rate)
    elif show_ == "levels":
        save_image(levels_sheet(states, pictures).image(scale), out)
    else:
        save_image(strip(pictures, words).image(scale), out)
    show(str(out))

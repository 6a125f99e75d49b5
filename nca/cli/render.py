"""`nca render`: draw what a checkpoint does, as a strip or an animation."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nca.cli.console import (
    CheckpointName,
    Data,
    Device,
    Overrides,
    PluginFiles,
    load_plugins,
    print_result,
    say,
    sides,
)
from nca.cli.console import out as stdout
from nca.cli.progress import terminal_progress
from nca.errors import NCAError
from nca.files import unused
from nca.render.animation import FASTEST, SLOWEST, is_animation, omission, save_animation

if TYPE_CHECKING:
    from torch import Tensor

    from nca.checkpoint.trained import Trained
    from nca.render.collect import CollectedStates

TERMINAL = Path("-")
MOMENTS = 8
"""So many states are on a still sheet, at most."""
STAGE = "[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"
"""How the sides of a stage are written."""


def render_command(
    checkpoint: CheckpointName,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Where to: .png; .gif, .apng, .webp, .mp4 for an animation; - to see it."
        ),
    ] = None,
    show_: Annotated[
        Literal["picture", "levels"],
        typer.Option("--show", help="What to see: the task's picture, or all levels."),
    ] = "picture",
    level: Annotated[
        str | None,
        typer.Option("--level", metavar="NAME", help="See this level, in principal colours."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option("--channels", metavar="C|R,G,B", help="See these channels of the level."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="How long to run.")] = None,
    every: Annotated[
        int | None, typer.Option("--every", min=1, help="Steps between pictures.")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, help="How many samples: 4, or 1 with --frames."),
    ] = None,
    columns: Annotated[
        int | None, typer.Option("--columns", min=1, help="Samples beside each other.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="HxW", help="One stage of this many cells.")
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="First states on that stage, at random places.")
    ] = 1,
    damage: Annotated[
        list[str] | None,
        typer.Option("--damage", metavar="STEP:SHAPE:SIZE", help="Hurt: 60:disc:0.2. Repeatable."),
    ] = None,
    turn: Annotated[
        list[str] | None,
        typer.Option("--turn", metavar="STEP:DEGREES", help="Turn perception. Repeatable."),
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option("--frames", metavar="FILM", help="Show it a GIF, or a folder of pictures."),
    ] = None,
    steps_per_frame: Annotated[
        int | None,
        typer.Option("--steps-per-frame", min=1, help="Steps that pass while a frame is shown."),
    ] = None,
    scale: Annotated[
        int | None, typer.Option("--scale", min=1, help="Pixels along each side of a cell.")
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", min=SLOWEST, max=FASTEST, help="Frames per second.")
    ] = 12.0,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    data: Data = None,
) -> None:
    """Draw a checkpoint: a strip through time, the levels, or an animation.

    With --out - the last state is drawn here, in the terminal. With --frames a film is shown on
    the input, and from frame to frame the cells carry on what they hold.

    Example: nca render runs/glom_mnist-1 --out votes.gif --samples 8
    """
    import torch

    from nca.checkpoint.trained import Trained
    from nca.device import pick_device
    from nca.render.collect import CollectedStates
    from nca.render.schedule import damage_at, place_seeds, rollout_with_events, turn_at
    from nca.render.sheet import save_image
    from nca.render.terminal import print_pictures

    if out == TERMINAL:
        _demand_colours()
    given = {"--steps": steps, "--every": every, "--columns": columns, "--size": size}
    _check_film(frames, steps_per_frame, {**given, "--damage": damage, "--turn": turn})
    load_plugins(plugin)
    wanted = "give height and width in cells: 128x512"
    stage = None if size is None else sides(size, "--size", STAGE, wanted)
    trained = Trained.load(checkpoint, pick_device(device), tuple(overrides or ()))
    events = [damage_at(text, trained) for text in damage or ()]
    events += [turn_at(text, trained) for text in turn or ()]
    film = _film(frames, trained) if frames else []
    out = out or unused(Path(f"{trained.recipe.name}.{'gif' if film else 'png'}"))
    kept = CollectedStates(trained, show_ == "levels", level, channels)
    with terminal_progress() as progress:
        trained.prepare(data, progress)
    moving, steps = is_animation(out), steps or trained.recipe.evaluation_steps[0]
    if film:
        _show(film, kept, steps_per_frame or steps, samples or 1, moving)
    else:
        every = every or (1 if moving else -(-steps // (MOMENTS - 1)))
        with torch.no_grad(), terminal_progress() as progress:
            progress.begin("steps", steps, unit="steps")
            first = trained.task.first_evaluation_batch("test", samples or 4).state
            first = place_seeds(trained, first, stage, seeds) if stage else first
            for state in rollout_with_events(trained, first, steps, every, events):
                kept.keep(trained.automaton.finish(state))
                progress.advance(state.step)
    if out == TERMINAL:
        say(f"{trained.recipe.name}, {kept.words[-1]}")
        print_pictures(stdout, kept.last())
        return
    if is_animation(out):
        save_animation(kept.frames(scale, columns), out, rate)
        if said := omission(out.name, rate):
            say(said)
    else:
        save_image(kept.sheet().image(scale), out)
    print_result(str(out))


def _film(frames: Path, trained: "Trained") -> "list[Tensor]":
    from nca.render.film_input import demand_input, read_frames

    demand_input(trained)
    return read_frames(frames, trained.task.canvas)


def _show(
    film: "list[Tensor]", kept: "CollectedStates", steps: int, samples: int, moving: bool
) -> None:
    """Show a film, and keep what is to be seen after each frame, or after some on a still sheet."""
    import torch

    from nca.render.film_input import screen

    with torch.no_grad(), terminal_progress() as progress:
        states = screen(kept.trained, film, steps, samples, progress)
    stride = 1 if moving else -(-len(film) // MOMENTS)
    for number in range((len(film) - 1) % stride, len(film), stride):  # the last is among them
        kept.keep(states[number], film[number])


def _check_film(
    frames: Path | None, steps_per_frame: int | None, given: Mapping[str, object]
) -> None:
    strange = [name for name, value in given.items() if value]
    if frames and strange:
        raise typer.BadParameter(
            f"a film has its own course: leave out {' and '.join(strange)}", param_hint="--frames"
        )
    if steps_per_frame and not frames:
        raise typer.BadParameter("it needs a film: --frames FILM", param_hint="--steps-per-frame")


def _demand_colours() -> None:
    from nca.render.terminal import why_no_picture

    if reason := why_no_picture(stdout):
        raise NCAError(
            f"nothing can be drawn here: {reason}.",
            where="--out -",
            to_do="run it in a terminal with colours, or write a file: --out picture.png",
        )

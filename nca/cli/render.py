"""`nca render`: draw what a checkpoint does, as a strip or an animation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nca.cli.console import (
    CheckpointName,
    Data,
    Device,
    Overrides,
    Pattern,
    PluginFiles,
    Shard,
    Trust,
    load_plugins,
    print_result,
    say,
    say_replaced,
    sides,
    speaking,
    with_pattern,
)
from nca.cli.console import out as stdout
from nca.cli.numbers import SAMPLES, SEEDS, STEPS, number
from nca.cli.output import Output, output_path, picture_kind
from nca.cli.progress import terminal_progress
from nca.files import user_path
from nca.render.animation import FASTEST, SLOWEST

if TYPE_CHECKING:
    from torch import Tensor

    from nca.checkpoint.trained import Trained
    from nca.cli.render_options import RenderOptions
    from nca.render.collect import CollectedStates
    from nca.render.schedule import ScheduledEvent
    from nca.types import Size

MOMENTS = 8
"""So many states are on a still sheet, at most."""
STAGE = "[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"
"""How the sides of a stage are written."""


def render_command(
    checkpoint: CheckpointName,
    pattern: Pattern = None,
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
    steps: Annotated[int | None, number("--steps", 1, STEPS, "How long to run.")] = None,
    every: Annotated[int | None, number("--every", 1, STEPS, "Steps between pictures.")] = None,
    samples: Annotated[
        int | None,
        number("--samples", 1, SAMPLES, "How many samples: 4, or 1 with --frames."),
    ] = None,
    columns: Annotated[
        int | None, number("--columns", 1, SEEDS, "Samples beside each other.")
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="HxW", help="One stage of this many cells.")
    ] = None,
    seeds: Annotated[
        int, number("--seeds", 1, SEEDS, "First states on that stage, at random places.")
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
        number("--steps-per-frame", 1, STEPS, "Steps that pass while a frame is shown."),
    ] = None,
    plane: Annotated[
        bool,
        typer.Option("--plane", help="Grow the grid before a pattern fills it; draw all it meets."),
    ] = False,
    scale: Annotated[
        int | None, number("--scale", 1, 1000, "Pixels along each side of a cell.")
    ] = None,
    rate: Annotated[
        float | None,
        number("--rate", SLOWEST, FASTEST, "Frames per second: 12."),
    ] = None,
    device: Device = "auto",
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
    shard: Shard = None,
) -> None:
    """Draw a checkpoint: a strip through time, the levels, or an animation.

    With --out - the last state is drawn here, in the terminal. With --frames a film is shown on
    the input, and from frame to frame the cells carry on what they hold.

    Example: nca render runs/glom_mnist-1 --out votes.gif --samples 8

    A large grid in blocks: torchrun --nproc-per-node 2 -m nca render growing --size 512x512
    --shard 2x1
    """
    from nca.checkpoint.reads import DRAWN
    from nca.checkpoint.trained import Trained
    from nca.cli.render_options import (
        TERMINAL,
        RenderOptions,
        check_alone,
        check_film,
        demand_colours,
        demand_encoding,
    )
    from nca.device import pick_device
    from nca.distributed.group import join, local_device
    from nca.evaluation.shared import sharded, whole_states
    from nca.render.collect import CollectedStates
    from nca.render.schedule import damage_at, turn_at

    if out == TERMINAL:
        demand_colours()
    out, frames = out and user_path(out), frames and user_path(frames)
    given = {"--steps": steps, "--every": every, "--columns": columns, "--size": size}
    staged = {"--size": size, "--damage": damage, "--turn": turn}
    check_film(frames, steps_per_frame, {**given, **staged, "--plane": plane})
    check_alone("--plane", plane, {**staged, "--shard": shard})
    load_plugins(plugin, checkpoint if trust else None)
    stage_form = "give height and width in cells: 128x512"
    stage = None if size is None else sides(size, "--size", STAGE, stage_form)
    reads = DRAWN.without(steps=(steps, "evaluate.steps", "rollout.steps"))
    wanted = pick_device(local_device(device))
    group = join(wanted, sides(shard, "--shard") if shard else None)
    with speaking(group), group.guard():
        own = with_pattern(pattern, checkpoint, overrides, plugin)
        trained = sharded(Trained.load(checkpoint, wanted, own, reads), group, stage)
        events = [damage_at(text, trained) for text in damage or ()]
        events += [turn_at(text, trained) for text in turn or ()]
        film = _film(frames, trained) if frames else []
        default = f"{trained.recipe.name}.{'gif' if film else 'png'}"
        output = None
        if out != TERMINAL:
            inputs = [trained.path, *(plugin or ()), *([frames] if frames else [])]
            output = output_path(out, default, picture_kind(str(out or default)), inputs)
            demand_encoding(output.path, rate or 12.0)
        steps = steps or trained.recipe.evaluation_steps[0]
        out = output.path if output else TERMINAL
        options = RenderOptions(
            out, show_ == "levels", steps, every, samples, columns, size, seeds, scale, rate
        )
        options.say_what_is_ignored()
        kept = CollectedStates(trained, options.levels, level, channels)
        what = f"{len(film)} frames" if film else f"{steps} steps"
        say(f"{trained.path}: {what} on {trained.device}")
        with group.leader_first(), terminal_progress() as progress:
            trained.prepare(data, progress)
        with whole_states(trained, group, stage):
            if film:
                _show(film, kept, steps_per_frame or steps, options)
            elif plane:
                _run_on_plane(kept, options)
            else:
                _run(kept, options, stage, events)
        group.close()
        if group.is_leader:
            _write(kept, options, output)


def _write(kept: "CollectedStates", options: "RenderOptions", output: "Output | None") -> None:
    """Write what was kept, or show it in the terminal."""
    from nca.render.animation import save_animation
    from nca.render.sheet import MARKED, save_image
    from nca.render.terminal import print_pictures

    if kept.divergence:
        say(f"{kept.divergence}; such cells are {MARKED}")
    if output is None:
        say(f"{kept.trained.recipe.name}, {kept.words[-1]}")
        print_pictures(stdout, kept.last())
        return
    columns, rate = options.columns, options.rate or 12.0
    scale = options.scale or kept.scale(options.moving, columns)
    if options.moving:
        shown = kept.frames(scale, columns)
        written, _ = output.write(lambda path: save_animation(shown, path, rate))
    else:
        written, _ = output.write(lambda path: save_image(kept.sheet().image(scale), path))
    say_replaced(output)
    print_result(str(written))


def _run(
    kept: "CollectedStates",
    options: "RenderOptions",
    stage: "Size | None",
    events: "list[ScheduledEvent]",
) -> None:
    """Let time pass, and keep what is to be seen; what could not be written is refused first."""
    import torch

    from nca.render.schedule import place_seeds, rollout_with_events
    from nca.tasks.batch import Batch
    from nca.tasks.task import note_if_fewer

    trained, steps = kept.trained, options.steps
    every = options.every or (1 if options.moving else -(-steps // (MOMENTS - 1)))
    with torch.no_grad(), terminal_progress() as progress:
        progress.begin("steps", steps, unit="steps")
        batch = trained.task.first_evaluation_batch("test", options.samples or 4)
        note_if_fewer(batch.state.batch, options.samples or 0, "test")
        first = place_seeds(trained, batch.state, stage, options.seeds) if stage else batch.state
        truth = {} if stage else batch.truth
        for state in rollout_with_events(trained, first, steps, every, events):
            kept.keep(Batch(trained.automaton.finish(state), truth))
            if state.step == 0:
                _check_fits(kept, options, len({*range(0, steps, every), steps}))
            progress.advance(state.step)


def _run_on_plane(kept: "CollectedStates", options: "RenderOptions") -> None:
    """Let time pass on a plane, and keep the box of all that was seen there."""
    import torch

    from nca.engine.plane import states_on_plane
    from nca.render.plane import PlaneStates
    from nca.tasks.batch import Batch
    from nca.tasks.task import note_if_fewer

    trained, steps, seen = kept.trained, options.steps, PlaneStates()
    every = options.every or (1 if options.moving else -(-steps // (MOMENTS - 1)))
    with torch.no_grad(), terminal_progress() as progress:
        state = trained.task.first_evaluation_batch("test", options.samples or 1).state
        note_if_fewer(state.batch, options.samples or 0, "test")
        begun = state.step
        progress.begin("steps", steps, unit="steps")
        seen.keep(trained.automaton.finish(state), (0,) * state.axes)
        for now, origin in states_on_plane(trained.automaton, state, steps, every):
            seen.keep(trained.automaton.finish(now), origin)
            progress.advance(now.step - begun)
    seen.widen(kept.lattice == "hexagonal")
    sides = "x".join(str(b - a) for a, b in zip(seen.first, seen.last, strict=True))
    say(f"plane: a picture is {sides} cells, all that the pattern meets, from {seen.first} on")
    for place, box in enumerate(seen.states()):
        kept.keep(Batch(box))
        if place == 0:
            _check_fits(kept, options, len({*range(0, steps, every), steps}))


def _check_fits(kept: "CollectedStates", options: "RenderOptions", moments: int) -> None:
    """Refuse a picture or film that its format or the memory cannot hold."""
    from nca.cli.render_options import TERMINAL
    from nca.render.limits import check_fits

    if options.out != TERMINAL:
        size = kept.expected_size(moments, options.moving, options.scale, options.columns)
        check_fits(*size, str(options.out), moments if options.moving else 1)


def _film(frames: Path, trained: "Trained") -> "list[Tensor]":
    from nca.render.film_input import demand_input, read_frames

    demand_input(trained)
    return read_frames(frames, trained.task.canvas)


def _show(
    film: "list[Tensor]", kept: "CollectedStates", steps: int, options: "RenderOptions"
) -> None:
    """Show a film, and keep what is to be seen after each frame, or after some on a still sheet."""
    import torch

    from nca.render.collect import CollectedStates
    from nca.render.film_input import screen
    from nca.tasks.task import note_if_fewer

    stride = 1 if options.moving else -(-len(film) // MOMENTS)
    first = CollectedStates(kept.trained, kept.levels, None, None)
    with torch.no_grad(), terminal_progress() as progress:
        batch = kept.trained.task.first_evaluation_batch("test", options.samples or 1)
        first.keep(batch, film[0])
        _check_fits(first, options, -(-len(film) // stride))
        batches = screen(kept.trained, film, steps, options.samples or 1, progress)
    for batch in batches:  # also those of frames that a sheet leaves out
        kept.look_for_divergence(batch.state)
    note_if_fewer(batches[0].state.batch, options.samples or 0, "test")
    if stride > 1:
        say(f"note: of {len(film)} frames one in {stride} is on the sheet; a film shows all")
    for place in range((len(film) - 1) % stride, len(film), stride):  # the last is among them
        kept.keep(batches[place], film[place])

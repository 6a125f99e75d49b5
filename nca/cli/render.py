"""`nca render`: draw what a checkpoint does, as a strip or an animation."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from PIL import Image
from torch import Tensor

from nca.animation import is_animation, save_animation
from nca.cli.blocks import print_pictures, why_no_picture
from nca.cli.console import Data, Device, Overrides, PluginFiles, load_plugins, say, show
from nca.cli.console import out as stdout
from nca.cli.data import terminal_report
from nca.cli.progress import counting
from nca.errors import NCAError
from nca.evaluation import moments
from nca.render import (
    Sheet,
    channel_picture,
    crowd,
    level_picture,
    levels_sheet,
    save_image,
    strip,
)
from nca.run import pick_device
from nca.staging import damage_at, perform, scattered, turn_at
from nca.state import State
from nca.trained import Trained
from nca.types import Size

TERMINAL = Path("-")


def render(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="A file, a run's folder, or a name.")
    ],
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
    samples: Annotated[int, typer.Option("--samples", min=1, help="How many samples.")] = 4,
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

    With --out - the last state is drawn here, in the terminal.

    Example: nca render runs/glom_mnist-1 --out votes.gif --samples 8
    """
    if out == TERMINAL:
        _demand_colours()
    load_plugins(plugin)
    stage = _stage(size)
    trained = Trained.load(checkpoint, pick_device(device), tuple(overrides or ()))
    events = [damage_at(text, trained) for text in damage or ()]
    events += [turn_at(text, trained) for text in turn or ()]
    out = out or Path(f"{trained.recipe.name}.png")
    with terminal_report() as report:
        trained.prepare(data, report)
    steps = steps or moments(trained.recipe)[0]
    every = every or (1 if is_animation(out) else -(-steps // 7))
    with torch.no_grad():
        first = next(iter(trained.task.trials("test", samples))).state
        if stage:
            first = scattered(trained, first, stage, seeds)
        kept = _Kept(trained, show_ == "levels", level, channels)
        with counting("steps", steps) as watch:
            for state in perform(trained, first, steps, every, events):
                kept.keep(trained.automaton.finish(state))
                watch.measured(state.step)
    if out == TERMINAL:
        say(f"{trained.recipe.name}, {kept.words[-1]}")
        print_pictures(stdout, kept.last())
        return
    if is_animation(out):
        save_animation(kept.frames(scale, columns), out, rate)
    else:
        save_image(kept.sheet().image(scale), out)
    show(str(out))


class _Kept:
    """What is kept of each state: only what is to be seen."""

    def __init__(
        self, trained: Trained, levels: bool, level: str | None, channels: str | None
    ) -> None:
        self.trained, self.levels = trained, levels
        layout = trained.automaton.layout
        self.level = layout[level or list(layout)[-1]].name if level or channels else None
        self.channels = _numbers(channels) if channels else None
        self.words: list[str] = []
        self.states: list[State] = []
        self.seen: list[Tensor] = []

    def keep(self, state: State) -> None:
        """Keep what is to be seen of a state."""
        self.words.append(f"step {state.step}")
        if self.level and self.channels:
            self.seen.append(channel_picture(state[self.level], self.channels, self.level))
        elif self.level:
            self.seen.append(state[self.level])
        else:
            self.seen.append(self.trained.task.picture(state))
        if self.levels:
            self.states.append(state.replace(remembered=()))

    def pictures(self) -> list[Tensor]:
        """Return the picture of each state, `(B, 3, H, W)`."""
        return level_picture(self.seen) if self.level and not self.channels else self.seen

    def last(self) -> Sequence[Tensor]:
        """Return the pictures of the last state, `(3, H, W)` each: of samples, or of levels."""
        return self.sheet().rows[-1] if self.levels else list(self.pictures()[-1])

    def sheet(self) -> Sheet:
        """Return all states on one sheet."""
        if self.levels:
            return levels_sheet(self.states, self.pictures())
        return strip(self.pictures(), self.words)

    def frames(self, scale: int | None, columns: int | None) -> Iterator[Image.Image]:
        """Yield one sheet for each state."""
        if self.levels:
            sheet = self.sheet()
            yield from (sheet.only(row).image(scale) for row in range(len(sheet.rows)))
            return
        for picture, word in zip(self.pictures(), self.words, strict=True):
            yield crowd(picture, word, columns).image(scale)


def _demand_colours() -> None:
    if reason := why_no_picture(stdout):
        raise NCAError(
            f"nothing can be drawn here: {reason}.",
            where="--out -",
            to_do="run it in a terminal with colours, or write a file: --out picture.png",
        )


def _stage(size: str | None) -> Size | None:
    if size is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", size, re.ASCII):
        raise typer.BadParameter("give height and width in cells: 128x512", param_hint="--size")
    return tuple(int(side) for side in size.split("x"))


def _numbers(channels: str) -> list[int]:
    words = [word.strip() for word in channels.split(",")]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise typer.BadParameter("give one channel, or three: 0,1,2", param_hint="--channels")
    return [int(word) for word in words]

"""Options of `nca render` that go together, or that have nothing to say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from nca.cli.console import say
from nca.errors import NCAError
from nca.render.animation import demand_encoder, is_animation, omission
from nca.render.sheet import demand_format

TERMINAL = Path("-")


@dataclass(frozen=True)
class RenderOptions:
    """What was given on the command line; None: it was not."""

    out: Path
    levels: bool
    steps: int
    every: int | None
    samples: int | None
    columns: int | None
    size: str | None
    seeds: int
    scale: int | None
    rate: float | None

    @property
    def moving(self) -> bool:
        """Whether a film is asked for."""
        return is_animation(self.out)

    def say_what_is_ignored(self) -> None:
        """Say of each option that changes nothing why it does not."""
        still = self.out == TERMINAL or not self.moving
        reasons = {
            "--columns": self.columns and (still or self.levels) and "it is for films of samples",
            "--seeds": self.seeds > 1 and not self.size and "it needs a stage: --size HxW",
            "--samples": (self.samples or 1) > 1
            and self.levels
            and "levels are shown of the first sample alone",
            "--scale": self.scale and self.out == TERMINAL and "a terminal has its own",
            "--rate": self.rate and still and "it is for films",
            "--every": (self.every or 0) > self.steps
            and f"there are {self.steps} steps: the first state and the last are shown",
        }
        for option, reason in reasons.items():
            if reason:
                say(f"note: {option} changes nothing: {reason}")


def demand_encoding(out: Path, rate: float) -> None:
    """Refuse a file whose ending could not be written, before there is anything to write.

    Raises:
        NCAError: Its ending names no format that can be written here.
    """
    if is_animation(out):
        demand_encoder(out.name, rate)
        if said := omission(out.name, rate):
            say(said)
    else:
        demand_format(out)


def check_film(
    frames: Path | None, steps_per_frame: int | None, given: Mapping[str, object]
) -> None:
    """Refuse options that a film of its own leaves no room for.

    Raises:
        typer.BadParameter: There is one.
    """
    strange = [name for name, value in given.items() if value]
    if frames and strange:
        raise typer.BadParameter(
            f"a film has its own course: leave out {' and '.join(strange)}", param_hint="--frames"
        )
    if steps_per_frame and not frames:
        raise typer.BadParameter("it needs a film: --frames FILM", param_hint="--steps-per-frame")


def check_alone(option: str, value: object, given: Mapping[str, object]) -> None:
    """Refuse options that leave no room for another one.

    Raises:
        typer.BadParameter: There is one.
    """
    strange = [name for name, other in given.items() if value and other]
    if strange:
        raise typer.BadParameter(f"leave out {' and '.join(strange)}", param_hint=option)


def demand_colours() -> None:
    """Refuse to draw in a terminal that cannot.

    Raises:
        NCAError: It cannot.
    """
    from nca.cli.console import out as stdout
    from nca.render.terminal import why_no_picture

    if reason := why_no_picture(stdout):
        raise NCAError(
            f"nothing can be drawn here: {reason}.",
            where="--out -",
            to_do="run it in a terminal with colours, or write a file: --out picture.png",
        )

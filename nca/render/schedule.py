"""Set first states on a stage of any size, and let things happen to them at given steps.

A schedule is what render shows: damage at this step, a turn of the perception at that one.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nca.checkpoint.trained import Trained
from nca.engine.layout import Layout
from nca.engine.resample import on_grid
from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.errors import NCAError, ShapeError
from nca.tasks.damage import Damage
from nca.types import Size

TURNS = 360_000.0
"""Degrees of a turn at most; beyond, an angle in float32 says nothing any more."""


@dataclass(frozen=True)
class ScheduledEvent:
    """Something that happens once a step has been taken.

    Attributes:
        step: After so many steps.
        happens: What it does to the state.
    """

    step: int
    happens: Callable[[State], State]


def damage_at(text: str, trained: Trained) -> ScheduledEvent:
    """Return the damage that `STEP:SHAPE:SIZE` or `STEP:SHAPE:SIZE:PLACE` asks for.

    Raises:
        NCAError: It is written otherwise.
    """
    step, rest = _step(text, "--damage", "60:disc:0.2, 60:half:0.5:left or 60:scatter:0.3")
    damage = Damage.parse(rest)

    def hurt(state: State) -> State:
        source = CellRNG(state.random_seed, state.step, state.samples)
        return damage.hurt(state, source, trained.automaton.writable_levels)

    return ScheduledEvent(step, hurt)


def turn_at(text: str, trained: Trained) -> ScheduledEvent:
    """Return the turn of perception that `STEP:DEGREES` asks for; it lasts until the next.

    Raises:
        NCAError: It is written otherwise, or no rule can turn.
    """
    step, rest = _step(text, "--turn", "60:45")
    rules: list[Any] = [
        rule
        for name in trained.automaton.writable_levels
        for rule in trained.automaton.rules_of(name)
        if hasattr(rule, "angle")
    ]
    try:
        degrees = float(rest)
    except ValueError:
        degrees = math.nan
    if not abs(degrees) <= TURNS:
        raise _refused(text, "--turn", "60:45")
    if not rules:
        raise NCAError(
            "none of the rules has an angle to turn its perception by.",
            where=f"--turn {text}",
            to_do="turn an automaton whose rule has the option `angle`",
        )

    def turn(state: State) -> State:
        for rule in rules:
            rule.angle = degrees * torch.pi / 180
        return state

    return ScheduledEvent(step, turn)


def rollout_with_events(
    trained: Trained, state: State, steps: int, every: int, events: Iterable[ScheduledEvent] = ()
) -> Iterator[State]:
    """Yield the first state, every so many steps another, and the last; events have happened.

    Args:
        trained: Whose automaton lets time pass.
        state: The first state.
        steps: How many in all.
        every: Steps between two states.
        events: What happens, and when; later ones of one step come after earlier ones.

    Raises:
        NCAError: An event that lies beyond the last step.
    """
    events = list(events)
    late = [event.step for event in events if event.step > steps]
    if late:
        raise NCAError(
            f"something is to happen at step {max(late)}, but the last step is {steps}.",
            where="--damage, --turn",
            to_do=f"run longer: --steps {max(late)}",
        )
    shown = {*range(0, steps, every), steps}
    taken = 0
    for stop in sorted(shown | {event.step for event in events}):
        with trained.recipe.autocast(trained.device):
            state = trained.automaton.rollout(state, stop - taken)
        taken = stop
        for event in events:
            if event.step == stop:
                state = event.happens(state)
        if stop in shown:
            yield state


def place_seeds(trained: Trained, state: State, size: Size, seeds: int) -> State:
    """Return one sample of another size, with what first states hold at random places.

    Args:
        trained: Whose levels they are; none may hold an input.
        state: First states; they are taken in turn.
        size: Of the stage.
        seeds: How many to place; where they overlap, the later one lies above.

    Raises:
        ShapeError: An input level, more axes or cells than the stage has, or a stage that the
            coarsest cells do not divide.
    """
    layout = trained.automaton.layout
    patch, coarsest = _held(state, layout), layout.coarsest
    sides = [part.stop - part.start for part in patch]
    fits = len(size) == state.axes and all(a <= b for a, b in zip(sides, size, strict=True))
    if any(level.input for level in layout.values()) or not fits:
        raise ShapeError(
            f"first states of {sides} cells cannot be set on a stage of {list(size)}.",
            where=f"--size, {trained.path}",
            to_do="use an automaton that grows without input, and a stage that is large enough; "
            "where a task can, --set grid.size=[H,W] changes its own grid",
        )
    sizes = layout.sizes(size)
    source = CellRNG(state.random_seed, 0, state.samples[:1])
    places = source.each("stage", seeds * len(size)).view(seeds, len(size))
    levels = {name: torch.zeros_like(state[name][:1, :, *[slice(1)] * len(size)]) for name in state}
    levels = {name: one.repeat(1, 1, *sizes[name]) for name, one in levels.items()}
    for number, place in enumerate(places):
        at = [int(part * side) for part, side in zip(place.tolist(), size, strict=True)]
        sample = number % state.batch
        for name, level in layout.items():
            own = [slice(box.start // level.scale, box.stop // level.scale) for box in patch]
            by = [start // coarsest * coarsest // level.scale for start in at]
            _put(levels[name], state[name][sample : sample + 1][:, :, *own], by)
    return State(levels, random_seed=state.random_seed, samples=state.samples[:1])


def _held(state: State, layout: Layout) -> list[slice]:
    """Return the smallest box of whole cells of all levels that holds all that is not empty."""
    coarsest = layout.coarsest
    full = [on_grid(t.ne(0).any(1, True), layout[name].scale) for name, t in state.items()]
    held = torch.stack([level.flatten(0, 1).any(dim=0) for level in full]).any(0)
    places = held.nonzero() // coarsest
    if not len(places):
        return [slice(0, coarsest)] * state.axes
    return [
        slice(int(low) * coarsest, (int(high) + 1) * coarsest)
        for low, high in zip(places.amin(0), places.amax(0), strict=True)
    ]


def _put(level: Tensor, patch: Tensor, at: Sequence[int]) -> None:
    axes = tuple(range(-len(at), 0))
    moved = level.roll([-by for by in at], axes)
    corner = moved[:, :, *[slice(side) for side in patch.shape[2:]]]
    corner.copy_(torch.where(patch != 0, patch, corner))
    level.copy_(moved.roll(list(at), axes))


def _step(text: str, option: str, sample: str) -> tuple[int, str]:
    step, colon, rest = text.partition(":")
    if not (step.isascii() and step.isdigit() and len(step) < 10 and colon):
        raise _refused(text, option, sample)
    return int(step), rest


def _refused(text: str, option: str, sample: str) -> NCAError:
    return NCAError(
        f"{text!r} does not say what happens when.",
        where=option,
        to_do=f"write it like {sample}",
    )

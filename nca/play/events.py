"""What a person does to an automaton, as numbers that can be done again.

Every kind of event is a class; its `kind` is its name in a saved history. Events come from files
and pages, so that every number is bounded, and nothing of them is executed.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict, ValidationError

from nca.engine.rng import CellRNG
from nca.errors import NCAError, ShapeError
from nca.jsonl import dumps
from nca.play.brush import touched
from nca.play.controls import Value
from nca.play.model import MOST_SAMPLES, PlayedModel, PlayStart
from nca.play.snapshot import Snapshot
from nca.render.upload import decoded
from nca.tasks import damage
from nca.tasks.batch import Batch
from nca.tasks.pool import swap_inputs
from nca.types import Name, Natural

MOST_STEPS = 10_000_000
MOST_POINTS = 2048
MOST_TEXT = 400_000

Place = Annotated[float, Ge(-1e4), Le(1e4)]
Point = Annotated[tuple[Place, ...], Len(1, 3)]
Points = Annotated[tuple[Point, ...], Len(1, MOST_POINTS)]
Radius = Annotated[float, Ge(0), Le(512)]
Number = Annotated[float, Ge(-1e6), Le(1e6)]
Step = Annotated[int, Ge(0), Le(MOST_STEPS)]
Sample = Annotated[int, Ge(0), Le(MOST_SAMPLES)]

KINDS: dict[str, type["Event"]] = {}


class Event(BaseModel, ABC):
    """Something done at a step, before the next one begins."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    step: Step

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Enter the kind, so that it can be found by name."""
        KINDS[cls.model_fields["kind"].default] = cls

    @abstractmethod
    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Return the moment after it was done.

        Raises:
            NCAError: It cannot be done to this subject.
        """


def parse_event(given: Any) -> Event:
    """Return an event from what a file or a page says.

    Raises:
        NCAError: It is none, or a number of it is out of range.
    """
    kind = given.get("kind") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise NCAError(
            f"there is no event of kind {str(kind)[:40]!r}.",
            where="a history, or a message of the page",
            to_do=f"choose among {', '.join(sorted(KINDS))}",
        )
    try:
        return KINDS[kind].model_validate_json(dumps(given))
    except ValidationError as error:
        first = error.errors()[0]
        raise NCAError(
            f"an event of kind {kind!r} has a fault: {first['msg']}.",
            where=f"{'.'.join(map(str, first['loc'])) or kind}, at step {given.get('step')!r}",
            to_do="correct it, or leave the event out",
        ) from None


class Paint(Event):
    """Let cells under a brush hold a number, in some channels of a level."""

    kind: Literal["paint"] = "paint"
    level: Name
    channels: Annotated[tuple[Natural, ...], Len(0, 4096)] = ()
    value: Number
    radius: Radius
    points: Points

    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Paint; no channels mean all of them."""
        level = subject.automaton.layout[self.level]
        if any(channel >= level.channels for channel in self.channels):
            raise ShapeError(
                f"level {self.level!r} has no channel {max(self.channels)}.",
                where=f"a stroke at step {self.step}",
                to_do=f"choose channels from 0 to {level.channels - 1}",
            )
        cover = _cover(self.points, self.radius, moment, subject, self.level) > 0.5
        painted = moment.state[self.level].clone()
        for channel in self.channels or range(level.channels):
            painted[0, channel][cover] = self.value
        return moment.with_state(moment.state.replace({self.level: painted}))


class Erase(Event):
    """Empty the cells under a brush, on every level but the input."""

    kind: Literal["erase"] = "erase"
    radius: Radius
    points: Points

    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Erase."""
        levels = {}
        for name in subject.automaton.writable_levels:
            cover = _cover(self.points, self.radius, moment, subject, name) > 0.5
            levels[name] = moment.state[name].masked_fill(cover, 0)
        return moment.with_state(moment.state.replace(levels))


class Ink(Event):
    """Draw with light or dark on the task's picture, finer than cells where it has pixels."""

    kind: Literal["ink"] = "ink"
    value: Annotated[float, Ge(0), Le(1)]
    radius: Radius
    points: Points

    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Draw; the cells carry on or begin anew, as in training."""
        task = _task_with(subject, "input")
        _check_axes(self.points, subject)
        fine = [have / want for have, want in zip(task.canvas, subject.size, strict=True)]
        scaled = [[at * by for at, by in zip(p, fine, strict=True)] for p in self.points]
        topology = subject.turned(moment).topology
        cover = touched(scaled, self.radius * fine[0], task.canvas, topology)
        picture = torch.cat([torch.full((3, *task.canvas), self.value), cover.unsqueeze(0)])
        return _written(moment, subject, picture, "input")


class Drop(Event):
    """Lay a picture over everything: as input, start or target, whatever the task takes."""

    kind: Literal["drop"] = "drop"
    role: Name
    png: Annotated[str, Len(1, MOST_TEXT)]

    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Lay it over."""
        task = _task_with(subject, self.role)
        return _written(moment, subject, decoded(self.png, task.canvas), self.role)


class Plant(Event):
    """Put a seed into a cell."""

    kind: Literal["plant"] = "plant"
    points: Annotated[tuple[Point, ...], Len(1, 64)]

    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Plant one at every point."""
        batch = moment.batch
        for point in self.points:
            _check_axes([point], subject)
            cell = tuple(int(at // 1) % side for at, side in zip(point, subject.size, strict=True))
            if subject.task is not None:
                batch = subject.task.add_seed(batch, cell)
                continue
            levels = {n: batch.state[n].clone() for n in subject.automaton.writable_levels}
            for level in levels.values():
                level[(slice(None), slice(None), *cell)] = 1
            batch = Batch(batch.state.replace(levels), batch.truth)
        return replace(moment, batch=batch)


class DamageEvent(Event):
    """Empty a disc drawn by chance, as training does."""

    kind: Literal["damage"] = "damage"

    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Cut."""
        state = moment.state
        source = CellRNG(state.random_seed, state.step, state.samples)
        return moment.with_state(damage.disc(state, source, subject.automaton.writable_levels))


class Exchange(Event):
    """Lay another sample's input under the cells, which carry on or begin anew, as in training."""

    kind: Literal["exchange"] = "exchange"
    sample: Sample

    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Exchange input and truth."""
        fresh = subject.first(PlayStart(sample=self.sample), moment.state.random_seed)
        if subject.input_change == "begin anew":
            return replace(fresh, knobs=moment.knobs, begun=moment.step)
        batch = swap_inputs(moment.batch, fresh.batch, subject.turned(moment))
        return replace(moment, batch=batch, first=fresh.first)


class Turn(Event):
    """Turn a knob."""

    kind: Literal["turn"] = "turn"
    knob: Name
    value: Value

    def apply(self, moment: Snapshot, subject: PlayedModel) -> Snapshot:
        """Turn it; where the recipe put it, it counts as not turned."""
        if self.knob not in subject.knobs:
            raise ShapeError(
                f"there is no knob {self.knob!r}.",
                where=f"an event at step {self.step}",
                to_do=f"choose among {', '.join(subject.knobs)}",
            )
        knob = subject.knobs[self.knob]
        knobs = {name: value for name, value in moment.knobs.items() if name != self.knob}
        if self.value != knob.value:
            knobs[self.knob] = knob.check(self.knob, self.value)
        return replace(moment, knobs=knobs)


def _written(moment: Snapshot, subject: PlayedModel, picture: torch.Tensor, role: str) -> Snapshot:
    assert subject.task is not None
    batch = subject.task.apply_picture(moment.batch, picture.to(subject.device), role)
    after = replace(moment, batch=batch)
    return _carried_on(moment, after, subject) if role == "input" else after


def _carried_on(before: Snapshot, after: Snapshot, subject: PlayedModel) -> Snapshot:
    """Return what the cells make of a changed input: what they did in training.

    Where nothing is drawn, or nothing was drawn before, they begin anew in any case.
    """
    blank = subject.is_blank(before.state) or subject.is_blank(after.state)
    if blank or subject.input_change == "begin anew":
        return after.begin_anew(subject.automaton.writable_levels)
    return after.with_state(subject.turned(before).clear_dead(after.state))


def _task_with(subject: PlayedModel, role: str) -> Any:
    if subject.task is None or role not in subject.task.roles:
        roles = subject.task.roles if subject.task else ()
        raise ShapeError(
            f"nothing here takes a picture as {role!r}.",
            where=f"{subject.name} takes pictures as: {', '.join(roles) or 'nothing'}",
            to_do="paint on a level instead",
        )
    return subject.task


def _cover(
    points: Points, radius: float, moment: Snapshot, subject: PlayedModel, level: str
) -> torch.Tensor:
    _check_axes(points, subject)
    topology = subject.turned(moment).topology
    size = moment.state.size(level)
    return touched(points, radius, size, topology).to(subject.device)


def _check_axes(points: Points | list[Point], subject: PlayedModel) -> None:
    strange = [point for point in points if len(point) != len(subject.size)]
    if strange:
        raise ShapeError(
            f"a point has {len(strange[0])} numbers, but the grid {len(subject.size)} axes.",
            where="a stroke",
            to_do="give one place for each axis",
        )

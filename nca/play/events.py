"""Events: what a person does to an automaton, as numbers that can be replayed.

Every kind of event is a class; its `kind` is its name in a saved history. Events come from files
and pages, so that every number is bounded, and nothing of them is executed.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict, ValidationError

from nca.engine.rng import CellRNG
from nca.errors import NCAError, ShapeError
from nca.jsonl import dumps
from nca.play import brush
from nca.play import picture as png
from nca.play.controls import Value
from nca.play.model import MOST_SAMPLES, PlayedModel, PlayStart
from nca.play.snapshot import Snapshot
from nca.tasks import damage
from nca.tasks.batch import Batch
from nca.tasks.pool import swap_inputs
from nca.types import Name, Natural, Size

MOST_STEPS = 10_000_000
MOST_POINTS = 2048
MOST_TEXT = 400_000
MOST_PATTERN = 4_000_000
"""Letters of a pattern's text."""

PER_LETTER = 20
"""Reading a letter takes as long as unpacking so many pixels."""

Place = Annotated[float, Ge(-1e4), Le(1e4)]
Point = Annotated[tuple[Place, ...], Len(1, 3)]
Points = Annotated[tuple[Point, ...], Len(1, MOST_POINTS)]
Radius = Annotated[float, Ge(0), Le(512)]
Number = Annotated[float, Ge(-1e6), Le(1e6)]
Step = Annotated[int, Ge(0), Le(MOST_STEPS)]
Sample = Annotated[int, Ge(0), Le(MOST_SAMPLES)]

KINDS: dict[str, type["Event"]] = {}


class Event(BaseModel, ABC):
    """A change made at a step, before the next one begins."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    step: Step

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Enter the kind, so that it can be found by name."""
        if "kind" in cls.model_fields:
            KINDS[cls.model_fields["kind"].default] = cls

    def check(self, model: PlayedModel) -> None:
        """Refuse what cannot be done to a model, without doing it.

        Raises:
            NCAError: It does not apply to this model.
        """

    def work(self, model: PlayedModel) -> int:
        """Return about how many numbers are looked at to apply it."""
        return model.numbers

    @property
    def pixels(self) -> int:
        """How many pixels of a picture it has to unpack."""
        return 0

    @abstractmethod
    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Return the snapshot after the event.

        Raises:
            NCAError: It does not apply to this model.
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


class Stroke(Event, ABC):
    """What a brush does along a line; points and radius are in cells of the grid."""

    radius: Radius
    points: Points

    def check(self, model: PlayedModel) -> None:
        """Refuse points that do not lie on the grid."""
        _check_axes(self.points, model)

    def work(self, model: PlayedModel) -> int:
        """Return about how many numbers are looked at to apply it."""
        covers = len(model.automaton.writable_levels)
        return model.numbers + covers * brush.work(self.points, self.radius, model.size)


class Paint(Stroke):
    """Let cells under a brush hold a number, in some channels of a level.

    On a coarse level the brush is at least as wide as a cell.
    """

    kind: Literal["paint"] = "paint"
    level: Name
    channels: Annotated[tuple[Natural, ...], Len(0, 4096)] = ()
    value: Number

    def check(self, model: PlayedModel) -> None:
        """Refuse unknown levels and channels."""
        super().check(model)
        level = model.automaton.layout[self.level]
        if any(channel >= level.channels for channel in self.channels):
            raise ShapeError(
                f"level {self.level!r} has no channel {max(self.channels)}.",
                where=f"a stroke at step {self.step}",
                to_do=f"choose channels from 0 to {level.channels - 1}",
            )

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Paint; no channels mean all of them."""
        level = model.automaton.layout[self.level]
        radius = max(self.radius, level.scale / 2) if level.scale > 1 else self.radius
        cover = _cover(self.points, radius, snapshot, model, self.level) > 0.5
        painted = snapshot.state[self.level].clone()
        for channel in self.channels or range(level.channels):
            painted[0, channel][cover] = self.value
        return snapshot.with_state(snapshot.state.replace({self.level: painted}))


class Erase(Stroke):
    """Empty the cells under a brush, on every level but the input."""

    kind: Literal["erase"] = "erase"

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Erase."""
        levels = {}
        for name in model.automaton.writable_levels:
            cover = _cover(self.points, self.radius, snapshot, model, name) > 0.5
            levels[name] = snapshot.state[name].masked_fill(cover, 0)
        return snapshot.with_state(snapshot.state.replace(levels))


class Ink(Stroke):
    """Draw with light or dark on the task's picture, finer than cells where it has pixels."""

    kind: Literal["ink"] = "ink"
    value: Annotated[float, Ge(0), Le(1)]

    def check(self, model: PlayedModel) -> None:
        """Refuse it where nothing takes an input."""
        _task_with(model, "input")
        super().check(model)

    def work(self, model: PlayedModel) -> int:
        """Return about how many numbers are looked at to apply it."""
        points, radius, canvas = self._on_canvas(model)
        return model.numbers + brush.work(points, radius, canvas)

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Draw; the cells carry on or begin anew, as in training."""
        task = _task_with(model, "input")
        cover = brush.touched(*self._on_canvas(model), model.turned(snapshot).topology)
        picture = torch.cat([torch.full((3, *task.canvas), self.value), cover.unsqueeze(0)])
        return _written(snapshot, model, picture, "input")

    def _on_canvas(self, model: PlayedModel) -> tuple[list[list[float]], float, Size]:
        """Return points and radius in pixels of the task's picture, and its size."""
        canvas = _task_with(model, "input").canvas
        fine = [have / want for have, want in zip(canvas, model.size, strict=True)]
        points = [[at * by for at, by in zip(p, fine, strict=True)] for p in self.points]
        return points, self.radius * fine[0], canvas


class Drop(Event):
    """Lay a picture over everything: as input, start or target, whatever the task takes."""

    kind: Literal["drop"] = "drop"
    role: Name
    png: Annotated[str, Len(1, MOST_TEXT)]

    def check(self, model: PlayedModel) -> None:
        """Refuse what is no picture, and one that nothing takes."""
        png.picture(self.png, _task_with(model, self.role).canvas)

    @property
    def pixels(self) -> int:
        """How many pixels of a picture it has to unpack."""
        return png.pixels(self.png)

    def work(self, model: PlayedModel) -> int:
        """Return about how many numbers are looked at to apply it."""
        return model.numbers + 4 * self.pixels

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Lay it over."""
        task = _task_with(model, self.role)
        return _written(snapshot, model, png.picture(self.png, task.canvas), self.role)


class LayPattern(Event):
    """Lay a pattern on the level that is shown; what is there in its box is replaced."""

    kind: Literal["pattern"] = "pattern"
    text: Annotated[str, Len(1, MOST_PATTERN)]
    point: Point

    def check(self, model: PlayedModel) -> None:
        """Refuse what is no pattern of this model, and a point that does not lie on the grid."""
        _check_axes((self.point,), model)
        model.pattern(self.text)

    @property
    def pixels(self) -> int:
        """How much there is to read, as pixels of a picture would take."""
        return PER_LETTER * len(self.text)

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Lay its middle on the point; on a torus it reaches over the edge."""
        pattern = model.pattern(self.text)
        name = model.shown_level
        size = snapshot.state.size(name)
        boundaries = model.turned(snapshot).topology.of(len(size))
        scale = model.automaton.layout[name].scale
        level = snapshot.state[name].clone()
        to, taken = [], []
        for at, have, side, boundary in zip(
            self.point, pattern.shape[1:], size, boundaries, strict=True
        ):
            cells = torch.arange(have) + (math.floor(at / scale) - have // 2)
            inside = torch.ones_like(cells, dtype=torch.bool)
            if boundary != "torus":
                inside = (cells >= 0) & (cells < side)
            to.append(cells[inside] % side)
            taken.append(inside.nonzero().squeeze(1))
        channels = torch.arange(len(pattern))
        laid = pattern[torch.meshgrid(channels, *taken, indexing="ij")]
        level[0][torch.meshgrid(channels, *to, indexing="ij")] = laid.to(level.dtype)
        return snapshot.with_state(snapshot.state.replace({name: level}))


class Plant(Event):
    """Put a seed into a cell."""

    kind: Literal["plant"] = "plant"
    points: Annotated[tuple[Point, ...], Len(1, 64)]

    def check(self, model: PlayedModel) -> None:
        """Refuse points that do not lie on the grid."""
        _check_axes(self.points, model)

    def work(self, model: PlayedModel) -> int:
        """Return about how many numbers are looked at to apply it."""
        return model.numbers * len(self.points)

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Plant one at every point."""
        batch = snapshot.batch
        for point in self.points:
            cell = tuple(int(at // 1) % side for at, side in zip(point, model.size, strict=True))
            if model.task is not None:
                batch = model.task.add_seed(batch, cell)
                continue
            levels = {n: batch.state[n].clone() for n in model.automaton.writable_levels}
            for name, level in levels.items():
                scale = model.automaton.layout[name].scale
                level[(slice(None), slice(None), *(at // scale for at in cell))] = 1
            batch = Batch(batch.state.replace(levels), batch.truth)
        return replace(snapshot, batch=batch)


class DamageEvent(Event):
    """Empty a disc drawn by chance, as training does."""

    kind: Literal["damage"] = "damage"

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Cut."""
        state = snapshot.state
        source = CellRNG(state.random_seed, state.step, state.samples)
        return snapshot.with_state(damage.disc(state, source, model.automaton.writable_levels))


class Exchange(Event):
    """Lay another sample's input under the cells, which carry on or begin anew, as in training."""

    kind: Literal["exchange"] = "exchange"
    sample: Sample

    def check(self, model: PlayedModel) -> None:
        """Refuse a sample that the task does not have."""
        model.check_sample(self.sample)

    def work(self, model: PlayedModel) -> int:
        """Return about how many numbers are looked at to apply it: samples come in order."""
        return model.numbers * (self.sample + 1)

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Exchange input and truth."""
        fresh = model.first(PlayStart(sample=self.sample), snapshot.state.random_seed)
        if model.input_change == "begin anew":
            return replace(fresh, controls=snapshot.controls, begun=snapshot.step)
        batch = swap_inputs(snapshot.batch, fresh.batch, model.turned(snapshot))
        return replace(snapshot, batch=batch, first=fresh.first)


class Turn(Event):
    """Set a control."""

    kind: Literal["turn"] = "turn"
    knob: Name
    value: Value

    def check(self, model: PlayedModel) -> None:
        """Refuse unknown controls, and values that they cannot take."""
        if self.knob not in model.controls:
            raise ShapeError(
                f"there is no control {self.knob!r}.",
                where=f"an event at step {self.step}",
                to_do=f"choose among {', '.join(model.controls)}",
            )
        model.controls[self.knob].check(self.knob, self.value)

    def apply(self, snapshot: Snapshot, model: PlayedModel) -> Snapshot:
        """Set it; at the value of the recipe it counts as unchanged."""
        control = model.controls[self.knob]
        controls = {name: value for name, value in snapshot.controls.items() if name != self.knob}
        if self.value != control.value:
            controls[self.knob] = control.check(self.knob, self.value)
        return replace(snapshot, controls=controls)


def _written(snapshot: Snapshot, model: PlayedModel, picture: torch.Tensor, role: str) -> Snapshot:
    assert model.task is not None
    batch = model.task.apply_picture(snapshot.batch, picture.to(model.device), role)
    after = replace(snapshot, batch=batch)
    return _carried_on(snapshot, after, model) if role == "input" else after


def _carried_on(before: Snapshot, after: Snapshot, model: PlayedModel) -> Snapshot:
    """Return what the cells make of a changed input: what they did in training.

    Where nothing is drawn, or nothing was drawn before, they begin anew in any case.
    """
    blank = model.is_blank(before.state) or model.is_blank(after.state)
    if blank or model.input_change == "begin anew":
        return after.begin_anew(model.automaton.writable_levels)
    return after.with_state(model.turned(before).clear_dead(after.state))


def _task_with(model: PlayedModel, role: str) -> Any:
    if model.task is None or role not in model.task.roles:
        roles = model.task.roles if model.task else ()
        raise ShapeError(
            f"nothing here takes a picture as {role!r}.",
            where=f"{model.name} takes pictures as: {', '.join(roles) or 'nothing'}",
            to_do="paint on a level instead",
        )
    return model.task


def _cover(
    points: Points, radius: float, snapshot: Snapshot, model: PlayedModel, level: str
) -> torch.Tensor:
    """Return how much of each cell of a level a stroke covers; see `brush.touched`."""
    topology, scale = model.turned(snapshot).topology, model.automaton.layout[level].scale
    size = snapshot.state.size(level)
    own = [[at / scale for at in point] for point in points]
    return brush.touched(own, radius / scale, size, topology).to(model.device)


def _check_axes(points: Points, model: PlayedModel) -> None:
    strange = [point for point in points if len(point) != len(model.size)]
    if strange:
        raise ShapeError(
            f"a point has {len(strange[0])} numbers, but the grid {len(model.size)} axes.",
            where="a stroke",
            to_do="give one place for each axis",
        )

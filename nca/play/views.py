"""What there is to see of a snapshot: each view is a named thing that draws panes.

A grid of two axes is shown as it is, one of three as a slice, and one of one axis as a picture
whose rows are the last snapshots, the latest at the bottom.

Legend: B sample, C channel, H height, W width of what is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from nca import analysis
from nca.engine.resample import on_grid
from nca.engine.run_discrete import state_of
from nca.engine.state import State
from nca.errors import NCAError
from nca.play.model import PlayedModel
from nca.play.snapshot import Snapshot
from nca.render.outlines import outlined
from nca.render.palettes import (
    DIVERGING,
    SEQUENTIAL,
    ceiling,
    colour_map,
    map_colours,
    paint,
    ramp,
)
from nca.render.pca import SteadyColours
from nca.render.sheet import level_picture
from nca.tasks.batch import Batch
from nca.tasks.display import MappedColours, StateColours
from nca.types import Natural

ROWS = 160
"""So many snapshots of a grid of one axis are shown."""

LEAST_FOR_COLOURS = 3
FLAT = 1e-3
"""A mean over channels that varies less than this, relative to them, would show nothing."""

GREY = torch.tensor([[0, 0, 0], [255, 255, 255]])
GRAYS, CYCLIC = "gray", "twilight"
"""Colour maps that are turned so that their low end is where the page's ground is."""

OUTLINE_SIDE = 480
"""Islands are outlined on a picture about this wide."""

Arrangement = Literal["row", "stack"]
Word = Annotated[str, Len(0, 80)]
"""The name of a view or a level."""


class ViewRequest(BaseModel):
    """What a page asks to see.

    Attributes:
        view: The name of the view.
        level: Of which level, where the view shows one; the top level unless named.
        channel: Which of its channels.
        slice: Where a grid of three axes is cut, along the first one.
        threshold: Least cosine of neighbours of one island.
        colours: The colour map for numbers; none: the view's own.
        dark: Whether the page is dark.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    view: Word = "picture"
    level: Word = ""
    channel: Natural = 0
    slice: Natural = 0
    threshold: Annotated[float, Ge(-1), Le(1)] = 0.9
    colours: Word = ""
    dark: bool = False


@dataclass
class ViewInput:
    """What a view may draw from.

    Attributes:
        model: What is played.
        snapshots: The snapshot to show; of a grid of one axis the last ones, oldest first.
        previous: One step before the last, if it is at hand.
        look: What is asked for.
        bases: The colours of each level, carried from snapshot to snapshot.
        fits: Whether colours may follow these snapshots.
    """

    model: PlayedModel
    snapshots: Sequence[Snapshot]
    previous: Snapshot | None
    look: ViewRequest
    bases: dict[str, SteadyColours] = field(default_factory=dict)
    fits: bool = True

    @property
    def state(self) -> State:
        """The snapshots as samples of one state."""
        states = [self.model.turned(m).finish(m.state) for m in self.snapshots]
        return State.cat([s.replace(remembered=()) for s in states])

    @property
    def batch(self) -> Batch:
        """The last snapshot with its truth."""
        last = self.snapshots[-1]
        return Batch(self.model.turned(last).finish(last.state), last.batch.truth)

    @property
    def level(self) -> str:
        """The level that is asked for.

        Raises:
            NCAError: There is none of that name.
        """
        names = list(self.model.automaton.layout)
        name = self.look.level or names[-1]
        if name not in names:
            raise NCAError(
                f"there is no level {name!r} to see.",
                where=f"levels: {', '.join(names)}",
                to_do="choose one of these",
            )
        return name

    def plane(self, tensor: Tensor) -> Tensor:
        """Return `(B, C, *space)` as it is shown, `(C, H, W)`."""
        match tensor.ndim - 2:
            case 1:
                shown = tensor.movedim(0, 1)  # (C, step, W)
                missing = ROWS - shown.shape[1]
                if missing > 0:
                    empty = shown.new_full((len(shown), missing, shown.shape[2]), 1.0)
                    shown = torch.cat([empty, shown], dim=1)
                return shown
            case 2:
                return tensor[-1]
            case _:
                depth = self.look.slice * tensor.shape[2] // self.model.size[0]
                return tensor[-1][:, min(depth, tensor.shape[2] - 1)]

    def coloured(self, name: str) -> Tensor:
        """Return a level in the colours of its components, `(3, H, W)`.

        It is grey where it has few channels, or holds an input that grey can show.
        """
        level = self.state[name].detach().float().cpu()
        holding = self.model.holdings[name]
        if holding.states > 2 or holding.colours is not None:
            held = state_of(level[:, holding.channel], holding.states).long()
            return self.plane(paint(held, holding.painted(self.look.dark)))
        mean = level.mean(dim=1, keepdim=True)
        varies = mean.std(correction=0) > FLAT * level.std(correction=0)
        pictured = self.model.automaton.layout[name].input and varies
        if level.shape[1] < LEAST_FOR_COLOURS or pictured:
            grey = self.plane(level_picture([mean])[0])
            return self.ramped(grey[0], GREY) if self.look.colours else grey
        basis = self.bases.setdefault(name, SteadyColours())
        if self.fits:
            basis.fit(level)
        return self.plane(basis.colours(level).float())

    def mapped(self, look: MappedColours) -> Tensor:
        """Return the numbers of a channel in the colours asked for, or the task's own."""
        values = self.plane(self.state[look.level].detach().float().cpu())[look.channel]
        if self.look.colours:
            share = (values - look.low) / (look.high - look.low)
            return self.ramped(share, SEQUENTIAL)
        table = colour_map(look.colour_map)
        return map_colours(values.unsqueeze(0), table, look.low, look.high)[0]

    def ramped(self, values: Tensor, stops: Tensor) -> Tensor:
        """Return values from 0 to 1, `(H, W)`, in the colours asked for, or between stops."""
        name = self.look.colours
        if not name:
            return ramp(values, stops)
        table = colour_map(name)
        if name == CYCLIC and self.look.dark:  # its ends are where the page's ground is
            table = table.roll(len(table) // 2, 0)
        elif name == GRAYS and not self.look.dark:
            table = table.flip(0)
        return map_colours(values.unsqueeze(0), table, 0.0, 1.0)[0]


@dataclass(frozen=True)
class Pane:
    """One picture with its title, `(3, H, W)`, from 0 to 1."""

    title: str
    picture: Tensor


@dataclass(frozen=True)
class ViewKind:
    """One way to look at a snapshot.

    Attributes:
        words: What a person calls it.
        draw: Returns its panes.
        asks: What of a `ViewRequest` it depends on, beside the slice.
        there: Whether a model has what it shows.
        arrangement: How its panes lie.
    """

    words: str
    draw: Callable[[ViewInput], list[Pane]]
    asks: tuple[str, ...] = ()
    there: Callable[[PlayedModel], bool] = lambda _: True
    arrangement: Arrangement = "row"


VIEWS: dict[str, ViewKind] = {}


def asked_of(view: ViewKind, model: PlayedModel) -> tuple[str, ...]:
    """Return what of a `ViewRequest` a view of a model depends on, beside the slice."""
    if "colours" in view.asks or view is VIEWS["islands"] or view is VIEWS["alive"]:
        return view.asks
    grey = {
        name
        for name, level in model.automaton.layout.items()
        if (level.channels < LEAST_FOR_COLOURS or level.input)
        and model.holdings[name].states <= 2
        and model.holdings[name].colours is None
    }
    if view in (VIEWS["picture"], VIEWS["more"]):
        own = model.task is None or len(model.size) != 2
        mapped = isinstance(model.shown.look, MappedColours)
        top = list(model.automaton.layout)[-1]
        return (*view.asks, "colours") if (top in grey if own else mapped) else view.asks
    return (*view.asks, "colours") if grey else view.asks


def view(
    name: str, words: str, **options: object
) -> Callable[..., Callable[[ViewInput], list[Pane]]]:
    """Register what follows as a view."""

    def enter(draw: Callable[[ViewInput], list[Pane]]) -> Callable[[ViewInput], list[Pane]]:
        VIEWS[name] = ViewKind(words, draw, **options)  # pyright: ignore[reportArgumentType]
        return draw

    return enter


@torch.no_grad()
def see(given: ViewInput) -> tuple[list[Pane], Arrangement]:
    """Return the panes of the view that is asked for, and how they lie.

    Raises:
        NCAError: There is no such view, level or channel.
    """
    name = given.look.view
    if name not in VIEWS or not VIEWS[name].there(given.model):
        known = [each for each, view in VIEWS.items() if view.there(given.model)]
        raise NCAError(
            f"there is no view {name!r} of {given.model.name}.",
            where="the page",
            to_do=f"choose among {', '.join(known)}",
        )
    return VIEWS[name].draw(given), VIEWS[name].arrangement


@view("picture", "picture")
def _picture(given: ViewInput) -> list[Pane]:
    task, look = given.model.task, given.model.shown.look
    flat = len(given.model.size) == 2
    if isinstance(look, MappedColours) and (given.look.colours or not flat):
        return [Pane("picture", given.mapped(look))]
    if task is None or not flat:
        name = list(given.model.automaton.layout)[-1]
        return [Pane(name, given.coloured(name))]
    if isinstance(look, StateColours) and given.look.dark:
        return [Pane("picture", given.coloured(look.level))]
    return [Pane("picture", task.picture(given.batch.state)[0].float().cpu())]


@view("more", "what else the task shows", there=lambda s: s.more)
def _more(given: ViewInput) -> list[Pane]:
    assert given.model.task is not None
    shown = given.model.task.pictures(given.batch)
    return [*_picture(given), *(Pane(name, one[0].float().cpu()) for name, one in shown.items())]


@view("levels", "levels side by side")
def _levels(given: ViewInput) -> list[Pane]:
    return [Pane(name, given.coloured(name)) for name in given.model.automaton.layout]


@view("stack", "levels stacked", arrangement="stack", there=lambda s: len(s.automaton.layout) > 1)
def _stack(given: ViewInput) -> list[Pane]:
    return _levels(given)


@view("components", "components of a level", asks=("level",))
def _components(given: ViewInput) -> list[Pane]:
    return [Pane(f"{given.level}, components", given.coloured(given.level))]


@view("channel", "one channel", asks=("level", "channel", "colours"))
def _channel(given: ViewInput) -> list[Pane]:
    level = given.state[given.level].float().cpu()
    channel = min(given.look.channel, level.shape[1] - 1)
    values = given.plane(level[:, channel : channel + 1])[0]
    scale = ceiling(values)
    title = f"{given.level}, channel {channel}, \N{PLUS-MINUS SIGN}{scale:g}"
    if given.look.colours and not (values < 0).any():
        title = f"{given.level}, channel {channel}, 0 to {scale:g}"
        return [Pane(title, given.ramped(values / scale, SEQUENTIAL))]
    return [Pane(title, given.ramped(0.5 + values / scale / 2, DIVERGING))]


@view(
    "islands", "islands of a level", asks=("level", "threshold"), there=lambda s: len(s.size) == 2
)
def _islands(given: ViewInput) -> list[Pane]:
    level, topology = given.state[given.level], given.model.turned(given.snapshots[-1]).topology
    labels = analysis.islands(level, given.look.threshold, topology)[-1].cpu()
    picture = given.coloured(given.level)
    scale = max(1, OUTLINE_SIDE // max(picture.shape[-2:]))
    count = int(labels.max())
    return [Pane(f"{given.level}, {count} islands", outlined(picture, labels, scale))]


@view("agreement", "agreement with neighbours", asks=("level", "colours"))
def _agreement(given: ViewInput) -> list[Pane]:
    level, topology = given.state[given.level], given.model.turned(given.snapshots[-1]).topology
    ahead = analysis.bonds(level, topology)  # (B, axis, *space)
    behind = [ahead[:, axis].roll(1, axis + 1) for axis in range(ahead.shape[1])]
    mean = torch.cat([ahead, torch.stack(behind, dim=1)], dim=1).nanmean(dim=1, keepdim=True)
    values = given.plane(mean.cpu())[0]
    return [
        Pane(f"{given.level}, agreement from -1 to 1", given.ramped((values + 1) / 2, SEQUENTIAL))
    ]


@view("change", "change in the last step", asks=("colours",))
def _change(given: ViewInput) -> list[Pane]:
    automaton, now = given.model.automaton, given.snapshots[-1].state
    if len(given.snapshots) > 1:
        pairs = [
            (a.state, b.state) for a, b in zip(given.snapshots, given.snapshots[1:], strict=False)
        ]
    else:
        pairs = [(given.previous.state if given.previous else now, now)]
    layout = automaton.layout
    rows = [
        sum(
            on_grid((b[n] - a[n]).square().sum(dim=1, keepdim=True), layout[n].scale)
            for n in automaton.writable_levels
        )
        for a, b in pairs
    ]
    size = torch.cat([torch.as_tensor(row) for row in rows]).sqrt().cpu()
    values = given.plane(size)[0]
    scale = ceiling(size)
    return [Pane(f"change, up to {scale:g}", given.ramped(values / scale, SEQUENTIAL))]


@view("alive", "alive mask", there=lambda s: s.automaton.alive is not None)
def _alive(given: ViewInput) -> list[Pane]:
    living = given.model.turned(given.snapshots[-1]).alive_mask(given.state)
    assert living is not None
    return [Pane("alive", ramp(given.plane(living.float().cpu())[0], SEQUENTIAL))]

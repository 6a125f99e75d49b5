"""The work on the gradient of a fused step: who computes which part of it.

Parts are trees of plain numbers, as plans are; programs are compiled for them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from nca.backends.triton.plan import (
    SMALLEST,
    DeepPlan,
    LayerPlan,
    LevelPlan,
    NetPlan,
    StepPlan,
    power,
    reads,
)


class Unit(NamedTuple):
    """A share of the work on the gradients of weights: some hidden units of one net.

    Attributes:
        place: Where the level that the net writes to stands in the plan.
        level: That level.
        net: The net.
        start: The first of `net.wide` hidden units; behind stencils all of them are one unit.
    """

    place: int
    level: LevelPlan
    net: NetPlan
    start: int


class DeepUnit(NamedTuple):
    """A deep net, and where the level that it writes to stands in the plan."""

    place: int
    level: LevelPlan
    net: DeepPlan


class LayerUnit(NamedTuple):
    """A share of the work on the gradient of a layer: `layer.wide` of its outputs from `start`."""

    layer: LayerPlan
    start: int


class Attending(NamedTuple):
    """The work on the gradient of one attention.

    Attributes:
        place: Where the level whose cells attend stands in the plan.
        level: That level.
        number: Which of its attentions.
    """

    place: int
    level: LevelPlan
    number: int


class Heard(NamedTuple):
    """A field whose cells are attended to.

    Attributes:
        ahead: How many attentions there are before this one.
        meant: Whether the mean is one of this field; it is that of the level whose cells attend.
        factor: How much the agreement of this field counts; 0: it does not.
        cosine: See `AttentionPlan`.
        tiny: Likewise.
    """

    ahead: int
    meant: bool
    factor: float
    cosine: bool
    tiny: float


class Through(NamedTuple):
    """A field that is squashed, its number among all that are, and the nets that read it."""

    field: int
    number: int
    bound: float
    nets: tuple[NetPlan, ...]


class Target(NamedTuple):
    """A field whose gradient is asked for.

    Attributes:
        field: Which of the fields.
        channels: Its channels.
        block: The same, filled up to a power of two.
        nets: The nets that read it as it is.
        through: What is computed of it, and the nets that read that.
        place: Where it stands in the plan if it is a level that is written; else -1.
        level: That level, or any.
        share: How many levels before it add a share of themselves.
        attentions: What its cells hear of attention.
    """

    field: int
    channels: int
    block: int
    nets: tuple[NetPlan, ...]
    through: tuple[Through, ...]
    place: int
    level: LevelPlan
    share: int
    attentions: tuple[Heard, ...]


class Units(NamedTuple):
    """Some units: compilers before Triton 3.8 take no bare tuple of plans.

    Attributes:
        units: Of nets with one hidden layer, or of what deep nets read.
        deep: Whole deep nets.
        layers: Of the layers of deep nets.
        attending: Attentions.
    """

    units: tuple[Unit, ...]
    deep: tuple[DeepUnit, ...] = ()
    layers: tuple[LayerUnit, ...] = ()
    attending: tuple[Attending, ...] = ()

    @property
    def total(self) -> int:
        """How many there are in all."""
        return len(self.units) + len(self.deep) + len(self.layers) + len(self.attending)


class Targets(NamedTuple):
    """All targets, likewise."""

    targets: tuple[Target, ...]


def units(plan: StepPlan) -> Units:
    """Return the nets in pieces that a program can hold, and all attentions."""
    places = list(enumerate(plan.levels))
    nets = (
        Unit(place, level, net, start)
        for place, level in places
        for net in level.nets
        for start in range(0, 1 if net.stencils else net.hidden, net.wide)
    )
    deep = (DeepUnit(place, level, net) for place, level in places for net in level.deep)
    attending = (
        Attending(place, level, number)
        for place, level in places
        for number in range(len(level.attentions))
    )
    return Units(tuple(nets), tuple(deep), attending=tuple(attending))


def folded(found: Units) -> Units:
    """Return the matrices whose gradients have a launch of their own.

    Those are first layers that sum up a neighbourhood tap by tap, and all layers of deep nets.
    """
    nets = [unit for unit in found.units if not unit.net.stencils]
    reads = (
        Unit(one.place, one.level, read, start)
        for one in found.deep
        for read in one.net.reads
        for start in range(0, read.hidden, read.wide)
    )
    layers = (
        LayerUnit(layer, start)
        for one in found.deep
        for layer in one.net.layers
        for start in range(0, layer.outputs, layer.wide)
    )
    return Units((*nets, *reads), layers=tuple(layers))


def targets(plan: StepPlan, channels: Sequence[int], wanted: Sequence[bool]) -> Targets:
    """Return what is needed to compute the gradients of the wanted fields.

    Args:
        plan: The plan.
        channels: Of each field.
        wanted: Which fields' gradients are asked for; a level that adds a share of itself is
            among them in any case, for the sake of that share.
    """
    places = {level.field: place for place, level in enumerate(plan.levels)}
    shown = {one.field for one in plan.shown}
    found = []
    for field, count in enumerate(channels):
        place = places.get(field, -1)
        level = plan.levels[place]
        shares = place >= 0 and level.share >= 0
        if field not in shown and (wanted[field] or shares):
            through = tuple(
                Through(one.field, number, one.bound, _readers(plan, one.field))
                for number, one in enumerate(plan.shown)
                if one.source == field
            )
            nets = _readers(plan, field)
            share = level.share - plan.firsts - plan.lasts if shares else -1
            block = power(count, SMALLEST)
            heard = _heard(plan, field)
            found.append(Target(field, count, block, nets, through, place, level, share, heard))
    return Targets(tuple(found))


def _readers(plan: StepPlan, field: int) -> tuple[NetPlan, ...]:
    return tuple(net for level in plan.levels for net in reads(level) if net.field == field)


def _heard(plan: StepPlan, field: int) -> tuple[Heard, ...]:
    """Return what the cells of a field hear of each attention that reads it."""
    found = []
    for level in plan.levels:
        for one in level.attentions:
            meant = level.field == field
            factor = sum(each.factor for each in one.levels if each.field == field)
            if meant or factor:
                found.append(Heard(one.ahead, meant, factor, one.cosine, one.tiny))
    return tuple(found)

"""The plan of a fused step: which nets read what, and where their weights lie.

A plan is a tree of plain numbers; programs are compiled for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

TAPS = 9
"""Cells of a 3x3 neighbourhood, in raster order."""

SMALLEST = 16
"""The shortest side of a matrix that tensor cores multiply."""


MOST_STENCILS, MOST_PERCEIVED = 4, 128
"""Stencils, and numbers that a cell perceives through them, which a program holds at once."""

TALLEST = 64
"""Rows of a matrix of which a program sums up the gradient, at most."""

MANY = 64
"""Channels, filled up to a power of two, from which on a tile takes twice the threads."""


class NetPlan(NamedTuple):
    """A net of one hidden layer that reads one field; or what a deep net sums up of one field.

    Attributes:
        activation: What is done to the sums of its hidden units.
        field: Which of the fields it reads.
        channels: Channels of that field.
        block: The same, filled up to a power of two.
        stencils: Through how many stencils it perceives each channel; 0: it sums up the
            neighbourhood tap by tap.
        hidden: Hidden units, filled up to a multiple of `wide`.
        wide: Hidden units that a program holds at once.
        deep: Rows of the first layer that one product takes.
        tall: Rows of the first layer of which a program computes the gradient.
        rows: Rows of the first layer, its bias, its stencils and rows of zeros included.
        kernels: Where its stencils begin.
        first: Where its first layer begins.
        last: Where its last layer begins.
        handed: Numbers of each cell by which it hands its gradient to those that the cell read:
            that of its hidden layer, or that of what it perceives through stencils.
        ahead: The same of all nets before it.
    """

    activation: str
    field: int
    channels: int
    block: int
    stencils: int
    hidden: int
    wide: int
    deep: int
    tall: int
    rows: int
    kernels: int
    first: int
    last: int
    handed: int
    ahead: int


class LayerPlan(NamedTuple):
    """A layer of a deep net: a matrix times an activation of its inputs, and a bias.

    What lies in memory of each cell, it counts in numbers of a cell: the inputs of a layer begin
    at `kept` times the cells, and those of one cell lie side by side.

    Attributes:
        activation: What is done to its inputs.
        inputs: How many there are, filled up to a multiple of `held`.
        outputs: How many there are, filled up to a multiple of `wide`.
        held: Inputs whose gradient a program holds at once.
        wide: Outputs that a program holds at once.
        deep: Inputs that one product takes.
        broad: Outputs that one product takes, going backward.
        tall: Rows of its matrix of which a program computes the gradient.
        rows: Rows of its matrix, its bias and rows of zeros included.
        first: Where its matrix begins.
        kept: Where its inputs begin, before their activation.
        before: Where the gradient of its inputs begins.
        after: Where the gradient of its outputs begins.
    """

    activation: str
    inputs: int
    outputs: int
    held: int
    wide: int
    deep: int
    broad: int
    tall: int
    rows: int
    first: int
    kept: int
    before: int
    after: int


class DeepPlan(NamedTuple):
    """A net of several hidden layers, or that reads several fields.

    Attributes:
        reads: What the units of the first hidden layer sum up; the first has the bias of all.
        layers: What follows; the last returns the change.
    """

    reads: tuple[NetPlan, ...]
    layers: tuple[LayerPlan, ...]


class AgreementPlan(NamedTuple):
    """A field whose agreement counts for attention.

    Attributes:
        field: Which of the fields.
        channels: Its channels.
        block: The same, filled up to a power of two.
        factor: How much it counts.
    """

    field: int
    channels: int
    block: int
    factor: float

    @classmethod
    def of(cls, field: int, channels: int, factor: float) -> "AgreementPlan":
        """Return the same for a field of so many channels."""
        return cls(field, channels, power(channels, SMALLEST), factor)


class AttentionPlan(NamedTuple):
    """One attention of the cells of a level to their neighbourhood.

    Attributes:
        levels: The fields whose agreement counts.
        cosine: Whether their cells are scaled to length 1 first.
        tiny: A length l counts as `sqrt(l ** 2 + tiny ** 2)`.
        itself: Whether a cell is among its neighbours.
        rise: Steps over which sharpness climbs to its value; 0: it is there from the start.
        numbers: Where its rate and its sharpness lie among the weights.
        ahead: How many attentions there are before it.
    """

    levels: tuple[AgreementPlan, ...]
    cosine: bool
    tiny: float
    itself: bool
    rise: int
    numbers: int
    ahead: int


class LevelPlan(NamedTuple):
    """One level that is written: its own field, its nets, its streams of randomness."""

    field: int
    channels: int
    block: int
    nets: tuple[NetPlan, ...]
    deep: tuple[DeepPlan, ...]
    share: int
    fire: int
    noise: tuple[int, ...]
    attentions: tuple[AttentionPlan, ...]


class ShownPlan(NamedTuple):
    """A field that is a level as nets read it: squashed.

    Attributes:
        field: Which of the fields.
        source: The field that is the level itself.
        channels: Channels of both.
        bound: What it is squashed to.
    """

    field: int
    source: int
    channels: int
    bound: float


class StepPlan(NamedTuple):
    """All levels that are written, and the sizes of the three parts of the weights.

    Attributes:
        levels: In the order in which they are handed out.
        firsts: Numbers in all first layers, and in all layers of deep nets.
        lasts: Numbers in all last layers, and the rates and sharpnesses of attention.
        shares: How many levels add a share of themselves.
        handed: Numbers of each cell by which all nets hand gradients to the cells that they read,
            those of all layers of deep nets included.
        kept: Numbers of each cell that the hidden units of deep nets sum up.
        shown: What is computed of the levels for nets to read.
    """

    levels: tuple[LevelPlan, ...]
    firsts: int
    lasts: int
    shares: int
    handed: int
    kept: int
    shown: tuple[ShownPlan, ...]

    @property
    def many(self) -> bool:
        """Whether some net or attention reads or writes many channels."""
        blocks = [max(level.block, net.block) for level in self.levels for net in reads(level)]
        blocks += [
            max(level.block, one.block)
            for level in self.levels
            for attention in level.attentions
            for one in attention.levels
        ]
        return max(blocks, default=0) >= MANY

    @property
    def deep(self) -> bool:
        """Whether some net is deep."""
        return any(level.deep for level in self.levels)

    @property
    def attentions(self) -> int:
        """How many attentions there are."""
        return sum(len(level.attentions) for level in self.levels)

    @property
    def perceives(self) -> bool:
        """Whether some net perceives through stencils."""
        return any(net.stencils for level in self.levels for net in level.nets)


class LifePlan(NamedTuple):
    """What tells which cells live.

    Attributes:
        field: Which of the fields holds the channel that tells.
        channels: Channels of that field.
        channel: The channel that tells.
        radius: How near to a mature cell a living one is.
    """

    field: int
    channels: int
    channel: int
    radius: int


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


def reads(level: LevelPlan) -> tuple[NetPlan, ...]:
    """Return all that nets of a level read, each from one field."""
    return (*level.nets, *(read for net in level.deep for read in net.reads))


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


def stencils_pay(channels: int, stencils: int) -> bool:
    """Tell whether cells better perceive through stencils before the hidden layer.

    They do where that is the smaller matrix product, and a program can hold what is perceived;
    elsewhere stencils are folded into the first layer.

    Args:
        channels: That are read.
        stencils: For each of them.
    """
    numbers = stencils * power(channels, SMALLEST)
    held = stencils <= MOST_STENCILS and numbers <= MOST_PERCEIVED
    return held and numbers < folded_rows(channels)


def folded_rows(channels: int) -> int:
    """Return the rows of a first layer that sums up a neighbourhood tap by tap."""
    deep = power(channels, SMALLEST)
    return -(-TAPS * power(channels) // deep) * deep


def perceived(net: NetPlan) -> int:
    """Return how many numbers a net perceives through stencils."""
    return net.stencils * net.block


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


def power(number: int, least: int = 1) -> int:
    """Return the smallest power of two that is neither below the number nor below `least`."""
    return max(least, 1 << (number - 1).bit_length())

"""The plan of a fused step: which nets read what, and where their weights lie.

A plan is a tree of plain numbers; programs are compiled for it.
"""

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
        late: For each field whether it still holds the dead of the step before, which are cleared
            as it is read.
    """

    field: int
    channels: int
    channel: int
    radius: int
    late: tuple[bool, ...] = ()


def reads(level: LevelPlan) -> tuple[NetPlan, ...]:
    """Return all that nets of a level read, each from one field."""
    return (*level.nets, *(read for net in level.deep for read in net.reads))


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


def power(number: int, least: int = 1) -> int:
    """Return the smallest power of two that is neither below the number nor below `least`."""
    return max(least, 1 << (number - 1).bit_length())

"""What a rule computes, declared in a few words, for torch and for other ways to compute it.

A rule that is perception followed by small layers, that forgets a share of itself, that drifts
towards neighbours like itself, or that looks its successor up, declares a `Program`: a sum of
terms, each an `MLPTerm`, a `DecayTerm`, an `AttentionTerm`, or, for cells of few states, a
`TableTerm` or a `GatesTerm`. `nca.engine.run_program` computes it in torch; a page in a browser, a
fused step on a GPU or a step of bits reads it, and needs no Python of the rule. What does not fit
into these words is `NotDeclared`, with the reason.

Legend: B batch, C channel, K stencil, N neighbour, H height, W width.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from nca.engine.discrete import DiscreteTerm, GatesTerm, TableTerm

Activation: TypeAlias = Literal["none", "relu", "gelu", "silu", "tanh", "sine"]
"""A function of each number alone; `gelu` is the exact one."""

ACTIVATIONS = {
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sine": torch.sin,
}


@dataclass(frozen=True)
class Squash:
    """A function of each number x alone, `bound * tanh(x / bound)`, which stays within the bound.

    Attributes:
        bound: Above 0.
    """

    bound: float

    def __call__(self, level: Tensor) -> Tensor:
        """Return the squashed numbers, in the shape of the level."""
        return self.bound * torch.tanh(level / self.bound)


@dataclass(frozen=True)
class Standardise:
    """A function of each cell alone: its channels brought to mean 0 and variance 1."""

    def __call__(self, level: Tensor) -> Tensor:
        """Return the standardised cells, in the shape of the level `(B, C, *space)`."""
        return F.layer_norm(level.movedim(1, -1), level.shape[1:2]).movedim(-1, 1)


CellMap: TypeAlias = Squash | Standardise
"""A function of each cell alone, which is applied before neighbours are read."""


@dataclass(frozen=True)
class AttentionWeights:
    """How much each cell attends to each neighbour.

    A neighbour q weighs `softmax over q of sharpness * sum over levels of factor * agreement`,
    where agreement is the product of the two cells' numbers at that level. Cells beyond an edge
    of zeros weigh nothing.

    Attributes:
        sharpness: See above; a number or `()`.
        cosine: Whether numbers are scaled to length 1 before they are multiplied; a length l
            counts as `sqrt(l ** 2 + tiny ** 2)`.
        levels: `own` or names: the levels whose agreement counts.
        factors: One for each of these levels.
        radius: How far a cell looks along each axis.
        itself: Whether a cell is among its neighbours.
        rise: Steps, counted from a state's first, over which sharpness climbs to its value; 0:
            it is there from the start.
        tiny: See `cosine`.
    """

    sharpness: Tensor | float
    cosine: bool
    levels: tuple[str, ...]
    factors: tuple[float, ...]
    radius: int = 1
    itself: bool = True
    rise: int = 0
    tiny: float = 1e-6


@dataclass(frozen=True)
class Correlation:
    """A learned kernel over all channels of a level.

    Attributes:
        level: The level that it reads: `own`, `below`, `above`, or a name.
        weight: `(C out, C, *kernel)`, every side odd; not flipped. `(C out, P, C, *kernel)` for the
            P members of a population, whose samples follow one another.
        bias: `(C out)`, or `(C out, P)`, or None.
        cell_map: What is done to each cell of the level before it is read, or None.
        attention: How each neighbour is scaled before it is read: by its weight times the number
            of neighbours; None: not at all. Its radius is that of the kernel.
    """

    level: str
    weight: Tensor
    bias: Tensor | None = None
    cell_map: CellMap | None = None
    attention: AttentionWeights | None = None

    @property
    def features(self) -> int:
        """How many numbers a cell perceives."""
        return self.weight.shape[0]


@dataclass(frozen=True)
class Stencils:
    """The same few kernels for each channel of a level.

    Attributes:
        level: The level that it reads: `own`, `below`, `above`, or a name.
        channels: How many channels the level has.
        kernels: `(K, *kernel)`, every side odd; not flipped.
        slopes: Which two of the K are the slopes along the last axis and the one before it, if
            they may be turned at run time: by an angle with cosine c and sine s they become
            `c kernels[a] - s kernels[b]` and `s kernels[a] + c kernels[b]`.
        length: Which kernels, one after the other, are perceived by the length of what they see
            alone, in the place of the first of them: `sqrt(a^2 + b^2 + 1e-8)`.
    """

    level: str
    channels: int
    kernels: Tensor
    slopes: tuple[int, int] | None = None
    length: tuple[int, ...] = ()

    @property
    def each(self) -> int:
        """How many numbers a cell perceives of each channel."""
        return self.kernels.shape[0] - max(len(self.length) - 1, 0)

    @property
    def features(self) -> int:
        """How many numbers a cell perceives: channel 0 through each kernel, then channel 1."""
        return self.channels * self.each


@dataclass(frozen=True)
class Location:
    """A layer over where a cell is: sines and cosines of its coordinates, times a weight.

    Attributes:
        weight: `(features, 2 * frequencies * axes)`.
        frequencies: How many; the k-th turns k times along each axis.
    """

    weight: Tensor
    frequencies: int

    @property
    def features(self) -> int:
        """How many numbers a cell perceives."""
        return self.weight.shape[0]


Perception: TypeAlias = Correlation | Stencils | Location


@dataclass(frozen=True)
class Layer:
    """A layer that all cells share: `weight drop(activation(x)) + bias`.

    Attributes:
        weight: `(out, in)`, or `(P, out, in)` for the members of a population.
        bias: `(out)`, or `(P, out)`, or None.
        activation: What is done to what comes in.
        dropout: Chance that a number which comes in is dropped; the others grow by
            `1 / (1 - dropout)`. A rule declares it in training only.
    """

    weight: Tensor
    bias: Tensor | None
    activation: Activation
    dropout: float = 0.0


@dataclass(frozen=True)
class MLPTerm:
    """Perception, then layers that look at each cell alone.

    Attributes:
        perceptions: What is perceived; their outcomes, equally many numbers, are added.
        layers: At least one; the last returns the change.
    """

    perceptions: tuple[Perception, ...]
    layers: tuple[Layer, ...]

    @property
    def activation(self) -> Activation:
        """What is done to the outcome of each perception: nothing, if they are added first."""
        return self.layers[0].activation if len(self.perceptions) == 1 else "none"


@dataclass(frozen=True)
class DecayTerm:
    """A share of the rule's own level, taken away.

    Attributes:
        rate: The share, a number or `()`.
    """

    rate: Tensor | float


@dataclass(frozen=True)
class AttentionTerm:
    """A share of the way to the mean of the neighbours, weighed by attention.

    Attributes:
        rate: The share, a number or `()`.
        weights: How much each neighbour counts.
    """

    rate: Tensor | float
    weights: AttentionWeights


Term: TypeAlias = MLPTerm | DecayTerm | AttentionTerm | DiscreteTerm


@dataclass(frozen=True)
class Program:
    """What a rule computes: the sum of its terms."""

    terms: tuple[Term, ...]

    @property
    def correlations(self) -> list[tuple[Correlation, Activation]]:
        """The correlations that rules may share, each with what is done to its outcome next."""
        found = []
        for net in self.terms:
            if isinstance(net, MLPTerm):
                for one in net.perceptions:
                    if isinstance(one, Correlation) and one.attention is None:
                        found.append((one, net.activation))
        return found

    @property
    def levels(self) -> set[str]:
        """The levels that it reads, as it names them: `own`, `below`, or by name."""
        found: set[str] = set()
        for term in self.terms:
            match term:
                case MLPTerm(perceptions):
                    read = [one for one in perceptions if not isinstance(one, Location)]
                    found |= {one.level for one in read}
                    weights = [one.attention for one in read if isinstance(one, Correlation)]
                    found |= {name for one in weights if one for name in one.levels}
                case DecayTerm() | TableTerm() | GatesTerm():
                    found.add("own")
                case AttentionTerm(_, weights):
                    found |= {"own", *weights.levels}
        return found


@dataclass(frozen=True)
class NotDeclared:
    """The rule does not declare what it computes.

    Attributes:
        why: The reason, as the end of a sentence that begins with the rule's name.
    """

    why: str

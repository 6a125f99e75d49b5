"""What a rule computes, said in a few words, for those who compute it elsewhere than in torch.

A rule that is perception followed by small layers, that forgets a share of itself, or that drifts
towards neighbours like itself, can say so in a `Program`: a sum of terms, each an `MLPTerm`, a
`DecayTerm` or an `AttentionTerm`. Whoever reads it (a page in a browser, a fused kernel) needs no
Python of the rule. What does not fit into these words is `NotDeclared`, with the reason.
`run_program` does in torch what a program says; a law holds every rule to its word.

Legend: B batch, C channel, K stencil, H height, W width.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from nca.engine.view import View

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
class Correlation:
    """A learned kernel over all channels of a level.

    Attributes:
        level: The level that it reads: `own`, `below`, `above`, or a name.
        weight: `(C out, C, *kernel)`, every side odd; not flipped.
        bound: The cells show `bound * tanh(x / bound)` of each number x; None: x itself.
    """

    level: str
    weight: Tensor
    bound: float | None = None

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
class Layer:
    """A layer that all cells share: `weight activation(x) + bias`.

    Attributes:
        weight: `(out, in)`.
        bias: `(out)`, or None.
        activation: What is done to what comes in.
    """

    weight: Tensor
    bias: Tensor | None
    activation: Activation


@dataclass(frozen=True)
class MLPTerm:
    """Perception, then layers that look at each cell alone.

    Attributes:
        sights: What is perceived; their outcomes, equally many, are added.
        bias: Added to what is perceived, `(features)`, or None.
        layers: At least one; the last returns the change.
    """

    perceptions: tuple[Correlation | Stencils, ...]
    bias: Tensor | None
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class DecayTerm:
    """A share of the rule's own level, taken away.

    Attributes:
        rate: The share, a number or `()`.
    """

    rate: Tensor | float


@dataclass(frozen=True)
class AttentionTerm:
    """A share of the way to the mean of the neighbours, weighed by how much they agree.

    A neighbour q weighs `softmax over q of sharpness * sum over levels of factor * agreement`,
    where agreement is the product of the two cells' numbers at that level. Beyond an edge of
    zeros there is nobody.

    Attributes:
        rate: The share.
        sharpness: See above.
        cosine: Whether numbers are scaled to length 1 before they are multiplied; a length l
            counts as `sqrt(l ** 2 + tiny ** 2)`.
        levels: `own` or names: the levels whose agreement counts.
        factors: One for each of these levels.
        radius: How far a cell looks along each axis.
        itself: Whether a cell is among its neighbours.
        tiny: See `cosine`.
    """

    rate: float
    sharpness: float
    cosine: bool
    levels: tuple[str, ...]
    factors: tuple[float, ...]
    radius: int = 1
    itself: bool = True
    tiny: float = 1e-6


Term: TypeAlias = MLPTerm | DecayTerm | AttentionTerm


@dataclass(frozen=True)
class Program:
    """What a rule computes: the sum of its terms."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class NotDeclared:
    """The rule does not say what it computes.

    Attributes:
        why: The reason, as the end of a sentence that begins with the rule's name.
    """

    why: str


def run_program(program: Program, view: "View") -> Tensor:
    """Return the change that a program describes, `(B, C, *space)`."""
    return torch.stack([_change(term, view) for term in program.terms]).sum(dim=0)


def _change(term: Term, view: "View") -> Tensor:
    match term:
        case DecayTerm():
            return -term.rate * view.own
        case MLPTerm():
            return _net(term, view)
        case AttentionTerm():
            return _drift(term, view)


def _drift(term: AttentionTerm, view: "View") -> Tensor:
    heard = view.neighbours(torch.ones_like(view.own[:1, :1]), term.radius) > 0  # (1, N, 1, H, W)
    if not term.itself:
        heard[:, heard.shape[1] // 2] = False
    energy = torch.zeros_like(heard, dtype=view.own.dtype)
    for name, factor in zip(term.levels, term.factors, strict=True):
        level = view.level(name)
        if term.cosine:
            level = level / (level.square().sum(dim=1, keepdim=True) + term.tiny**2).sqrt()
        likeness = (view.neighbours(level, term.radius) * level.unsqueeze(1)).sum(2, keepdim=True)
        energy = energy + factor * likeness
    weights = torch.softmax((term.sharpness * energy).masked_fill(~heard, -torch.inf), dim=1)
    mean = (weights * view.neighbours(view.own, term.radius)).sum(dim=1)
    return term.rate * (mean - view.own)


def _net(net: MLPTerm, view: "View") -> Tensor:
    seen = torch.stack([_seen(sight, view) for sight in net.perceptions]).sum(dim=0)
    numbers = seen.movedim(1, -1)
    if net.bias is not None:
        numbers = numbers + net.bias
    for layer in net.layers:
        function = ACTIVATIONS.get(layer.activation)
        numbers = function(numbers) if function else numbers
        numbers = F.linear(numbers, layer.weight, layer.bias)
    return numbers.movedim(-1, 1)


def _seen(sight: Correlation | Stencils, view: "View") -> Tensor:
    level = view.level(sight.level)
    if isinstance(sight, Correlation):
        shown = level if sight.bound is None else sight.bound * torch.tanh(level / sight.bound)
        return view.correlate(shown, sight.weight)
    return torch.stack(filtered(sight, level, view), dim=2).flatten(1, 2)


def filtered(sight: Stencils, level: Tensor, view: "View") -> list[Tensor]:
    """Return what stencils perceive of a level: `(B, C, *space)` for each number of a channel.

    Args:
        sight: The stencils.
        level: What they look at.
        view: That of the rule.
    """
    parts = list(view.stencils(level, sight.kernels).split(sight.channels, dim=1))
    if not sight.length:
        return parts
    begin, end = sight.length[0], sight.length[-1] + 1
    squares = torch.stack([part.square() for part in parts[begin:end]]).sum(dim=0)
    # without the small number, the slope of the root would be infinite where all is flat
    return [*parts[:begin], (squares + 1e-8).sqrt(), *parts[end:]]

"""The nets of GLOM: each level is told by the level below, by itself and by the level above.

Hinton (2021) gives every location a column of levels, and every pair of levels nets that all
locations share: a bottom-up net that says what the level below suggests, a top-down net that
says what the level above expects, and a lateral one between columns. Here all three look at
their 3-wide neighbourhood on the torus, and each is a rule of its own, so that a recipe may
leave one out, or give one more room.
"""

import math
from typing import ClassVar, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca import (
    Correlation,
    Kernel,
    Layer,
    MLPTerm,
    NotDeclared,
    Program,
    RuleContext,
    ShapeError,
    UpdateRule,
    View,
    per_cell,
    register,
)
from nca.engine.program import ACTIVATIONS
from nca.types import Count, Natural, ProperFraction
from nca_plugins.glom.attention import Attention, NeighbourAttention

Activation: TypeAlias = Literal["relu", "gelu", "silu", "tanh", "sine"]
Shown: TypeAlias = Literal["plain", "normalised", "squashed"]

BOUND = 4.0
"""What a squashed channel stays below."""


def normalised(level: Tensor) -> Tensor:
    """Return `(B, C, *space)` with each cell's embedding brought to mean 0 and variance 1."""
    return F.layer_norm(level.movedim(1, -1), level.shape[1:2]).movedim(-1, 1)


def squashed(level: Tensor) -> Tensor:
    """Return `(B, C, *space)` nearly as it is where small, and never beyond -4 to 4."""
    return BOUND * torch.tanh(level / BOUND)


SHOWN = {"plain": None, "normalised": normalised, "squashed": squashed}


class Prediction(nn.Module):
    """What one level predicts of another: a neighbourhood, one hidden layer, an embedding.

    The last layer starts small, but not at zero as in the Distill articles: through several
    levels at rest no signal would climb, and the top would learn nothing for hundreds of
    iterations.

    Args:
        place: Where the rule stands that asks.
        source: The level that is read.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
        shown: How cells show their embedding; see `BottomUp`.
        dropout: Chance, in training only, that a hidden unit of a cell is silent in a step.
    """

    def __init__(
        self,
        place: RuleContext,
        source: Literal["below", "own", "above"],
        hidden: int,
        activation: Activation,
        shown: Shown,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[place.axes]
        self.source: str = source
        self.perceive = conv(place.level(source).channels, hidden, 3)
        self.change = nn.Linear(hidden, place.own.channels)
        nn.init.xavier_uniform_(self.change.weight, gain=0.5)
        nn.init.zeros_(self.change.bias)
        self.named: Activation = activation
        self.activation = ACTIVATIONS[activation]
        self.through = SHOWN[shown]
        self.dropout = dropout

    @property
    def kernel(self) -> Kernel:
        """The first layer: nets that read the same level share one convolution."""
        assert self.perceive.bias is not None
        return Kernel(self.source, self.perceive.weight, self.perceive.bias, self.through)

    def program(self) -> Program | NotDeclared:
        """Return the net in the words of a program."""
        if self.through is normalised:
            return NotDeclared("normalises each cell's embedding, which no program can say")
        if self.training and self.dropout:
            return NotDeclared("silences hidden units by chance in training")
        bound = BOUND if self.through is squashed else None
        sight = Correlation(self.source, self.perceive.weight, bound)
        layer = Layer(self.change.weight, self.change.bias, self.named)
        return Program((MLPTerm((sight,), self.perceive.bias, (layer,)),))

    def forward(self, perceived: Tensor, view: View) -> Tensor:
        """Return the embedding `(B, C, *space)` that follows from what the kernel perceived."""
        hidden = self.activation(perceived)
        if self.training and self.dropout:
            kept = view.chance(1 - self.dropout, hidden.shape[1], f"dropout/{self.source}")
            hidden = hidden * kept / (1 - self.dropout)
        return per_cell(self.change, hidden)


class LevelNet(UpdateRule):
    """A neighbourhood of one level, one hidden layer, a change.

    What it writes is added to the level (Hinton's weighted mean with a scaled residual in place
    of the previous state's share).
    """

    source: ClassVar[Literal["below", "own", "above"]]
    cellwise = True

    def __init__(
        self,
        place: RuleContext,
        *,
        hidden: Count = 24,
        activation: Activation = "relu",
        shown: Shown = "plain",
        dropout: ProperFraction = 0.0,
    ) -> None:
        super().__init__()
        self.reads = (self.source,)
        self.net = Prediction(place, self.source, hidden, activation, shown, dropout)

    def kernel(self) -> Kernel | None:
        """Return the first layer of the net."""
        return self.net.kernel

    def program(self) -> Program | NotDeclared:
        """Return the net in the words of a program."""
        return self.net.program()

    def forward(self, view: View) -> Tensor:
        """Return what the net makes of the neighbourhood in the level that it reads."""
        return self.net(view.perceived, view)


@register.rule("bottom_up")
class BottomUp(LevelNet):
    """What the level below suggests for this one.

    Args:
        place: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
        shown: How cells show their embedding to the net: as it is; with mean 0 and variance 1; or
            bent to stay between -4 and 4. The last two keep the net within bounds, however far a
            level has grown.
        dropout: Chance, in training only, that a hidden unit of a cell is silent in a step.
    """

    source = "below"


@register.rule("lateral")
class Lateral(LevelNet):
    """What the same level suggests in the neighbouring columns.

    Args:
        place: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
        shown: As for `bottom_up`.
        dropout: As for `bottom_up`.
        attention: Scale each neighbour by how much the cell heeds it, times their number, before
            the net reads it (what the first GLOM notebook meant to do); at radius 1.
    """

    source = "own"

    def __init__(
        self,
        place: RuleContext,
        *,
        hidden: Count = 24,
        activation: Activation = "relu",
        shown: Shown = "plain",
        dropout: ProperFraction = 0.0,
        attention: Attention | None = None,
    ) -> None:
        super().__init__(place, hidden=hidden, activation=activation, shown=shown, dropout=dropout)
        self.attention = NeighbourAttention(place, attention) if attention else None
        if attention:
            self.cellwise = False
            self.reads = attention.levels(place)
            if attention.radius != 1:
                raise ShapeError(
                    f"attention of radius {attention.radius} cannot scale what a net of radius 1 "
                    "reads.",
                    where=f'rule "lateral" of level "{place.name}"',
                    to_do="leave radius at 1, or add a rule `consensus_step` with that radius",
                )

    def kernel(self) -> Kernel | None:
        """Return the first layer of the net, unless each cell scales its neighbours first."""
        return None if self.attention else super().kernel()

    def program(self) -> Program | NotDeclared:
        """Return the net in the words of a program, which know no attention."""
        if self.attention:
            return NotDeclared("heeds its neighbours by attention, which no program can say")
        return super().program()

    def forward(self, view: View) -> Tensor:
        """Return what the net makes of the neighbourhood, scaled by attention if it is there."""
        if self.attention is None:
            return super().forward(view)
        through = self.net.through
        own = through(view.own) if through else view.own
        neighbours = view.neighbours(own)  # (B, N, C, *space)
        heeded = neighbours * self.attention.weights(view) * neighbours.shape[1]
        stacked = heeded.transpose(1, 2).flatten(1, 2)  # (B, C * N, *space), as a kernel's weight
        first = self.net.perceive
        flat = F.linear(stacked.movedim(1, -1), first.weight.flatten(1), first.bias)
        return self.net(flat.movedim(-1, 1), view)


@register.rule("top_down")
class TopDown(LevelNet):
    """What the level above expects of this one.

    Args:
        place: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum; Hinton suggests `sine` where there is a location
            code.
        shown: As for `bottom_up`.
        dropout: As for `bottom_up`.
        location: Frequencies of the location code that the net is told beside the level above:
            sine and cosine of 1, 2, ... turns along each axis. The same whole then decodes to
            different parts at different places. Needs `[grid] coordinates = true`; 0: no code.
    """

    source = "above"

    def __init__(
        self,
        place: RuleContext,
        *,
        hidden: Count = 24,
        activation: Activation = "relu",
        shown: Shown = "plain",
        dropout: ProperFraction = 0.0,
        location: Natural = 0,
    ) -> None:
        super().__init__(place, hidden=hidden, activation=activation, shown=shown, dropout=dropout)
        if location and not place.coordinates:
            raise ShapeError(
                "a location code needs to know where its cells are, and the grid does not tell.",
                where=f'rule "top_down" of level "{place.name}", location = {location}',
                to_do="set [grid] coordinates = true, or leave location at 0",
            )
        self.location = location
        self.place = nn.Linear(2 * location * place.axes, hidden, bias=False) if location else None

    def forward(self, view: View) -> Tensor:
        """Return what the net makes of the neighbourhood above, and of the place."""
        if self.place is None:
            return super().forward(view)
        told = view.perceived + per_cell(self.place, self.code(view.coordinates))
        return self.net(told, view)

    def program(self) -> Program | NotDeclared:
        """Return the net in the words of a program, which know no places."""
        if self.place is not None:
            return NotDeclared("knows where its cells are, which no program can say")
        return super().program()

    def code(self, coordinates: Tensor) -> Tensor:
        """Return the location code, `(1, 2 * location * axes, *space)`, of where the cells are."""
        kind = {"device": coordinates.device, "dtype": coordinates.dtype}
        turns = torch.arange(1, self.location + 1, **kind) * (2 * math.pi)
        angles = torch.einsum("f,ba...->bfa...", turns, coordinates)
        return torch.cat([angles.sin(), angles.cos()], dim=1).flatten(1, 2)

"""The nets of GLOM: each level hears from the level below, from itself and from the level above.

Hinton (2021) gives every location a column of levels, and every pair of levels nets that all
locations share: a bottom-up net that says what the level below suggests, a top-down net that
says what the level above expects, and a lateral one between columns. Here all three look at
their 3-wide neighbourhood on the torus, and each is a rule of its own, so that a recipe may
leave one out, or give one more room.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias

from annotated_types import Le
from torch import nn

from nca import (
    AttentionWeights,
    Correlation,
    Fault,
    Layer,
    Location,
    MLPTerm,
    OptionError,
    Program,
    RuleContext,
    Squash,
    Standardise,
    UpdateRule,
    program,
    register,
)
from nca.types import Natural, ProperFraction, Units
from nca_plugins.glom.attention import Attention, NeighbourAttention

Activation: TypeAlias = Literal["relu", "gelu", "silu", "tanh", "sine"]
Shown: TypeAlias = Literal["plain", "normalised", "squashed"]

SHOWN: dict[Shown, program.CellMap | None] = {
    "plain": None,
    "normalised": Standardise(),
    "squashed": Squash(4.0),
}
"""What cells show of their embedding; squashed channels stay between -4 and 4."""


class PredictionNet(nn.Module):
    """What one level predicts of another: a neighbourhood, one hidden layer, an embedding.

    The last layer starts small, but not at zero as in the Distill articles: through several
    levels at rest no signal would climb, and the top would learn nothing for hundreds of
    iterations.

    Args:
        context: The surroundings of the rule.
        source: The level that is read.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
        shown: How cells show their embedding; see `BottomUp`.
        dropout: Chance, in training only, that a hidden unit of a cell is silent in a step.
    """

    def __init__(
        self,
        context: RuleContext,
        source: Literal["below", "own", "above"],
        hidden: int,
        activation: Activation,
        shown: Shown,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[context.axes]
        self.source: str = source
        self.perceive = conv(context.level(source).channels, hidden, 3)
        self.change = nn.Linear(hidden, context.own.channels)
        nn.init.xavier_uniform_(self.change.weight, gain=0.5)
        nn.init.zeros_(self.change.bias)
        self.activation: Activation = activation
        self.cell_map = SHOWN[shown]
        self.dropout = dropout

    def term(
        self,
        *,
        attention: AttentionWeights | None = None,
        beside: tuple[program.Perception, ...] = (),
    ) -> MLPTerm:
        """Return the net as a term of a program.

        Args:
            attention: How neighbours are scaled before they are read, or None: not at all.
            beside: What the hidden units perceive beside the neighbourhood.
        """
        weight, bias = self.perceive.weight, self.perceive.bias
        reads = Correlation(self.source, weight, bias, self.cell_map, attention)
        dropout = self.dropout if self.training else 0.0
        layer = Layer(self.change.weight, self.change.bias, self.activation, dropout)
        return MLPTerm((reads, *beside), (layer,))


class LevelNet(UpdateRule):
    """A neighbourhood of one level, one hidden layer, a change.

    What it writes is added to the level (Hinton's weighted mean with a scaled residual in context
    of the previous state's share).
    """

    source: ClassVar[Literal["below", "own", "above"]]
    cellwise = True

    def __init__(
        self,
        context: RuleContext,
        *,
        hidden: Units = 24,
        activation: Activation = "relu",
        shown: Shown = "plain",
        dropout: ProperFraction = 0.0,
    ) -> None:
        super().__init__()
        self.net = PredictionNet(context, self.source, hidden, activation, shown, dropout)

    def program(self) -> Program:
        """Return what the net makes of the neighbourhood in the level that it reads."""
        return Program((self.net.term(),))


@register.rule("bottom_up")
class BottomUp(LevelNet):
    """What the level below suggests for this one.

    Args:
        context: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
        shown: How cells show their embedding to the net: as it is; with mean 0 and variance 1; or
            bent to stay between -4 and 4. The last two keep the net within bounds, however far a
            level has grown.
        dropout: Chance, in training only, that a hidden unit of a cell is silent in a step.
    """

    source = "below"
    reads = ("below",)


@register.rule("lateral")
class Lateral(LevelNet):
    """What the same level suggests in the neighbouring columns.

    Args:
        context: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
        shown: As for `bottom_up`.
        dropout: As for `bottom_up`.
        attention: Scale each neighbour by how much the cell attends to it, times their number,
            before the net reads it (what the first GLOM notebook meant to do); at radius 1.
    """

    source = "own"

    def __init__(
        self,
        context: RuleContext,
        *,
        hidden: Units = 24,
        activation: Activation = "relu",
        shown: Shown = "plain",
        dropout: ProperFraction = 0.0,
        attention: Attention | None = None,
    ) -> None:
        super().__init__(
            context, hidden=hidden, activation=activation, shown=shown, dropout=dropout
        )
        self.attention = NeighbourAttention(context, attention) if attention else None
        if attention:
            self.cellwise = False
            self.reads = attention.levels(context)
            if attention.radius != 1:
                to_do = "leave it at 1, or add a rule `consensus_step` with that radius"
                bad = Fault(("attention", "radius"), f"is {attention.radius}", to_do)
                raise OptionError([bad], f'rule "lateral" of level "{context.name}"')

    def program(self) -> Program:
        """Return what the net makes of the neighbourhood, scaled by attention if it is there."""
        return Program((self.net.term(attention=self.attention and self.attention.weights()),))


@register.rule("top_down")
class TopDown(LevelNet):
    """What the level above expects of this one.

    Args:
        context: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum; Hinton suggests `sine` where there is a location
            code.
        shown: As for `bottom_up`.
        dropout: As for `bottom_up`.
        location: Frequencies of the location code that the net perceives beside the level above:
            sine and cosine of 1, 2, ... turns along each axis. The same whole then decodes to
            different parts at different places. Needs `[grid] coordinates = true`; 0: no code.
    """

    source = "above"
    reads = ("above",)

    def __init__(
        self,
        context: RuleContext,
        *,
        hidden: Units = 24,
        activation: Activation = "relu",
        shown: Shown = "plain",
        dropout: ProperFraction = 0.0,
        location: Annotated[Natural, Le(64)] = 0,
    ) -> None:
        super().__init__(
            context, hidden=hidden, activation=activation, shown=shown, dropout=dropout
        )
        if location and not context.coordinates:
            to_do = "set [grid] coordinates = true, or leave location at 0"
            bad = Fault(("location",), f"is {location}, but cells cannot know their place", to_do)
            raise OptionError([bad], f'rule "top_down" of level "{context.name}"')
        self.location = location
        self.place = (
            nn.Linear(2 * location * context.axes, hidden, bias=False) if location else None
        )

    def program(self) -> Program:
        """Return what the net makes of the neighbourhood above, and of where the cell is."""
        if self.place is None:
            return super().program()
        return Program((self.net.term(beside=(Location(self.place.weight, self.location),)),))

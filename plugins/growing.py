"""Growing neural cellular automata (Mordvintsev, Randazzo, Niklasson, Levin; Distill 2020).

A cell perceives every channel of its level and the channel's two Sobel slopes, feeds them to
one hidden layer, and adds what comes out. The last layer starts at zero: a new automaton
stands still. The rule knows nothing of targets, pools or life; those belong to the recipe.

It may be steered: the numbers of another level, the condition, then shift what a cell perceives,
in every step anew (compare Sudhakaran et al. 2022, arXiv 2205.06806, where a goal shifts the
cells' state).
"""

import math
from typing import Literal

from torch import nn

from nca import (
    Correlation,
    Layer,
    MLPTerm,
    Program,
    RuleContext,
    StencilPerception,
    UpdateRule,
    register,
)
from nca.program import Perception
from nca.types import Positive, Units


@register.rule("growing")
class Growing(UpdateRule):
    """Fixed perception, one hidden layer, a change for every channel.

    With 16 channels and 128 hidden units it has the paper's 8,336 parameters.

    Args:
        context: Where the rule stands.
        hidden: Units of the hidden layer.
        angle: Turn of the perception in radians (grids of two axes); no training needed.
        laplacian: Whether cells perceive the Laplacian too, as texture automata do.
        slopes: What cells perceive of the slopes: one along `each` axis, or the `length` of the
            gradient alone; with that and the Laplacian no cell can tell up from down (isotropic
            automata, Mordvintsev et al. 2022).
        gain: Factor of slopes and Laplacian: how much they weigh beside the cell's own channels
            when learning begins.
        condition: A level, `below`, `above` or by name, whose numbers shift what the cell there
            perceives, as is learned; nothing: there is none.
    """

    cellwise = True

    def __init__(
        self,
        context: RuleContext,
        *,
        hidden: Units = 128,
        angle: float = 0.0,
        laplacian: bool = False,
        slopes: Literal["each", "length"] = "each",
        gain: Positive = 1.0,
        condition: str = "",
    ) -> None:
        super().__init__()
        channels = context.own.channels
        self.perception = StencilPerception(
            channels, context.axes, angle=angle, laplacian=laplacian, slopes=slopes, gain=gain
        )
        if context.axes == 2 and slopes == "each":
            self.adjustable = {"angle of perception": ("angle", -math.pi, math.pi)}
        self.hidden = nn.Linear(self.perception.features, hidden)
        nn.init.xavier_uniform_(self.hidden.weight)
        nn.init.zeros_(self.hidden.bias)
        self.change = nn.Linear(hidden, channels)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)
        self.condition, self.shift = condition, None
        if condition:
            self.reads = ("own", condition)
            channels = context.level(condition).channels
            self.shift = nn.Linear(channels, self.perception.features, bias=False)
            nn.init.normal_(self.shift.weight, std=0.1)

    @property
    def angle(self) -> float:
        """Turn of the perception in radians; may be set at any time."""
        return self.perception.angle

    @angle.setter
    def angle(self, angle: float) -> None:
        self.perception.angle = angle

    def program(self) -> Program:
        """Return the change: `W2 relu(W1 (perception + shift) + b1) + b2`."""
        perceptions: list[Perception] = [self.perception.perception("own")]
        if self.shift is not None:
            kernel = self.shift.weight.unflatten(1, (-1, *(1,) * self.perception.axes))
            perceptions.append(Correlation(self.condition, kernel))
        hidden = Layer(self.hidden.weight, self.hidden.bias, "none")
        change = Layer(self.change.weight, self.change.bias, "relu")
        return Program((MLPTerm(tuple(perceptions), (hidden, change)),))

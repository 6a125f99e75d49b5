"""The nets of GLOM: each level is told by the level below, by itself and by the level above.

Hinton (2021) gives every location a column of levels, and every pair of levels nets that all
locations share: a bottom-up net that says what the level below suggests, a top-down net that
says what the level above expects, and a lateral one between columns. Here all three look at
their 3-wide neighbourhood on the torus, and each is a rule of its own, so that a recipe may
leave one out, or give one more room.
"""

from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from nca import Kernel, Place, UpdateRule, View, per_cell, register
from nca.types import Count, Fraction

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": F.tanh}


class Net(UpdateRule):
    """A neighbourhood of one level, one hidden layer, a change.

    What it writes is added to the level (Hinton's weighted mean with a scaled residual in place
    of the previous state's share). The last layer starts small, but not at zero as in the
    Distill articles: through several levels at rest no signal would climb, and the top would
    learn nothing for hundreds of iterations.
    """

    source: ClassVar[Literal["below", "own", "above"]]
    cellwise = True

    def __init__(
        self,
        place: Place,
        *,
        hidden: Count = 24,
        activation: Literal["relu", "gelu", "silu", "tanh"] = "relu",
    ) -> None:
        super().__init__()
        self.reads = (self.source,)
        conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[place.axes]
        self.perceive = conv(place.level(self.source).channels, hidden, 3)
        self.change = nn.Linear(hidden, place.own.channels)
        nn.init.xavier_uniform_(self.change.weight, gain=0.5)
        nn.init.zeros_(self.change.bias)
        self.activation = ACTIVATIONS[activation]

    def kernel(self) -> Kernel:
        """Return the first layer: nets that read the same level share one convolution."""
        assert self.perceive.bias is not None
        return Kernel(self.source, self.perceive.weight, self.perceive.bias)

    def forward(self, view: View) -> Tensor:
        """Return what the net makes of the neighbourhood in the level that it reads."""
        return per_cell(self.change, self.activation(view.perceived))


@register.rule("bottom_up")
class BottomUp(Net):
    """What the level below suggests for this one.

    Args:
        place: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
    """

    source = "below"


@register.rule("lateral")
class Lateral(Net):
    """What the same level suggests in the neighbouring columns.

    Args:
        place: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
    """

    source = "own"


@register.rule("top_down")
class TopDown(Net):
    """What the level above expects of this one.

    Args:
        place: Where the rule stands.
        hidden: Units of the hidden layer.
        activation: What they do with their sum.
    """

    source = "above"


@register.rule("fade")
class Fade(UpdateRule):
    """Let a level forget a share of itself, as Hinton's weighted mean does.

    Beside rules that add, it keeps a level from growing without bound: what they say in every
    step settles at `1 / rate` times what they say in one.

    Args:
        rate: The share that is forgotten in a step.
    """

    cellwise = True

    def __init__(self, *, rate: Fraction = 0.1) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, view: View) -> Tensor:
        """Return a share of the level, taken away."""
        return -self.rate * view.own

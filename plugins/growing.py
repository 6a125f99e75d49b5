"""Growing neural cellular automata (Mordvintsev, Randazzo, Niklasson, Levin; Distill 2020).

A cell perceives every channel of its level and the channel's two Sobel slopes, feeds them to
one hidden layer, and adds what comes out. The last layer starts at zero: a new automaton
stands still. The rule knows nothing of targets, pools or life; those belong to the recipe.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from nca import OneHidden, Place, StencilPerception, UpdateRule, View, per_cell, register
from nca.types import Count


@register.rule("growing")
class Growing(UpdateRule):
    """Fixed perception, one hidden layer, a change for every channel.

    With 16 channels and 128 hidden units it has the paper's 8,336 parameters.

    Args:
        place: Where the rule stands.
        hidden: Units of the hidden layer.
        angle: Turn of the perception in radians (grids of two axes); no training needed.
        laplacian: Whether cells perceive the Laplacian too, as texture automata do.
    """

    cellwise = True

    def __init__(
        self, place: Place, *, hidden: Count = 128, angle: float = 0.0, laplacian: bool = False
    ) -> None:
        super().__init__()
        channels = place.own.channels
        self.perception = StencilPerception(channels, place.axes, angle=angle, laplacian=laplacian)
        self.hidden = nn.Linear(self.perception.features, hidden)
        nn.init.xavier_uniform_(self.hidden.weight)
        nn.init.zeros_(self.hidden.bias)
        self.change = nn.Linear(hidden, channels)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    @property
    def angle(self) -> float:
        """Turn of the perception in radians; may be set at any time."""
        return self.perception.angle

    @angle.setter
    def angle(self, angle: float) -> None:
        self.perception.angle = angle

    def formula(self) -> OneHidden | None:
        """Return the perception and the hidden layer as one correlation, then the change."""
        return self.perception.formula(self.hidden, self.change)

    def forward(self, view: View) -> Tensor:
        """Return the change: `W2 relu(W1 perception + b1) + b2`."""
        perceived = self.perception(view, view.own)  # (B, C * stencils, H, W)
        return per_cell(self.change, F.relu(per_cell(self.hidden, perceived)))

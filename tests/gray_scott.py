"""Gray-Scott: two substances, one of which feeds on the other; a rule of exactly two channels."""

import torch
from torch import Tensor

from nca import Needs, UpdateRule, View, register
from nca.types import Fraction


@register.rule("gray_scott")
class GrayScott(UpdateRule):
    """Two substances that diffuse and react (Pearson 1993).

    Args:
        feed: How fast the first substance is supplied.
        kill: How fast the second decays.
    """

    needs = Needs(channels=2, states="unit")
    cellwise = True

    def __init__(self, *, feed: Fraction = 0.037, kill: Fraction = 0.06) -> None:
        super().__init__()
        self.feed, self.kill = feed, kill

    def forward(self, view: View) -> Tensor:
        """Return the change of both substances."""
        u, v = view.own[:, :1], view.own[:, 1:]
        spread = view.neighbours(view.own).mean(dim=1) - view.own
        eaten = u * v * v
        change = torch.cat([self.feed * (1 - u) - eaten, eaten - (self.feed + self.kill) * v], 1)
        return change + spread * change.new_tensor([1.0, 0.5]).view(-1, *(1,) * (u.ndim - 2))

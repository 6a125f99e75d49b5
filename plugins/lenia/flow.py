"""Flow Lenia: matter that flows where Lenia would grow, and is never made or lost.

After Plantec, Hamon, Etcheverry, Oudeyer, Moulin-Frier and Chan (2022, arXiv 2212.07906).

Legend: B batch, C channel, X axis, D place that a cell may be carried to along an axis; `*space`
the axes of the grid.
"""

import functools
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from nca import Needs, RuleContext, UpdateRule, View, register, stencils
from nca.types import Count, Positive
from nca_plugins.lenia.lenia import Kernels, growth_field


@register.rule("flow_lenia")
class FlowLenia(UpdateRule):
    """Matter flows up the slope of growth, and down its own slope where it is crowded.

    With the growth `U` of `lenia`, here an affinity, and the sum `S` of all channels,

        F = (1 - alpha) grad U - alpha grad S,     alpha = clip((S / crowded)^2, 0, 1)

    is the flow of each channel. What a cell holds is carried by `time_step F` and laid down as a
    square of half-width `spread` that is shared out among the cells it covers (reintegration
    tracking), so that on a torus where every cell fires each channel's sum stays what it was.

    Args:
        context: Where the rule stands.
        kernels: As of `lenia`; weights say how much each affinity counts.
        time_step: `dt`, times the slope per cell. Published ones go with Sobel's sums, which are 8
            times the slope in two axes: 1.6 here is 0.2 there.
        spread: `s`, half the width of what is laid down, in cells.
        crowded: `beta_A`, the sum of a cell's channels from which on it only spreads.
        reach: How many cells away a cell may lay down what it holds; it is carried `reach + 0.5 -
            spread` cells at most.
        learned: Whether means, deviations and heights of rings are learned.

    Raises:
        OptionError: A kernel of a channel that is not there.
    """

    needs = Needs(states="unit", mean=0.15)

    def __init__(
        self,
        context: RuleContext,
        *,
        kernels: Kernels = (),
        time_step: Positive = 1.6,
        spread: Annotated[float, Ge(0.1), Le(1.5)] = 0.65,
        crowded: Positive = 2.0,
        reach: Annotated[Count, Ge(2), Le(8)] = 2,
        learned: bool = False,
    ) -> None:
        super().__init__()
        self.field = growth_field(context, kernels, learned=learned)
        self.radius = max(kernel.reach for kernel in self.field.kernels) + 1 + reach
        self.time_step, self.spread, self.crowded, self.reach = time_step, spread, crowded, reach
        self.kernels = [
            stencils.gradient(context.axes, axis).flatten().tolist() for axis in range(context.axes)
        ]
        self.adjustable = {"time step of the flow": ("time_step", 0.1, 3 * time_step)}

    def forward(self, view: View) -> Tensor:
        """Return what flows in less what flows out."""
        own = view.own
        way = self.time_step * self.flow(view)
        farthest = self.reach + 0.5 - self.spread
        return self._carried(view, own, way.clamp(-farthest, farthest)) - own

    def flow(self, view: View) -> Tensor:
        """Return the flow of each channel along each axis, `(B, X, C, *space)`."""
        mass = view.own.sum(dim=1, keepdim=True)  # (B, 1, *space)
        felt = torch.cat([self.field(view), mass], dim=1)
        slopes = torch.stack([self._slope(view, felt, kernel) for kernel in self.kernels], dim=1)
        crowding = (mass / self.crowded).square().clamp(max=1).unsqueeze(1)
        return (1 - crowding) * slopes[:, :, :-1] - crowding * slopes[:, :, -1:]

    def _slope(self, view: View, felt: Tensor, kernel: list[float]) -> Tensor:
        """Return a slope as a sum of neighbours: a third of the time of a convolution."""
        pairs = zip(view.shifted(felt), kernel, strict=True)
        return functools.reduce(torch.add, [factor * seen for seen, factor in pairs if factor])

    def _carried(self, view: View, held: Tensor, way: Tensor) -> Tensor:
        """Return what lies in each cell once all that is held was carried, `(B, C, *space)`."""
        parts = [self._covered(one) for one in way.unbind(dim=1)]  # (B, D, C, *space) each
        matter = held.unsqueeze(1)
        for part in reversed(parts[1:]):
            matter = (part.unsqueeze(2) * matter.unsqueeze(1)).flatten(1, 2)
        pieces = parts[0].unsqueeze(2) * matter.unsqueeze(1)  # (B, D, D of the other axes, C, ...)
        total = self._gathered(view, pieces, 0)
        for axis in range(1, len(parts)):
            pieces = total.unflatten(1, (2 * self.reach + 1, -1, held.shape[1]))
            total = self._gathered(view, pieces, axis)
        return total

    def _gathered(self, view: View, pieces: Tensor, axis: int) -> Tensor:
        """Return the sum of pieces, each carried along an axis, `(B, other D * C, *space)`."""
        offset = [0] * (pieces.ndim - 4)
        total = None
        for place, piece in enumerate(pieces.unbind(dim=1), start=-self.reach):
            offset[axis] = place
            laid = view.topology.shift(piece.flatten(1, 2), offset)
            total = laid if total is None else total + laid
        assert total is not None
        return total

    def _covered(self, way: Tensor) -> Tensor:
        """Return how much of a carried square lies over each cell of an axis nearby.

        Args:
            way: How far it is carried along the axis, `(B, C, *space)`.

        Returns:
            `(B, D, C, *space)`, of which the D parts sum to 1.
        """
        edges = torch.arange(-self.reach, self.reach + 2, device=way.device, dtype=way.dtype) - 0.5
        edges = edges.view(-1, *(1,) * (way.ndim - 1))
        # how much lies before each edge: rounded, their differences still sum to 1
        before = ((edges - way.unsqueeze(1)) / (2 * self.spread) + 0.5).clamp(0, 1)
        return before.diff(dim=1)

"""Principal components as colours: what differs most between cells is what one sees.

`PrincipalAxes` finds them; the functions paint them, with one basis and one scale for all tensors
of a call, so that colours mean the same in all of them; `SteadyColours` follows a running
automaton.

Legend: B sample, C channel, K component, N cell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

COUNT = 3
"""Red, green and blue."""

WIDTH = 5.0
"""Standard deviations between the darkest and the brightest."""

BRIGHTEST = 0.98
"""Quantile of the lengths beyond which cells are as bright as it."""

LEAST = 1e-8


@dataclass(frozen=True)
class PrincipalAxes:
    """The directions along which cells of a level differ most.

    Attributes:
        mean: `(C)`.
        axes: `(K, C)`; rows of zeros where channels or cells are too few for so many.
        spread: Standard deviation along each axis, `(K)`, at least `LEAST`.
    """

    mean: Tensor
    axes: Tensor
    spread: Tensor

    @classmethod
    def fit(
        cls, tensors: Sequence[Tensor], count: int = COUNT, dtype: torch.dtype = torch.float32
    ) -> "PrincipalAxes":
        """Return the principal axes of all cells.

        Args:
            tensors: `(B, C, *space)` of one level, at several steps.
            count: How many axes.
            dtype: The precision of the result.
        """
        cells = torch.cat([_channels_last(tensor, dtype).flatten(0, -2) for tensor in tensors])
        mean = cells.mean(dim=0)
        _, _, axes = torch.linalg.svd(cells - mean, full_matrices=False)
        axes = axes[:count]
        # a component's sign is arbitrary; let its greatest weight be positive
        signs = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
        axes = F.pad(axes * torch.where(signs == 0, 1.0, signs), (0, 0, 0, count - len(axes)))
        return cls(mean, axes, _spread(cells - mean, axes))

    def turned_towards(self, other: "PrincipalAxes", tensors: Sequence[Tensor]) -> "PrincipalAxes":
        """Return the basis of the same span that is nearest to another (orthogonal Procrustes).

        Args:
            other: The basis to come near to.
            tensors: Those of which the spread is measured anew.
        """
        left, _, right = torch.linalg.svd(self.axes @ other.axes.T)
        axes = (left @ right).T @ self.axes
        cells = torch.cat([_channels_last(t, self.axes.dtype).flatten(0, -2) for t in tensors])
        return PrincipalAxes(self.mean, axes, _spread(cells - self.mean, axes))

    def components(self, tensor: Tensor) -> Tensor:
        """Return the components of each cell of `(B, C, *space)`: `(B, *space, K)`."""
        return (_channels_last(tensor, self.axes.dtype) - self.mean) @ self.axes.T

    def colours(self, tensor: Tensor) -> Tensor:
        """Return `(B, C, *space)` as `(B, K, *space)`, from 0 to 1; grey: the mean."""
        scaled = 0.5 + self.components(tensor) / self.spread / WIDTH
        return scaled.clamp(0, 1).movedim(-1, 1)


class SteadyColours:
    """Principal colours of one running level, turned as little as possible from step to step.

    Fitted anew at every step, components would flip and turn, and a still automaton would flicker.
    Mean and scale are those of the newest step, so that the picture never fades.
    """

    def __init__(self) -> None:
        self._fitted: PrincipalAxes | None = None

    def fit(self, level: Tensor) -> None:
        """Follow a level, `(B, C, *space)`."""
        level = level.cpu()
        found = PrincipalAxes.fit([level], dtype=torch.float64)
        self._fitted = found.turned_towards(self._fitted, [level]) if self._fitted else found

    def colours(self, level: Tensor) -> Tensor:
        """Return a level as red, green and blue, `(B, 3, *space)`, from 0 to 1; grey: the mean."""
        if self._fitted is None:
            self.fit(level)
        assert self._fitted is not None
        return self._fitted.colours(level.cpu())


def principal_colours(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the first three components as red, green and blue, scaled by their spread.

    Args:
        tensors: `(B, C, *space)` of one level, at several steps.

    Returns:
        `(B, 3, *space)` each, from 0 to 1; grey at the mean.
    """
    found = PrincipalAxes.fit(tensors)
    return [found.colours(tensor) for tensor in tensors]


def component_colours(tensors: Sequence[Tensor], fitted: slice = slice(None)) -> list[Tensor]:
    """Return the first three components as red, green and blue, scaled by their largest.

    Args:
        tensors: `(B, C, *space)` of one level, at several steps.
        fitted: Those of the tensors to which basis and scale are fitted.

    Returns:
        `(B, 3, *space)` each, from 0 to 1; grey at the mean.
    """
    found = _components(tensors, fitted, COUNT)
    scale = _largest([one.abs() for one in found[fitted]])
    return [(0.5 + 0.5 * one / scale).clamp(0, 1).movedim(-1, 1).float() for one in found]


def angle_colours(tensors: Sequence[Tensor], fitted: slice = slice(None)) -> list[Tensor]:
    """Return the angle in the plane of the first two components as hue.

    Brightness is the length in that plane: cells at the mean are black.

    Args:
        tensors: `(B, C, *space)` of one level, at several steps.
        fitted: Those of the tensors to which plane and scale are fitted.

    Returns:
        `(B, 3, *space)` each, from 0 to 1.
    """
    found = _components(tensors, fitted, 2)
    lengths = [one.norm(dim=-1, keepdim=True) for one in found]
    longest = _largest(lengths[fitted])
    coloured = []
    for plane, length in zip(found, lengths, strict=True):
        down, right = plane.unbind(-1)
        hue = torch.atan2(down, right) / (2 * math.pi) % 1
        bright = (length / longest).clamp(max=1).movedim(-1, 1)
        coloured.append((wheel(hue) * bright).float())
    return coloured


def wheel(hue: Tensor) -> Tensor:
    """Return full colours, `(B, 3, *space)`, for hues from 0 to 1, `(B, *space)`."""
    turn = torch.stack([(hue * 6 + shift) % 6 for shift in (5, 3, 1)], dim=1)
    return 1 - torch.minimum(turn, 4 - turn).clamp(0, 1)


def _components(tensors: Sequence[Tensor], fitted: slice, count: int) -> list[Tensor]:
    axes = PrincipalAxes.fit(tensors[fitted], count, torch.float64)
    return [axes.components(tensor) for tensor in tensors]


def _largest(steps: Sequence[Tensor]) -> Tensor:
    """Return the `BRIGHTEST` quantile of each component, `(K,)`, of the step where it is most."""
    each = [one.flatten(0, -2).quantile(BRIGHTEST, dim=0) for one in steps]
    return torch.stack(each).amax(dim=0).clamp(min=1e-12)


def _spread(centred: Tensor, axes: Tensor) -> Tensor:
    return (centred @ axes.T).std(dim=0, correction=min(1, len(centred) - 1)).clamp(min=LEAST)


def _channels_last(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return `(B, *space, C)`; numbers that are not finite count as 0."""
    return tensor.detach().to(dtype).nan_to_num(0, 0, 0).movedim(1, -1)

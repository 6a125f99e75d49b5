"""What the views of a step see while it is traced into ONNX, for grids of any size.

The plain step lays whole laps of a torus beside each other, as many as a radius needs; how many
depends on the side, which a traced graph would freeze. Here each padded cell asks for the number of
the cell that it repeats, which is arithmetic on the side, whatever the side and the radius.
"""

from dataclasses import replace

import torch
from torch import Tensor

from nca.engine.program import Correlation
from nca.engine.rim import extended
from nca.engine.step_inputs import DenseInputs
from nca.engine.topology import Topology
from nca.types import Boundary


def looked_up(tensor: Tensor, dim: int, radius: int, boundary: Boundary) -> Tensor:
    """Add so many cells to both ends of a dimension, as `nca.engine.rim.extended` does."""
    if boundary == "zeros":
        return extended(tensor, dim, radius, boundary)
    side = tensor.shape[dim]
    place = torch.arange(-radius, side + radius, device=tensor.device)
    last = torch.full((), side - 1, dtype=place.dtype, device=tensor.device)
    if boundary == "torus":
        place = place.remainder(last + 1)
    elif boundary == "reflect":
        period = (2 * last).clamp(min=1)
        place = place.remainder(period)
        place = torch.minimum(place, period - place)
    return tensor.index_select(dim, torch.minimum(place.clamp(min=0), last))


def exportable(topology: Topology) -> Topology:
    """Return a topology with the same boundaries whose padding can be traced for any size."""
    return Topology(topology.boundaries, looked_up)


class TracedInputs(DenseInputs):
    """The inputs of a step whose convolutions over three axes all have a bias.

    To those without, torch's exporter gives one of the wrong length.
    """

    def correlate(self, tensor: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """Correlate with an odd-sided kernel; see `DenseInputs.correlate`."""
        return super().correlate(tensor, weight, _bias(weight, bias), groups)

    def convolve(self, tensor: Tensor, kernel: Tensor, groups: int) -> Tensor:
        """Correlate with a wide kernel, cell by cell: ONNX has no such transform."""
        return self.correlate(tensor, kernel, None, groups)

    def stencils(self, tensor: Tensor, kernels: Tensor) -> Tensor:
        """Correlate every channel with each of K kernels; see `DenseInputs.stencils`."""
        if tensor.ndim < 5:
            return super().stencils(tensor, kernels)
        channels, each = tensor.shape[1], kernels.to(tensor.dtype)[:, None]
        weight = each.repeat(channels, *(1,) * (each.ndim - 1))  # (C * K, 1, *kernel)
        seen = self.correlate(tensor, weight, None, channels)
        return seen.unflatten(1, (channels, -1)).transpose(1, 2).flatten(1, 2)

    def _correlated(self, level: str, correlation: Correlation) -> Tensor:
        bias = _bias(correlation.weight, correlation.bias)
        return super()._correlated(level, replace(correlation, bias=bias))


def _bias(weight: Tensor, bias: Tensor | None) -> Tensor | None:
    return weight.new_zeros(len(weight)) if bias is None and weight.ndim == 5 else bias

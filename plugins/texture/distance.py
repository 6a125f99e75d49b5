"""How far the patches of one picture are from those of another: a sliced Wasserstein distance.

Both pictures are seen as clouds of patches. Along a direction of patch space each cloud becomes a
row of numbers; sorted, the two rows say how far the one has to be carried to become the other,
whatever stands where (Rabin et al. 2011; for patches Elnekave and Weiss 2022). Many random
directions stand for all. The scales of a pyramid see features of growing size; pictures are
sharpened first, for else the fine detail, which has little variance, would count for nothing
(Mordvintsev and Niklasson 2021, arXiv 2111.13545).

Legend: B batch, C colour, H height, W width, K direction, P patches.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nca import TORUS, CellRNG, HostRNG, Topology, to_device

_BLUR = torch.tensor([0.0614, 0.2448, 0.3877, 0.2448, 0.0614])
"""A Gauss curve of standard deviation 1, cut at 2."""


def random_directions(source: CellRNG, stream: str, count: int, colours: int, patch: int) -> Tensor:
    """Return random directions of length 1 in the space of patches, `(K, C, patch, patch)`.

    Args:
        source: The randomness of a single sample: all pictures are seen along the same.
        stream: A name for the draw.
        count: How many.
        colours: Colours of a pixel.
        patch: Pixels along each side of a patch.
    """
    drawn = source.normal(stream, count * colours, (patch, patch)).reshape(count, -1)
    return F.normalize(drawn, dim=1).view(count, colours, patch, patch)


def patch_rows(
    pictures: Tensor,
    along: Tensor,
    scale: int,
    topology: Topology,
    every: int = 1,
    offset: Sequence[int] = (0, 0),
) -> Tensor:
    """Return the sorted numbers of a picture's patches along each direction, `(B, K, P)`.

    At scale 0 a patch is made of neighbouring pixels of the sharpened picture; at each further
    scale the picture is blurred and the patch reaches twice as far.

    Args:
        pictures: `(B, C, H, W)`.
        along: Directions, `(K, C, patch, patch)`.
        scale: Which one, from 0.
        topology: What lies beyond the edges of the pictures.
        every: Take the patches of every so many pixels on each axis.
        offset: The first pixel that has one, on each axis.
    """
    for finer in range(scale):
        pictures = _blurred(pictures, 2**finer, topology)
    reach = 2**scale
    pictures = 3 * pictures - 2 * _blurred(pictures, reach, topology)
    if any(offset):
        pictures = pictures.roll([-start for start in offset], (-2, -1))
    padded = topology.pad(pictures, reach * (along.shape[-1] // 2))
    seen = F.conv2d(padded, along.to(pictures.dtype), dilation=reach, stride=every)
    return seen.flatten(2).sort(dim=2).values


def carried(ones: Tensor, others: Tensor) -> Tensor:
    """Return the mean squared way from sorted numbers to others, `(B,)`.

    Args:
        ones: `(B, K, P)`, sorted.
        others: `(1, K, Q)`, sorted; they are read at P places if Q is another number.
    """
    if others.shape[2] != ones.shape[2]:
        others = F.interpolate(others, ones.shape[2], mode="linear", align_corners=False)
    return (ones - others).square().flatten(1).mean(dim=1)


def distance(
    pictures: Tensor,
    target: Tensor,
    draw: HostRNG,
    *,
    count: int,
    patch: int,
    scales: int,
    edges: Topology = TORUS,
) -> Tensor:
    """Return how far pictures are from a target, from 0, `(B,)`; a plain one in its mean is at 1.

    Args:
        pictures: `(B, C, H, W)`; they wrap.
        target: `(C, H, W)`, of any size.
        draw: The randomness of directions and of where coarse patches begin.
        count: Directions at each scale.
        patch: Pixels along each side of a patch, an odd number.
        scales: How many scales, each twice as coarse as the last.
        edges: What lies beyond the edges of the target.
    """
    beginnings, source = (
        draw.cells(torch.zeros(1, dtype=torch.int64, device=device))
        for device in ("cpu", pictures.device)
    )
    target = target.unsqueeze(0)
    plain = target.mean(dim=(2, 3), keepdim=True)
    total = pictures.new_zeros(len(pictures))
    for scale in range(scales):
        along = random_directions(source, f"direction/{scale}", count, target.shape[1], patch)
        wanted = patch_rows(target, along, scale, edges)
        flat = (along * plain.view(1, -1, 1, 1)).sum(dim=(1, 2, 3)).view(1, -1, 1)
        # what is twice as blurred needs half as many looks
        every = max(1, 2**scale // 2)
        offset = [int(share * every) for share in beginnings.each(f"offset/{scale}", 2)[0].tolist()]
        grown = patch_rows(pictures, along, scale, TORUS, every, offset)
        total = total + carried(grown, wanted) / carried(flat.expand_as(wanted), wanted)
    return total / scales


def _blurred(pictures: Tensor, reach: int, topology: Topology) -> Tensor:
    """Return pictures blurred by taps that are `reach` pixels apart, `(B, C, H, W)`."""
    colours = pictures.shape[1]
    taps = to_device((_BLUR / _BLUR.sum()).to(pictures.dtype), pictures.device)
    for shape, radii in (((5, 1), (2 * reach, 0)), ((1, 5), (0, 2 * reach))):
        weight = taps.view(1, 1, *shape).expand(colours, 1, *shape)
        padded = topology.pad(pictures, radii)
        pictures = F.conv2d(padded, weight, dilation=reach, groups=colours)
    return pictures

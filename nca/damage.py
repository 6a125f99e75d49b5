"""Ways to hurt a state, drawn from counted randomness."""

import torch
from torch import Tensor

from nca.noise import Source
from nca.state import State


def disc(state: State, source: Source, levels: list[str]) -> State:
    """Empty a random disc in every sample, on the given levels.

    The grid spans -1 to 1 along each axis; the centre is drawn from -0.5 to 0.5 on each, the
    radius from 0.1 to 0.4 (Mordvintsev et al. 2020).

    Args:
        state: The state to damage.
        source: Where the numbers come from; one disc per sample.
        levels: The levels to empty.
    """
    draws = source.each("damage", state.axes + 1)  # (B, axes + 1)
    kept = {}
    for name in levels:
        size = state.size(name)
        radius = 0.1 + 0.3 * draws[:, -1].view(-1, *(1,) * state.axes)
        squared: Tensor | float = 0.0
        for axis, side in enumerate(size):
            line = torch.linspace(-1, 1, side, device=draws.device)
            line = line.view(-1, *(1,) * (state.axes - 1 - axis))
            centre = (draws[:, axis] - 0.5).view(-1, *(1,) * state.axes)
            squared = squared + (line - centre) ** 2
        outside = torch.as_tensor(squared) >= radius**2  # (B, *space)
        kept[name] = state[name] * outside.unsqueeze(1)
    return state.replace(kept)

"""Colours of cells: of a few states, and of numbers from 0 to 1.

Legend: S states, K stops.
"""

import torch
from torch import Tensor

EMPTY, ALIVE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

FADING = torch.tensor(
    [
        [1.0, 0.95, 0.65],
        [0.98, 0.65, 0.15],
        [0.85, 0.32, 0.24],
        [0.52, 0.14, 0.42],
        [0.2, 0.07, 0.3],
    ]
)
"""From a cell that has just died to one that is nearly empty."""

NUMBERS = torch.tensor(
    [
        [0.00, 0.00, 0.02],
        [0.26, 0.04, 0.41],
        [0.58, 0.15, 0.40],
        [0.87, 0.32, 0.23],
        [0.99, 0.65, 0.04],
        [0.99, 1.00, 0.64],
    ]
)
"""From 0 to 1, in even steps of lightness."""

WIREWORLD = torch.tensor([EMPTY, (0.55, 0.85, 1.0), (0.85, 0.2, 0.15), (0.85, 0.6, 0.1)])
"""Empty, head, tail, conductor."""


def state_colours(states: int, rule: str = "") -> Tensor:
    """Return a colour for each state, `(S, 3)`, from 0 to 1.

    Args:
        states: S.
        rule: The family of the rule, if it is known.
    """
    if rule == "Wireworld":
        return WIREWORLD
    faded = between(torch.linspace(0, 1, max(states - 2, 1)), FADING)
    return torch.cat([torch.tensor([EMPTY, ALIVE]), faded])[:states]


def number_colours(values: Tensor) -> Tensor:
    """Return numbers from 0 to 1 in colours, `(..., 3)`."""
    return between(values.float().nan_to_num(0.0).clamp(0, 1), NUMBERS)


def between(values: Tensor, stops: Tensor) -> Tensor:
    """Return places from 0 to 1 among K stops as colours, `(..., 3)`."""
    stops = stops.to(values.device)
    place = values * (len(stops) - 1)
    below = place.floor().long().clamp(max=len(stops) - 2)
    return torch.lerp(stops[below], stops[below + 1], (place - below).unsqueeze(-1))

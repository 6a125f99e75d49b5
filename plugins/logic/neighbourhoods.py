"""Grids in which every neighbourhood of cells that are on or off stands exactly once.

Three cells in a row: a circle of bits that has each of the eight rows of three once (a de Bruijn
circle). Three by three: columns that all are this circle, each turned against the one before it;
the turns are a circle in which each pair of the eight turns stands once, so that each of the 8
circle's places meets each pair of turns once, which makes 512 (J. C. Cock, 1988).
"""

import torch
from torch import Tensor

REACH = 3
"""Cells along each side of a neighbourhood."""
SIDES = {1: (8,), 2: (8, 64)}
"""The grids, by their number of axes."""


def every_neighbourhood(axes: int) -> Tensor:
    """Return a torus of 0 and 1 in which each neighbourhood stands once, float32 `SIDES[axes]`."""
    circle = torch.tensor(de_bruijn(2, REACH), dtype=torch.float32)
    if axes == 1:
        return circle
    turns = torch.tensor(de_bruijn(len(circle), REACH - 1)).cumsum(0)
    return torch.stack([circle.roll(-int(turn)) for turn in turns], dim=1)


def de_bruijn(symbols: int, length: int) -> list[int]:
    """Return a circle of symbols in which each word of a length stands once.

    It is what the words that are least among their turns make, and whose length divides the given
    one, in the order of a dictionary (Fredricksen and Maiorana, 1978).
    """
    found: list[int] = []
    word = [-1]
    while word:
        word[-1] += 1
        if length % len(word) == 0:
            found += word
        word = [word[place % len(word)] for place in range(length)]
        while word and word[-1] == symbols - 1:
            word.pop()
    return found

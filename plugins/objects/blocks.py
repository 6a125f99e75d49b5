"""Blocks of four squares, as in the game of Tetris: seven shapes, each in four turns.

Legend: B scene, K block, T try, S pixels along a side.
"""

import torch
from torch import Tensor

from nca import CellRNG

SQUARES = torch.tensor(
    [
        [(0, 0), (0, 1), (0, 2), (0, 3)],
        [(0, 0), (0, 1), (1, 0), (1, 1)],
        [(0, 0), (0, 1), (0, 2), (1, 1)],
        [(0, 1), (0, 2), (1, 0), (1, 1)],
        [(0, 0), (0, 1), (1, 1), (1, 2)],
        [(0, 0), (1, 0), (1, 1), (1, 2)],
        [(0, 2), (1, 0), (1, 1), (1, 2)],
    ]
)
"""Row and column of the four squares of each block, `(7, 4, 2)`."""


def block_masks(source: CellRNG, count: int, tries: int, side: int, unit: int) -> Tensor:
    """Return where each block would lie in each try, bool `(B, K, T, S, S)`.

    Args:
        source: The numbers of the scenes; a block keeps shape and turn in all its tries.
        count: Blocks in each scene.
        tries: Places to choose from.
        side: Pixels along each side of the scene.
        unit: Pixels along each side of a square.
    """
    drawn = source.each("blocks", count * (2 + 2 * tries)).view(-1, count, 2 + 2 * tries)
    shape, turn = ((drawn[..., i] * n).long() for i, n in enumerate((len(SQUARES), 4)))
    squares = unit * _turned()[shape, turn]  # (B, K, 4, 2)
    room = side - unit - squares.amax(dim=2)  # (B, K, 2)
    places = drawn[..., 2:].unflatten(2, (tries, 2))
    places = (places * (room + 1).unsqueeze(2)).long()  # (B, K, T, 2)
    corner = (squares.unsqueeze(2) + places.unsqueeze(3)).unsqueeze(-1)  # (B, K, T, 4, 2, 1)
    line = torch.arange(side)
    inside = (corner <= line) & (line < corner + unit)  # (B, K, T, 4, 2, S)
    return (inside[..., 0, :, None] & inside[..., 1, None, :]).any(dim=3)


def _turned() -> Tensor:
    """Return the squares of each block in each turn, `(7, 4, 4, 2)`, from row and column 0 on."""
    turns = [SQUARES]
    for _ in range(3):
        rows, columns = turns[-1].unbind(dim=-1)
        turns.append(torch.stack([columns, -rows], dim=-1))
    return torch.stack([turn - turn.amin(dim=1, keepdim=True) for turn in turns], dim=1)

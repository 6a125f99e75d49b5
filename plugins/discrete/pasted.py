"""Patterns on their way into a grid and out of it, as text.

Legend: H height, W width.
"""

import numpy as np
import torch
from torch import Tensor

from nca_plugins.discrete.pattern import Pattern, PatternError
from nca_plugins.discrete.pattern_files import parse_pattern
from nca_plugins.discrete.rle import write_rle
from nca_plugins.discrete.rule_string import MOST_STATES, RuleString

LABEL = "the pattern"


def cells_of_text(text: str, axes: int, states: int, rule: RuleString | None = None) -> Tensor:
    """Return the cells of a text of runs or of plain text, `(1, *cells)`.

    Args:
        text: Somebody's.
        axes: Of the grid, 1 or 2.
        states: How many a cell has; 0: any number.
        rule: The rule under which they shall live, if it is known.

    Raises:
        PatternError: It is no pattern, or one that does not fit.
    """
    cells = parse_pattern(text).cells
    if not cells.size:
        raise PatternError(
            f"{LABEL} has no cells.", where=LABEL, to_do="give one with a live cell: 3o!"
        )
    if axes == 1 and len(cells) > 1:
        raise PatternError(
            f"{LABEL} has {len(cells)} rows.", where="the grid is one row", to_do="give one row"
        )
    greatest = int(cells.max())
    if states and greatest >= states:
        words = f"under {rule.text} " if rule else ""
        raise PatternError(
            f"{LABEL} has cells in state {greatest}.",
            where=f"cells here have {states} states {words}".rstrip(),
            to_do="give a pattern of this rule, or play it: nca play FILE.rle",
        )
    found = torch.from_numpy(cells).float()
    return found if axes == 1 else found.unsqueeze(0)


def text_of_cells(cells: Tensor, rule: str = "") -> str:
    """Return what is not empty of some cells as runs, with where it stood.

    Args:
        cells: The number of each state, `(H, W)` or `(W)`; those between are the nearest.
        rule: The rule string.
    """
    rounded = cells.detach().float().cpu().nan_to_num(0).round().clamp(0, MOST_STATES - 1)
    whole = np.atleast_2d(rounded.numpy().astype(np.uint8))
    rows, columns = (np.flatnonzero(whole.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return write_rle(Pattern(np.zeros((1, 1), dtype=np.uint8), rule))
    top, left = int(rows[0]), int(columns[0])
    box = whole[top : rows[-1] + 1, left : columns[-1] + 1]
    return write_rle(Pattern(box, rule, offset=(left, top)))

"""Sheets of tiles: levels of any number of axes and of any resolution beside each other."""

import pytest
import torch

from nca import State
from nca.render.legend import TEXT
from nca.render.sheet import levels_sheet, strip


@pytest.mark.parametrize("space", [(8,), (4, 8), (2, 4, 8)])
@pytest.mark.parametrize("channels", [1, 4])
def test_levels_of_any_axes_and_scales_lie_beside_each_other(space, channels):
    draw = torch.Generator().manual_seed(0)
    coarse = tuple(side // 2 for side in space)
    state = State(
        {
            "plan": torch.rand(2, channels, *coarse, generator=draw),
            "body": torch.rand(2, channels, *space, generator=draw),
        }
    )
    high = (1, *space)[-2]
    sheet = levels_sheet([state, state], [torch.zeros(2, 3, high, 8)] * 2)
    assert sheet.tile_size == (high, 8)  # no cell of the finest level is left out
    plan, body, _ = sheet.rows[0]
    assert plan.shape == (3, max(high // 2, 1), 4)
    assert body.shape == (3, high, 8)
    assert len(set(sheet.image(scale=1).convert("RGB").tobytes())) > 8


def test_rows_lower_than_a_line_of_text_keep_their_names_apart():
    low = strip([torch.zeros(3, 3, 1, 64)], ["step 0"])
    one, all_three = low.only(0).size(scale=1), low.size(scale=1)
    assert all_three[1] - one[1] >= 2 * TEXT

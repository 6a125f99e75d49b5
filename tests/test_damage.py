"""Damage: a random disc in every sample, drawn from counted randomness."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import axes, random_seeds, sizes

from nca import CellRNG, Layout, Level, NCAError, ShapeError
from nca.tasks.damage import Damage, disc

LAYOUT = Layout([Level("image", 1, input=True), Level("body", 2)])


def holes(random_seed: int, size: tuple[int, ...], batch: int = 3) -> torch.Tensor:
    """Return which cells a disc has emptied, bool `(B, *space)`."""
    state = LAYOUT.zeros(batch, size).map(lambda level: level + 1)
    cut = disc(state, CellRNG(random_seed, 0, state.samples), ["body"])
    assert torch.equal(cut["image"], state["image"])
    assert torch.equal(cut["body"][:, 0], cut["body"][:, 1])
    assert set(cut["body"].unique().tolist()) <= {0, 1}
    return cut["body"][:, 0] == 0


@given(count=axes(), size=sizes(low=2, high=9), seed=random_seeds())
def test_a_hole_is_a_disc_inside_the_grid(count, size, seed):
    size = size[:count]
    draws = CellRNG(seed, 0, torch.arange(3)).each("damage", count + 1)
    for hole, (*centre, radius) in zip(holes(seed, size), draws.tolist(), strict=True):
        for cell in torch.cartesian_prod(*map(torch.arange, size)).view(-1, count).tolist():
            places = [2 * c / (side - 1) - 1 for c, side in zip(cell, size, strict=True)]
            squared = sum((p - (m - 0.5)) ** 2 for p, m in zip(places, centre, strict=True))
            distance = squared**0.5 - (0.1 + 0.3 * radius)
            if abs(distance) > 1e-5:
                assert hole[tuple(cell)] == (distance < 0)


def test_every_sample_has_a_hole_of_its_own():
    cut = holes(0, (40, 40), batch=20)
    shares = cut.double().mean(dim=(1, 2))
    assert shares.unique().numel() == 20
    # radii from 0.1 to 0.4 of half a side
    assert 0.005 < shares.min() < 0.03
    assert 0.07 < shares.max() < 0.135


def test_the_same_numbers_give_the_same_hole():
    assert torch.equal(holes(3, (20, 20)), holes(3, (20, 20)))
    assert not torch.equal(holes(3, (20, 20)), holes(4, (20, 20)))


def emptied(text: str, size: tuple[int, ...], random_seed: int = 0, batch: int = 3):
    """Return which cells damage empties, bool `(B, *space)`."""
    state = LAYOUT.zeros(batch, size).map(lambda level: level + 1)
    cut = Damage.parse(text).hurt(state, CellRNG(random_seed, 0, state.samples), ["body"])
    assert torch.equal(cut["image"], state["image"])
    assert torch.equal(cut["body"][:, 0], cut["body"][:, 1])
    return cut["body"][:, 0] == 0


@given(
    shape=st.sampled_from(["disc", "scatter"]),
    share=st.floats(0, 1),
    count=axes(),
    size=sizes(low=1, high=7),
    seed=random_seeds(),
)
def test_damage_takes_exactly_the_share_that_it_says(shape, share, count, size, seed):
    size = size[:count]
    hole = emptied(f"{shape}:{share}", size, seed)
    assert hole.flatten(1).sum(dim=1).tolist() == [round(share * math.prod(size))] * 3


def test_a_disc_lies_in_the_middle_or_anywhere_across_the_edge():
    cross = torch.tensor([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=torch.bool)
    hole = emptied("disc:0.2", (5, 5))
    assert hole[0, 1:4, 1:4].equal(cross)
    found = emptied("disc:0.2:anywhere", (5, 5), batch=30)
    places = set()
    for one in found:
        at = [
            (y, x) for y in range(5) for x in range(5)
            if one.roll((2 - y, 2 - x), (0, 1))[1:4, 1:4].equal(cross)
        ]  # fmt: skip
        assert len(at) == 1
        places.add(at[0])
    assert len(places) > 10


@pytest.mark.parametrize(
    ("side", "rows", "columns"),
    [("top", [0, 1], [0, 1, 2]), ("bottom", [2, 3], [0, 1, 2]), ("left", [0, 1, 2, 3], [0]),
     ("right", [0, 1, 2, 3], [2])],
)  # fmt: skip
def test_a_half_is_cut_along_a_side(side, rows, columns):
    share = 0.5 if side in ("top", "bottom") else 1 / 3
    hole = emptied(f"half:{share}:{side}", (4, 3))
    expected = torch.zeros(4, 3, dtype=torch.bool)
    expected[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    assert all(one.equal(expected) for one in hole)


@pytest.mark.parametrize(
    ("text", "what", "to_do"),
    [
        (
            "disk:0.2",
            'shape is "disk".',
            'did you mean `disc`? expected: "disc" | "half" | "scatter"',
        ),
        ("disc", "'disc' is no damage.", "write it like disc:0.2, half:0.5:left or scatter:0.3"),
        (
            "disc:2",
            "size is 2.0.",
            "expected: number from 0 to 1",
        ),
        (
            "disc:nan",
            "size is nan.",
            "expected: a number that is finite",
        ),
        (
            "half:0.5:middle",
            'place is "middle".',
            "place a half top or bottom or left or right",
        ),
    ],
)
def test_impossible_damage_is_refused(text, what, to_do):
    with pytest.raises(NCAError) as fault:
        Damage.parse(text)
    assert fault.value.what == what
    assert fault.value.to_do == to_do


def test_a_row_of_cells_has_no_top():
    with pytest.raises(ShapeError, match="use left or right"):
        emptied("half:0.5:top", (6,))

"""Damage: a random disc in every sample, drawn from counted randomness."""

import torch
from hypothesis import given
from strategies import axes, random_seeds, sizes

from nca import Layout, Level, Source
from nca.damage import disc

LAYOUT = Layout([Level("image", 1, input=True), Level("body", 2)])


def holes(random_seed: int, size: tuple[int, ...], batch: int = 3) -> torch.Tensor:
    """Return which cells a disc has emptied, bool `(B, *space)`."""
    state = LAYOUT.zeros(batch, size).map(lambda level: level + 1)
    cut = disc(state, Source(random_seed, 0, state.samples), ["body"])
    assert torch.equal(cut["image"], state["image"])
    assert torch.equal(cut["body"][:, 0], cut["body"][:, 1])
    assert set(cut["body"].unique().tolist()) <= {0, 1}
    return cut["body"][:, 0] == 0


@given(count=axes(), size=sizes(low=2, high=9), seed=random_seeds())
def test_a_hole_is_a_disc_inside_the_grid(count, size, seed):
    size = size[:count]
    draws = Source(seed, 0, torch.arange(3)).each("damage", count + 1)
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

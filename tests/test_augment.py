"""Training pictures that differ each time: by as much as is said, and the same for a sample."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_seeds
from torch.testing import assert_close

from nca import CellRNG
from nca_plugins.augment import Augment


def source(count: int, random_seed: int = 0, first: int = 0) -> CellRNG:
    return CellRNG(random_seed, 3, first + torch.arange(count))


def picture(height: int = 9, width: int = 9) -> torch.Tensor:
    """Return a bright dot right of the middle."""
    image = torch.zeros(1, 1, height, width)
    image[0, 0, height // 2, width // 2 + 2] = 1
    return image


def place(image: torch.Tensor) -> torch.Tensor:
    """Return the centre of brightness from the middle, `(dy, dx)` in pixels."""
    height, width = image.shape[2:]
    rows = torch.arange(height) - (height - 1) / 2
    columns = torch.arange(width) - (width - 1) / 2
    mass = image.sum((1, 2, 3))
    dy = (image.sum((1, 3)) * rows).sum(1) / mass
    return torch.stack([dy, (image.sum((1, 2)) * columns).sum(1) / mass], dim=1)


def test_nothing_asked_for_changes_nothing():
    image = torch.rand(3, 2, 6, 5)
    assert_close(Augment()(image, source(3)), image)


@given(random_seeds())
def test_a_shift_stays_within_its_bound_and_moves(random_seed):
    moved = place(Augment(shift=1.5)(picture().expand(40, 1, 9, 9), source(40, random_seed)))
    offsets = moved - place(picture())
    assert offsets.abs().max() <= 1.5 + 1e-4
    assert (offsets.amax(0) > 0.5).all()
    assert (offsets.amin(0) < -0.5).all()


def test_a_turn_keeps_the_distance_from_the_middle():
    image = picture(9, 13).expand(40, 1, 9, 13)
    moved = place(Augment(turn=60)(image, source(40)))
    assert_close(moved.norm(dim=1), torch.full((40,), 2.0), atol=0.12, rtol=0)
    angles = torch.atan2(moved[:, 0], moved[:, 1]).rad2deg()
    assert 50 < angles.max() < 62
    assert -62 < angles.min() < -50


def test_a_mirror_exchanges_left_and_right():
    assert_close(Augment(mirror=1.0)(picture(), source(1)), picture().flip(3))
    mirrored = place(Augment(mirror=0.5)(picture().expand(100, 1, 9, 9), source(100)))[:, 1] < 0
    assert 30 < mirrored.sum() < 70


def test_scale_moves_things_outwards_and_inwards():
    moved = place(Augment(scale=0.3)(picture(15, 15).expand(60, 1, 15, 15), source(60)))[:, 1]
    assert 2.4 < moved.max() < 2.7
    assert 1.2 < moved.min() < 1.6


@given(st.integers(0, 100))
def test_a_sample_is_changed_the_same_way_in_any_batch(first):
    augment = Augment(shift=2, turn=20, scale=0.2, mirror=0.5)
    images = torch.rand(4, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    together = augment(images, source(4, first=first))
    assert_close(augment(images[2:], source(2, first=first + 2)), together[2:])

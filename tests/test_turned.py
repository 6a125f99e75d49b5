"""The error against a target that may be turned and mirrored, against turning it in earnest."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, random_seeds
from torch import Tensor
from torch.testing import assert_close

from nca.tasks.losses import squared_error
from nca_plugins.turned import distances, least_squared_error, ring_count, unwound

SIDE = 15


def blob(side: int = SIDE, random_seed: int = 0) -> Tensor:
    """Return a smooth picture without symmetry, empty where no ring reaches, `(4, H, W)`."""
    noise = normal((4, side, side), random_seed).float()[None]
    for _ in range(6):
        noise = torch.nn.functional.avg_pool2d(noise, 3, 1, 1)
    return noise[0] * (distances(side, side) < ring_count(side, side) - 1)


def poses(picture: Tensor) -> list[Tensor]:
    """Return the eight poses that a square grid has; the middle cell stays where it is."""
    return [p.rot90(turn, (-2, -1)) for p in (picture, picture.flip(-1)) for turn in range(4)]


@given(seed=random_seeds(), pose=st.integers(0, 7))
def test_a_turned_or_mirrored_target_is_no_error(seed, pose):
    target = blob(random_seed=seed)
    turned = poses(target)[pose]
    (error,) = least_squared_error(turned[None], target).tolist()
    assert error == pytest.approx(0, abs=1e-6)
    if pose:
        assert squared_error(turned[None], target).item() > 100 * max(error, 1e-7)


def test_the_least_error_of_a_target_in_place_is_near_the_plain_one():
    for radius in (9, 11):
        disc = (distances(25, 25) <= radius).float().expand(4, -1, -1)
        empty = torch.zeros(1, 4, 25, 25)
        plain = squared_error(empty, disc)
        assert_close(least_squared_error(empty, disc), plain, rtol=0.06, atol=0)
    target, other = blob(random_seed=1), blob(random_seed=2)
    plain = min(squared_error(pose[None], target).item() for pose in poses(other))
    assert 0.5 * plain < least_squared_error(other[None], target).item() < 1.1 * plain


@pytest.mark.parametrize("side", [14, 15])
def test_rings_are_read_around_the_middle_cell(side):
    picture = torch.zeros(1, 1, side, side)
    picture[..., side // 2, side // 2] = 1
    rings = unwound(picture)
    assert rings.shape[2] == ring_count(side, side)
    assert_close(rings[0, 0, 0], rings[0, 0, 0].flip(0), rtol=0, atol=0.3)
    assert rings[0, 0, 0].min() > 0.2
    assert not rings[0, 0, 2:].any()


def test_what_grows_beyond_the_rings_counts_in_full():
    target = blob()
    spilt = target.clone()
    spilt[0, 0, 0] = 1
    error = least_squared_error(spilt[None], target).item()
    assert error == pytest.approx(1 / (4 * SIDE * SIDE), rel=1e-2)


def test_each_sample_has_a_target_and_a_pose_of_its_own():
    one, other = blob(random_seed=3), blob(random_seed=4)
    pictures = torch.stack([one.rot90(1, (1, 2)), other.flip(2)])
    assert least_squared_error(pictures, torch.stack([one, other])).max() < 1e-6
    assert least_squared_error(pictures, torch.stack([other, one])).min() > 1e-4


def test_the_gradient_leads_to_the_pose_that_is_nearest():
    target = blob()
    turned = target.rot90(1, (1, 2))
    grown = (turned + 0.1 * blob(random_seed=9))[None].requires_grad_()
    least_squared_error(grown, target).sum().backward()
    better = grown.detach() - 100 * grown.grad
    assert squared_error(better, turned) < 0.7 * squared_error(grown, turned)

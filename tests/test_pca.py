"""Principal components as colours, the same ones for sheets, reports and the live page."""

import torch

from nca.render.pca import PrincipalAxes, SteadyColours, component_colours, principal_colours
from nca.render.sheet import level_picture, tile


def level(channels: int = 5) -> torch.Tensor:
    spread = torch.tensor([8.0, 4.0, 2.0, 0.1, 0.1])[:channels].view(1, -1, 1, 1)
    drawn = torch.randn(2, channels, 9, 11, generator=torch.Generator().manual_seed(0))
    return drawn * spread


def test_axes_are_the_directions_of_greatest_spread_with_their_greatest_weight_positive():
    found = PrincipalAxes.fit([level()])
    torch.testing.assert_close(found.axes.abs(), torch.eye(3, 5), atol=0.06, rtol=0)
    assert (found.axes.diagonal() > 0.9).all()
    assert found.spread.tolist() == sorted(found.spread.tolist(), reverse=True)


def test_all_users_show_one_level_along_the_same_axes():
    steady = SteadyColours().colours(level())
    for other in (principal_colours([level()])[0], component_colours([level()])[0]):
        inside = (other > 0) & (other < 1) & (steady > 0) & (steady < 1)
        a, b = (x.double() - 0.5 for x in (steady, other))
        ratios = [(a[:, k] / b[:, k])[inside[:, k]] for k in range(3)]
        assert all(r.median() > 0 and r.std() < 1e-3 for r in ratios)


def test_too_few_channels_leave_the_other_colours_grey():
    coloured = principal_colours([level(2)])[0]
    assert (coloured[:, 2] == 0.5).all()
    assert coloured[:, :2].std() > 0.1


def test_a_level_that_has_left_the_finite_numbers_is_still_drawn():
    diverged = level()
    diverged[0, 0, 0, 0], diverged[0, 1, 2, 2] = torch.inf, torch.nan
    picture = level_picture([diverged])[0]
    lost = torch.zeros(2, 9, 11, dtype=torch.bool)
    lost[0, 0, 0] = lost[0, 2, 2] = True
    assert picture.isfinite().all(dim=1).equal(~lost)
    drawn = tile(picture[0], 1)
    assert drawn.getpixel((0, 0)) == drawn.getpixel((2, 2)) == (255, 0, 255)

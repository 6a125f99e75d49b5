"""A rule that declares what it needs is put before the laws in such surroundings."""

import pytest
from broken_rules import Sound

from nca import Needs, OptionError
from nca.testing.checks import LAWS
from nca.testing.compare import OWN
from nca.testing.harness import Harness, placed
from nca_plugins.gray_scott import GrayScott

GRAY_SCOTT = placed(GrayScott)


@pytest.mark.parametrize("law", LAWS, ids=[law.name for law in LAWS])
def test_a_rule_of_two_channels_keeps_the_laws(law):
    if law.name == "gradient":
        assert law.misfit(Harness(GRAY_SCOTT)) == "the rule has no weights"
    else:
        law.check(GRAY_SCOTT)


def test_the_harness_gives_what_is_needed():
    class Demanding(Sound):
        needs = Needs(least_channels=9, axes=(3,), states="unit")

    harness = Harness(Demanding)
    assert (harness.axes, harness.layout[OWN].channels) == (3, 9)
    drawn = harness.state(0, harness.roomy)[OWN]
    assert 0 <= drawn.min() < drawn.max() <= 1


def test_the_harness_draws_numbers_of_the_mean_that_is_needed():
    class Sparse(Sound):
        needs = Needs(states="unit", mean=0.1)

    harness = Harness(Sparse)
    drawn = harness.state(0, (40, 40))[OWN]
    assert drawn.max() <= 0.2
    assert drawn.mean().item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("mean", [0.0, 0.7])
def test_no_mean_beyond_half_can_be_needed(mean):
    with pytest.raises(OptionError, match="mean"):
        Needs(states="unit", mean=mean)

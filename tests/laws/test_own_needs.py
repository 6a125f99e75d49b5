"""A rule that declares what it needs is put before the laws in such surroundings."""

import pytest
from broken_rules import Sound
from gray_scott import GrayScott

from nca import Needs
from nca.testing.checks import LAWS
from nca.testing.compare import OWN
from nca.testing.harness import Harness, placed

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

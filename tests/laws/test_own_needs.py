"""A rule that declares what it needs is put before the laws in such surroundings."""

import pytest
from broken_rules import Sound

from nca import Layout, Level, Needs, OptionError, RuleContext
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


def test_the_harness_gives_counts_and_what_levels_beside_must_hold():
    class Counting(Sound):
        needs = Needs(channels=1, below=5, above=7, states="whole")

    harness = Harness(Counting)
    channels = {name: level.channels for name, level in harness.layout.items()}
    assert channels == {"under": 5, OWN: 1, "over": 7}
    drawn = harness.state(0, harness.roomy)[OWN]
    assert sorted(drawn.unique().tolist()) == [*range(8)]


def test_too_few_channels_beside_are_refused():
    class Picky(Sound):
        needs = Needs(below=3, above=2)

    layout = Layout([Level("low", 2), Level("own", 1), Level("high", 2)])
    words = 'channels of the level below, "low", is 2.*the rule needs at least 3'
    with pytest.raises(OptionError, match=f"(?s){words}"):
        Picky(RuleContext(layout, "own"))
    roomy = Layout([Level("low", 3), Level("own", 1)])
    Picky(RuleContext(roomy, "own"))  # above it is none

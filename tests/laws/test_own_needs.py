"""A rule that declares what it needs is put before the laws in such surroundings."""

import pytest
from bench import OWN, Bench, PlaceRule
from gray_scott import GrayScott
from test_gradients import check_every_parameter_gets_gradient
from test_the_laws_bite import LAWS, Sound

from nca import Needs, RuleContext


def gray_scott(place: RuleContext) -> GrayScott:
    return GrayScott()


gray_scott.needs, gray_scott.reads = GrayScott.needs, GrayScott.reads


@pytest.mark.parametrize("check", [c for c in LAWS if c is not check_every_parameter_gets_gradient])
def test_a_rule_of_two_channels_keeps_the_laws(check):
    check(gray_scott)


def test_the_bench_gives_what_is_needed():
    class Demanding(Sound):
        needs = Needs(least_channels=9, axes=(3,), states="unit")

    place_rule: PlaceRule = Demanding
    bench = Bench(place_rule)
    assert (bench.axes, bench.layout[OWN].channels) == (3, 9)
    drawn = bench.state(0, bench.roomy)[OWN]
    assert 0 <= drawn.min() < drawn.max() <= 1

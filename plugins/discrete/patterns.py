"""Well-known patterns, as runs of cells: what each does, and who found it.

    nca plugins                      their names
    nca play glider
    [task] name = "pattern", pattern = "glider"

`RUNS` holds them all, and `RULES` their rules; each is registered under its name.
"""

from functools import cache

import torch
from torch import Tensor

from nca import register
from nca_plugins.discrete.rle import read_rle

RUNS = {
    "glider": "bo$2bo$3o!",
    "r_pentomino": "b2o$2o$bo!",
    "pi_heptomino": "3o$obo$obo!",
    "b_heptomino": "ob2o$3o$bo!",
    "thunderbird": "3o2$bo$bo$bo!",
    "century": "2b2o$3o$bo!",
    "acorn": "bo$3bo$2o2b3o!",
    "diehard": "6bo$2o$bo3b3o!",
    "lidka": "bo$obo$bo8$8bo$6bobo$5b2obo2$4b3o!",
    "lwss": "bo2bo$o$o3bo$4o!",
    "pulsar": (
        "2b3o3b3o2$o4bobo4bo$o4bobo4bo$o4bobo4bo$2b3o3b3o2$2b3o3b3o$"
        "o4bobo4bo$o4bobo4bo$o4bobo4bo2$2b3o3b3o!"
    ),
    "gosper_gun": (
        "24bo$22bobo$12b2o6b2o12b2o$11bo3bo4b2o12b2o$2o8bo5bo3b2o$"
        "2o8bo3bob2o4bobo$10bo5bo7bo$11bo3bo$12b2o!"
    ),
    "highlife_replicator": "2b3o$bo2bo$o3bo$o2bo$3o!",
    "brain_glider": "2A$2B!",
    "wireworld_clock": ".BA2C$C4.7C$.4C!",
    "wireworld_diodes": (".BA2C7.2C$C4.8C.7C$.4C7.2C4$.BA2C7.2C$C4.7C.8C$.4C7.2C!"),
}
"""The runs of each pattern, by name."""

RULES = {
    "highlife_replicator": "B36/S23",
    "brain_glider": "B2/S/C3",
    "wireworld_clock": "WireWorld",
    "wireworld_diodes": "WireWorld",
}
"""The rule under which each lives; all others under Life's."""


@cache
def _drawn(name: str) -> Tensor:
    return torch.from_numpy(read_rle(RUNS[name], name).cells).float()[None]


@register.pattern("glider")
def glider() -> Tensor:
    """Return Life's smallest spaceship: one cell down and right in four steps."""
    return _drawn("glider").clone()


@register.pattern("r_pentomino")
def r_pentomino() -> Tensor:
    """Return five cells that take 1,103 steps to settle (J. H. Conway, 1970)."""
    return _drawn("r_pentomino").clone()


@register.pattern("pi_heptomino")
def pi_heptomino() -> Tensor:
    """Return seven cells that settle after 173 steps, at 55 cells."""
    return _drawn("pi_heptomino").clone()


@register.pattern("b_heptomino")
def b_heptomino() -> Tensor:
    """Return seven cells that settle after 148 steps, at 28 cells."""
    return _drawn("b_heptomino").clone()


@register.pattern("thunderbird")
def thunderbird() -> Tensor:
    """Return six cells that settle after 243 steps, at 46 cells."""
    return _drawn("thunderbird").clone()


@register.pattern("century")
def century() -> Tensor:
    """Return six cells that settle after 103 steps, at 15 cells."""
    return _drawn("century").clone()


@register.pattern("acorn")
def acorn() -> Tensor:
    """Return seven cells that settle after 5,206 steps, at 633 cells (C. Corderman)."""
    return _drawn("acorn").clone()


@register.pattern("diehard")
def diehard() -> Tensor:
    """Return seven cells of which nothing is left after 130 steps."""
    return _drawn("diehard").clone()


@register.pattern("lidka")
def lidka() -> Tensor:
    """Return 13 cells that settle after 29,055 steps (A. Okrasiński, D. Bell, 2005)."""
    return _drawn("lidka").clone()


@register.pattern("lwss")
def lwss() -> Tensor:
    """Return the lightweight spaceship of Life: two cells to the left in four steps."""
    return _drawn("lwss").clone()


@register.pattern("pulsar")
def pulsar() -> Tensor:
    """Return an oscillator of Life with period 3 (J. H. Conway, 1970)."""
    return _drawn("pulsar").clone()


@register.pattern("gosper_gun")
def gosper_gun() -> Tensor:
    """Return a gun of Life: a glider every 30 steps (B. Gosper, 1970)."""
    return _drawn("gosper_gun").clone()


@register.pattern("highlife_replicator")
def highlife_replicator() -> Tensor:
    """Return a pattern of HighLife that makes two of itself in 12 steps (N. Thompson, 1994)."""
    return _drawn("highlife_replicator").clone()


@register.pattern("brain_glider")
def brain_glider() -> Tensor:
    """Return a glider of Brian's Brain: one cell up in every step."""
    return _drawn("brain_glider").clone()


@register.pattern("wireworld_clock")
def wireworld_clock() -> Tensor:
    """Return a loop of Wireworld that sends an electron along its wire every ten steps."""
    return _drawn("wireworld_clock").clone()


@register.pattern("wireworld_diodes")
def wireworld_diodes() -> Tensor:
    """Return two clocks of Wireworld behind diodes: the upper one lets its electrons pass."""
    return _drawn("wireworld_diodes").clone()

"""Tileable patterns of our own drawing, as targets.

A pattern is one period on the unit torus: x to the right, y down, and both begin again at 1. It
is drawn several times too large, strip by strip, and then reduced, which smooths the edges.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from nca import register
from nca_plugins.targets import refuse_argument

Plane = np.ndarray
"""A number, or red, green and blue, for every point of the paper: `(H, W)` or `(H, W, 3)`."""

RGB = tuple[int, int, int]

FINER = 8
"""Points along each side of a pixel, as long as there are at most `POINTS` along the picture."""
POINTS = 2048
STRIP = 1 << 20
"""About so many points are drawn at a time."""


def printed(side: int, pattern: Callable[[Plane, Plane], Plane]) -> Image.Image:
    """Return a picture of `side` pixels, opaque, drawn strip by strip.

    Args:
        side: Pixels along each side.
        pattern: The colours of points, from how far each lies to the right and down.
    """
    finer = max(1, min(FINER, POINTS // side))
    rows = max(1, STRIP // (finer * finer * side))
    picture = Image.new("RGBA", (side, side))
    for top in range(0, side, rows):
        count = min(rows, side - top)
        y, x = np.indices((count * finer, side * finer)) + 0.5
        colours = pattern(x / (side * finer), (y + top * finer) / (side * finer))
        strip = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8)).reduce(finer)
        picture.paste(strip.convert("RGBA"), (0, top))
    return picture


def blend(below: Plane | RGB, above: Plane | RGB, share: Plane) -> Plane:
    """Return one colour laid over another, as strongly as `share` says at each point."""
    low, high = np.asarray(below, dtype=float), np.asarray(above, dtype=float)
    return low + (high - low) * share[..., None]


def away(x: Plane, y: Plane, centre: tuple[float, float]) -> tuple[Plane, Plane]:
    """Return how far each point lies to the right of and below a centre, the shorter way."""
    return (x - centre[0] + 0.5) % 1 - 0.5, (y - centre[1] + 0.5) % 1 - 0.5


SHADOW, AMBER, TEAL = (34, 30, 44), (232, 172, 70), (58, 132, 166)


@register.target("weave")
def weave(argument: str, side: int) -> Image.Image:
    """Draw a plain weave: two threads down, two across, each over one and under the next."""
    refuse_argument("weave", argument)
    return printed(side, _weave)


def _weave(x: Plane, y: Plane) -> Plane:
    falling_above = (np.floor(2 * x) + np.floor(2 * y)) % 2 == 0
    picture = np.zeros((*x.shape, 3)) + SHADOW
    for above in (False, True):  # what passes beneath goes down first
        for u, v, colour, there in (
            (x, y, AMBER, falling_above == above),
            (y, x, TEAL, falling_above != above),
        ):
            beside, along = 2 * u % 1 - 0.5, 2 * v % 1 - 0.5  # from the middle of the crossing
            light = np.cos(2.2 * beside) * (np.cos(2.4 * along) if above else 0.45)
            thread = blend(SHADOW, colour, light)
            picture = blend(picture, thread, there * (np.abs(beside) < 0.42))
    return picture


RIM, MOSS, MINT = (18, 44, 52), (44, 140, 110), (190, 236, 164)


@register.target("scales")
def scales(argument: str, side: int) -> Image.Image:
    """Draw the scales of a fish: two rows of two, each row over the one below it."""
    refuse_argument("scales", argument)
    return printed(side, _scales)


def _scales(x: Plane, y: Plane) -> Plane:
    picture = np.zeros((*x.shape, 3))
    for row in (5, 4, 3, 2, 1, 0, -1):  # from the bottom up: an upper row covers a lower one
        for column in range(2):
            right = (x - (column + 0.5 * (row % 2)) / 2 + 0.5) % 1 - 0.5
            down = y - row / 4
            distance = np.hypot(right, down) / 0.295
            disc = (distance < 1) & (down > -0.15)
            shade = blend(MINT, MOSS, np.clip(1.3 * distance, 0, 1))
            shade = blend(shade, RIM, np.clip((distance - 0.84) / 0.06, 0, 1))
            picture = blend(picture, shade, disc.astype(float))
    return picture


DEEP, FILM, SHINE = (30, 40, 92), (92, 156, 222), (244, 250, 255)
BUBBLES = 26


@register.target("bubbles")
def bubbles(argument: str, side: int) -> Image.Image:
    """Draw bubbles of three sizes that do not touch, each with a rim and a light."""
    refuse_argument("bubbles", argument)
    return printed(side, _bubbles)


def _bubbles(x: Plane, y: Plane) -> Plane:
    picture = np.zeros((*x.shape, 3)) + DEEP
    for centre, radius in _apart(BUBBLES):
        right, down = away(x, y, centre)
        distance = np.hypot(right, down) / radius
        film = blend(DEEP, FILM, np.clip(distance, 0, 1) ** 3)
        film = blend(film, SHINE, np.clip((distance - 0.74) / 0.1, 0, 1))
        light = np.hypot(right + 0.35 * radius, down + 0.35 * radius) / radius
        film = blend(film, SHINE, np.clip((0.3 - light) / 0.08, 0, 1))
        picture = blend(picture, film, (distance < 1).astype(float))
    return picture


@cache
def _apart(count: int) -> list[tuple[tuple[float, float], float]]:
    """Return centres and radii of discs that do not touch on the torus, the great ones first."""
    dice = np.random.Generator(np.random.PCG64(5))
    placed: list[tuple[tuple[float, float], float]] = []
    for number in range(count):
        radius = 0.125 if number < 5 else 0.085 if number < 14 else 0.055
        for _ in range(2000):
            x, y = dice.random(2)
            near = (np.hypot(*away(x, y, centre)) - other for centre, other in placed)
            if all(gap > radius + 0.015 for gap in near):
                placed.append(((x, y), radius))
                break
    return placed


INK, CLAY, CREAM = (38, 46, 62), (176, 132, 116), (240, 230, 216)
WAVES = ((1, 0), (0, 1), (1, 1), (-1, 1), (2, 1), (1, -2), (2, 3), (-3, 2))


@register.target("marble")
def marble(argument: str, side: int) -> Image.Image:
    """Draw marble: dark veins that wander aslant."""
    refuse_argument("marble", argument)
    return printed(side, _marble)


def _marble(x: Plane, y: Plane) -> Plane:
    dice = np.random.Generator(np.random.PCG64(3))
    bent = np.zeros_like(x)
    for across, down in WAVES:
        phase = dice.random()
        bent += np.sin(2 * math.pi * (across * x + down * y + phase)) / math.hypot(across, down)
    # whole periods along both axes, so that the veins meet themselves at the edges
    vein = np.abs(np.sin(math.pi * (2 * x + y) + 0.9 * bent))
    clouds = 0.5 + 0.5 * np.sin(1.6 * bent + 2 * math.pi * (x - y))
    picture = blend(CREAM, CLAY, 0.7 * clouds)
    return blend(picture, INK, np.clip(1.15 - 2.6 * vein, 0, 1))

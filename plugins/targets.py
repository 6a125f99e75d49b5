"""Targets that need no file: animals of our own drawing, and any emoji of an installed font.

The animals are made of brush strokes, discs whose radius changes on its way along a smooth curve,
and of smooth closed shapes. Both go down first in the colour of the outline and a little wider,
then once more in their own colours. The paper is the unit square, x to the right and y down; it
is painted several times too large and then reduced, which smooths the edges.
"""

import math
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nca import TargetError, register

Point = tuple[float, float]
Curve = Sequence[Point]
Colour = tuple[int, int, int]

WHITE, AMBER = (255, 255, 255), (255, 200, 64)


class Paper:
    """A transparent unit square to paint on.

    Args:
        side: Pixels along each side of the finished picture.
    """

    def __init__(self, side: int) -> None:
        self._factor = max(2, min(32, 2048 // side))
        self._side = side * self._factor
        self._picture = Image.new("RGBA", (self._side, self._side))
        self._draw = ImageDraw.Draw(self._picture)

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """Paint a disc."""
        x, y, r = (self._side * value for value in (*centre, max(radius, 0.5 / self._side)))
        self._draw.ellipse((x - r, y - r, x + r - 1, y + r - 1), fill=colour)  # ends included

    def stroke(self, curve: Curve, radii: Sequence[float], colour: Colour, more: float = 0) -> None:
        """Paint along a smooth curve, `more` wider than the radii given for its points."""
        for x, y, radius in smooth([(*p, r) for p, r in zip(curve, radii, strict=True)]):
            self.disc((x, y), radius + more, colour)

    def shape(self, outline: Curve, colour: Colour, more: float = 0) -> None:
        """Paint the inside of a smooth closed curve, and `more` around it."""
        border = smooth(outline, closed=True)
        self._draw.polygon([(x * self._side, y * self._side) for x, y in border], fill=colour)
        for x, y in border if more else ():
            self.disc((x, y), more, colour)

    def finished(self) -> Image.Image:
        """Return the picture at its own size."""
        return self._picture.reduce(self._factor)


def smooth(knots: Sequence[Sequence[float]], *, closed: bool = False) -> list[tuple[float, ...]]:
    """Return 48 points per section of the Catmull-Rom spline that runs through the knots."""
    k = np.asarray(knots, dtype=float)
    if closed:
        k = np.concatenate((k[-1:], k, k[:2]))
    else:  # straight on beyond both ends
        k = np.concatenate((2 * k[:1] - k[1:2], k, 2 * k[-1:] - k[-2:-1]))
    a, b, c, d = (k[i : len(k) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, 48, endpoint=False)[:, None]
    path = b + t * (c - a) / 2 + t**2 * (a - 2.5 * b + 2 * c - d / 2)
    path += t**3 * (1.5 * (b - c) + (d - a) / 2)
    return [tuple(point) for point in np.concatenate((*path, k[-2:-1]))]


def offset_point(point: Point, heading: float, distance: float) -> Point:
    """Return the point that lies `distance` away at a heading in degrees, clockwise from right."""
    angle = math.radians(heading)
    return point[0] + distance * math.cos(angle), point[1] + distance * math.sin(angle)


def mirrored(curve: Curve) -> Curve:
    """Return the curve on the other half of the paper, left for right."""
    return [(1 - x, y) for x, y in curve]


def shrunk(curve: Curve, share: float) -> Curve:
    """Return the curve at a share of its size, drawn in towards its first point."""
    (x0, y0), *_ = curve
    return [(x0 + share * (x - x0), y0 + share * (y - y0)) for x, y in curve]


def refuse_argument(name: str, argument: str) -> None:
    """Raise a TargetError if a drawing that takes no argument is given one."""
    if argument:
        raise TargetError(
            f"the target {name!r} takes no argument.",
            where=f"target '{name}:{argument}'",
            to_do=f"write {name!r} alone",
        )


FOREST, LEAF, LIME, LEMON = (24, 60, 46), (70, 166, 72), (128, 208, 88), (238, 232, 110)

LIZARD_SPINE: Curve = (
    (0.865, 0.085), (0.77, 0.165), (0.68, 0.255), (0.565, 0.33), (0.44, 0.44), (0.35, 0.57),
    (0.315, 0.715), (0.385, 0.845), (0.54, 0.912), (0.72, 0.905), (0.86, 0.835), (0.905, 0.72),
    (0.835, 0.635), (0.74, 0.655), (0.708, 0.745), (0.77, 0.795), (0.815, 0.75),
)  # fmt: skip
LIZARD_RADII = (
    0.046, 0.104, 0.062, 0.088, 0.108, 0.088, 0.066, 0.061, 0.054, 0.046, 0.038, 0.031, 0.025,
    0.020, 0.016, 0.013, 0.010,
)  # fmt: skip
LIZARD_LEGS: tuple[tuple[Curve, float], ...] = (  # shoulder, elbow, hand; heading of the hand
    (((0.55, 0.35), (0.40, 0.29), (0.38, 0.13)), -98),
    (((0.57, 0.35), (0.71, 0.44), (0.875, 0.405)), -8),
    (((0.36, 0.58), (0.21, 0.50), (0.12, 0.62)), 138),
    (((0.35, 0.61), (0.47, 0.675), (0.59, 0.595)), -48),
)


@register.target("lizard")
def lizard(argument: str, side: int) -> Image.Image:
    """Draw a green gecko from above, its tail curled."""
    refuse_argument("lizard", argument)
    paper = Paper(side)
    body: list[tuple[Curve, Sequence[float]]] = [(LIZARD_SPINE, LIZARD_RADII)]
    for leg, heading in LIZARD_LEGS:
        body.append((leg, (0.050, 0.042, 0.030)))
        toes = [offset_point(leg[-1], heading + turn, 0.070) for turn in (-72, -24, 24, 72)]
        body.extend(((leg[-1], toe), (0.013, 0.020)) for toe in toes)
    for curve, radii in body:
        paper.stroke(curve, radii, FOREST, more=0.02)
    for curve, radii in reversed(body):
        paper.stroke(curve, radii, LEAF)
    paper.stroke(LIZARD_SPINE, [r * 0.62 for r in LIZARD_RADII], LIME)
    back = smooth([(*p, r) for p, r in zip(LIZARD_SPINE, LIZARD_RADII, strict=True)])
    for number, (x, y, r) in enumerate(back[106:540:35]):
        paper.disc(offset_point((x, y), 45 + 180 * number, 0.3 * r), 0.006 + 0.17 * r, LEMON)
    for turn in (-98, 98):
        x, y = eye = offset_point((0.785, 0.15), turn - 41, 0.082)
        paper.disc(eye, 0.062, FOREST)
        paper.disc(eye, 0.051, AMBER)
        paper.disc(eye, 0.029, FOREST)
        paper.disc((x - 0.012, y - 0.012), 0.011, WHITE)
    for turn in (-38, 38):
        paper.disc(offset_point((0.85, 0.097), turn - 41, 0.036), 0.007, FOREST)
    return paper.finished()


BLACK, BLUE, SKY, ICE = (38, 30, 46), (56, 120, 214), (120, 196, 246), (206, 240, 255)

UPPER_WING: Curve = (
    (0.51, 0.47), (0.60, 0.26), (0.76, 0.10), (0.92, 0.07), (0.96, 0.20), (0.91, 0.40),
    (0.78, 0.53), (0.62, 0.55),
)  # fmt: skip
LOWER_WING: Curve = (
    (0.51, 0.50), (0.68, 0.53), (0.84, 0.57), (0.89, 0.68), (0.82, 0.79), (0.79, 0.90),
    (0.72, 0.93), (0.60, 0.76),
)  # fmt: skip
WING_SPOTS: Curve = ((0.865, 0.165), (0.835, 0.295), (0.755, 0.40))
FEELER: Curve = ((0.51, 0.31), (0.55, 0.20), (0.63, 0.12))
ABDOMEN: Curve = ((0.5, 0.33), (0.5, 0.45), (0.5, 0.58), (0.5, 0.74))


@register.target("butterfly")
def butterfly(argument: str, side: int) -> Image.Image:
    """Draw a blue butterfly, its wings open."""
    refuse_argument("butterfly", argument)
    paper = Paper(side)
    for half in (list, mirrored):
        for wing in (half(LOWER_WING), half(UPPER_WING)):
            paper.shape(wing, BLACK, more=0.02)
            paper.shape(wing, BLUE)
            paper.shape(shrunk(wing, 0.72), SKY)
            paper.shape(shrunk(wing, 0.38), ICE)
        for spot, radius in zip(half(WING_SPOTS), (0.030, 0.022, 0.018), strict=True):
            paper.disc(spot, radius, AMBER)
        feeler = half(FEELER)
        paper.stroke(feeler, (0.012, 0.012, 0.014), BLACK)
        paper.disc(feeler[-1], 0.026, BLACK)
    paper.stroke(ABDOMEN, (0.052, 0.050, 0.038, 0.018), BLACK)
    paper.stroke(((0.5, 0.42), (0.5, 0.56), (0.5, 0.70)), (0.026, 0.020, 0.008), AMBER)
    return paper.finished()


BARK, UMBER, SAND = (74, 46, 40), (150, 98, 74), (204, 156, 112)

WORM: Curve = (
    (0.79, 0.21), (0.67, 0.33), (0.61, 0.46), (0.55, 0.59), (0.43, 0.685), (0.29, 0.73),
    (0.17, 0.81), (0.065, 0.93),
)  # fmt: skip
WORM_RADII = (0.10, 0.105, 0.130, 0.150, 0.150, 0.130, 0.090, 0.020)
WORM_HEAD: Curve = (
    (0.935, 0.065), (0.80, 0.052), (0.60, 0.050), (0.62, 0.19), (0.70, 0.30), (0.81, 0.38),
    (0.95, 0.40), (0.948, 0.20),
)  # fmt: skip


@register.target("planarian")
def planarian(argument: str, side: int) -> Image.Image:
    """Draw a flatworm, the animal that grows back from either half when it is cut in two."""
    refuse_argument("planarian", argument)
    paper = Paper(side)
    paper.stroke(WORM, WORM_RADII, BARK, more=0.02)
    paper.shape(WORM_HEAD, BARK, more=0.02)
    paper.stroke(WORM, WORM_RADII, UMBER)
    paper.shape(WORM_HEAD, UMBER)
    paper.stroke(WORM[1:], [r * 0.5 for r in WORM_RADII[1:]], SAND)
    for turn in (-90, 90):
        eye = offset_point((0.80, 0.20), turn - 45, 0.07)
        paper.disc(eye, 0.052, WHITE)
        paper.disc(offset_point(eye, turn + 135, 0.018), 0.026, BARK)
    return paper.finished()


RUST, CORAL, PEACH = (110, 40, 24), (240, 116, 46), (255, 190, 120)

FISH: Curve = (
    (0.035, 0.50), (0.14, 0.36), (0.32, 0.27), (0.50, 0.30), (0.64, 0.41), (0.72, 0.50),
    (0.64, 0.60), (0.50, 0.71), (0.32, 0.74), (0.14, 0.65),
)  # fmt: skip
FISH_TAIL: Curve = (
    (0.66, 0.50),
    (0.80, 0.36),
    (0.95, 0.25),
    (0.90, 0.50),
    (0.95, 0.76),
    (0.80, 0.65),
)
FISH_FINS: tuple[Curve, ...] = (
    ((0.30, 0.32), (0.38, 0.13), (0.52, 0.12), (0.56, 0.36)),
    ((0.34, 0.68), (0.40, 0.86), (0.52, 0.87), (0.54, 0.66)),
)


@register.target("fish")
def fish(argument: str, side: int) -> Image.Image:
    """Draw a striped fish that swims to the left."""
    refuse_argument("fish", argument)
    paper = Paper(side)
    for outline in (FISH_TAIL, *FISH_FINS, FISH):
        paper.shape(outline, RUST, more=0.02)
    for outline in (FISH_TAIL, *FISH_FINS):
        paper.shape(outline, PEACH)
    paper.shape(FISH, CORAL)
    for x, half in ((0.36, 0.19), (0.56, 0.12)):
        curve = ((x, 0.5 - half), (x + 0.03, 0.5), (x, 0.5 + half))
        paper.stroke(curve, (0.03, 0.045, 0.03), WHITE)
    paper.disc((0.19, 0.45), 0.055, WHITE)
    paper.disc((0.18, 0.45), 0.03, RUST)
    return paper.finished()


WINE, SCARLET, CREAM, STRAW = (90, 20, 34), (214, 40, 48), (246, 238, 220), (214, 194, 160)

TOADSTOOL_CAP: Curve = (
    (0.06, 0.50), (0.12, 0.28), (0.30, 0.10), (0.50, 0.055), (0.70, 0.10), (0.88, 0.28),
    (0.94, 0.50), (0.76, 0.57), (0.50, 0.59), (0.24, 0.57),
)  # fmt: skip
TOADSTOOL_STALK: Curve = ((0.5, 0.52), (0.49, 0.68), (0.5, 0.87))
TOADSTOOL_SPOTS = ((0.30, 0.33, 0.07), (0.52, 0.20, 0.06), (0.55, 0.44, 0.08), (0.77, 0.35, 0.055))


@register.target("toadstool")
def toadstool(argument: str, side: int) -> Image.Image:
    """Draw a red toadstool with white spots."""
    refuse_argument("toadstool", argument)
    paper = Paper(side)
    paper.stroke(TOADSTOOL_STALK, (0.12, 0.11, 0.10), WINE, more=0.02)
    paper.shape(TOADSTOOL_CAP, WINE, more=0.02)
    paper.stroke(TOADSTOOL_STALK, (0.12, 0.11, 0.10), CREAM)
    paper.stroke(((0.56, 0.60), (0.56, 0.90)), (0.04, 0.04), STRAW)
    paper.shape(TOADSTOOL_CAP, SCARLET)
    for x, y, radius in TOADSTOOL_SPOTS:
        paper.disc((x, y), radius, CREAM)
    return paper.finished()


FONT_FOLDERS = (
    "/usr/local/share/fonts", "/usr/share/fonts", "/System/Library/Fonts", "/Library/Fonts",
)  # fmt: skip
EMOJI_FONTS = frozenset({"NotoColorEmoji.ttf", "Apple Color Emoji.ttc", "seguiemj.ttf"})
# A bitmap font knows few sizes and refuses all others: Apple's has 160, Noto's only 109.
EMOJI_SIZES = (160, 109, 128, 96, 64)


@register.target("emoji")
def emoji(argument: str, side: int) -> Image.Image:
    """Draw the emoji given as argument with a colour font of this machine, cropped to itself."""
    text = " ".join(argument.split())
    if not text:
        raise TargetError(
            "the target 'emoji' needs an emoji as its argument.",
            where=f"target 'emoji:{argument}'",
            to_do="write the emoji behind a colon: emoji:🦎",
        )
    fonts = emoji_fonts()
    if not fonts:
        raise TargetError(
            "this machine has no colour emoji font.",
            where=f"target 'emoji:{text}'",
            to_do="install one (Debian, Ubuntu: apt install fonts-noto-color-emoji), or give the "
            "path of any PNG with a transparent background",
        )
    for font in fonts:
        if picture := glyph(font, text):
            width, height = (max(1, round(n * side / max(picture.size))) for n in picture.size)
            return picture.resize((width, height), Image.Resampling.LANCZOS)
    raise TargetError(
        f"the emoji font draws nothing for {text!r}.",
        where=", ".join(map(str, fonts)),
        to_do="give one emoji that the font knows, as in emoji:🦎; if it should know it, the font "
        "may be in COLRv1 format, which Pillow draws blank: install a bitmap font (Debian, Ubuntu: "
        "apt install fonts-noto-color-emoji), or give the path of a PNG",
    )


def emoji_fonts() -> list[Path]:
    """Return the colour emoji fonts in the usual folders, or else those that fontconfig knows."""
    home, windows = os.environ.get("HOME") or "/", os.environ.get("WINDIR") or "C:/Windows"
    own = [f"{home}/{folder}" for folder in (".local/share/fonts", ".fonts", "Library/Fonts")]
    found = [
        file
        for folder in (*own, *FONT_FOLDERS, f"{windows}/Fonts")
        for file in sorted(Path(folder).rglob("*.tt[cf]"))
        if file.name in EMOJI_FONTS
    ]
    if found:
        return found
    command = ("fc-list", ":color=true", "file")
    try:
        listed = subprocess.run(command, capture_output=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):  # there is no fontconfig on this machine
        return []
    lines = os.fsdecode(listed).splitlines()
    return [Path(line.strip().removesuffix(":")) for line in sorted(lines) if line.strip()]


def glyph(font: Path, text: str) -> Image.Image | None:
    """Return the text as the font draws it, cropped; None if it is blank or cannot be drawn."""
    for size in EMOJI_SIZES:
        try:
            face = ImageFont.truetype(font, size)
        except OSError:  # this font does not come in this size
            continue
        left, top, right, bottom = face.getbbox(text)
        width, height = math.ceil(right - left), math.ceil(bottom - top)
        if width < 1 or height < 1:
            return None
        picture = Image.new("RGBA", (width, height))
        ImageDraw.Draw(picture).text(
            (-left, -top), text, font=face, fill="black", embedded_color=True
        )
        box = picture.getchannel("A").getbbox()
        return picture.crop(box) if box else None
    return None

"""Pictures with masks from files: which belong together, and what a mask's pixels mean.

A mask has the name of its picture, in another folder, or with a suffix beside it. Its pixels are
class numbers (of 8, 16 or 32 bits, or places in a palette of colours), or as many different
colours or numbers as there are classes, the darkest or least the first; with two classes, whatever
is brighter than the middle is the second, and in masks that number their objects all but 0.
Transparent pixels are unknown.

Legend: C colour, H height, W width, in pixels.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from nca import DataError, NCAWarning, Progress, load_numbers, load_picture, pictures_in
from nca_plugins.segmentation.measures import UNKNOWN

SHOWN = 4
"""So many names are in an error, at most."""

DEEP = 255
"""Numbers beyond need more than 8 bits."""

NOISE = 3 * 16
"""Brightness, of 765, that JPEG adds to black or takes from white."""

MOST_COLOURS = 1 << 12
"""Different colours of all masks beyond which no more are counted."""


@dataclass(frozen=True)
class Pair:
    """A picture's file and that of its mask."""

    picture: Path
    mask: Path


@dataclass(frozen=True)
class Example:
    """A picture with its mask, in memory.

    Attributes:
        image: uint8 `(C, H, W)`.
        mask: uint8 `(H, W)`; it counts where `known` is true.
        known: bool `(H, W)`.
    """

    image: Tensor
    mask: Tensor
    known: Tensor

    @property
    def masked(self) -> Tensor:
        """The mask as int64, -1 where it is unknown."""
        return torch.where(self.known, self.mask.long(), UNKNOWN)


def pairs(images: Path, masks: Path | None, suffix: str) -> list[Pair]:
    """Return the pictures of a folder, each with its mask, in the order of their numbers.

    Args:
        images: The folder of the pictures.
        masks: The folder of the masks; None: they lie beside the pictures.
        suffix: What a mask's name has after that of its picture, before its ending.

    Raises:
        DataError: A picture lacks its mask, or a mask its picture; a name is there twice.
        PictureError: A folder is missing, or has no pictures.
    """
    apart = masks is not None and masks != images
    every = pictures_in(images)
    beside = pictures_in(masks) if apart and masks else every
    of_masks = _by_name([p for p in beside if p.stem.endswith(suffix)], masks or images)
    pictures = every if apart else [p for p in every if not p.stem.endswith(suffix)]
    named = _by_name(pictures, images)
    wanted = {name + suffix: path for name, path in named.items()}
    bare = sorted(path.name for name, path in wanted.items() if name not in of_masks)
    over = sorted(path.name for name, path in of_masks.items() if name not in wanted)
    if bare or over:
        lost = [f"without a mask: {_some(bare)}"] * bool(bare)
        lost += [f"masks without a picture: {_some(over)}"] * bool(over)
        raise DataError(
            f"pictures and masks do not match: {'; '.join(lost)}.",
            where=f"{images}, {masks or images}",
            to_do=f"call the mask of NAME.jpg NAME{suffix}.png, or set task.suffix",
        )
    return [Pair(path, of_masks[name]) for name, path in wanted.items()]


def read(
    found: Sequence[Pair],
    classes: Sequence[str],
    rgb: bool,
    progress: Progress,
    side: int | None = None,
) -> list[Example]:
    """Return the pictures of all pairs.

    Args:
        found: The files.
        classes: What the masks tell apart.
        rgb: Whether the pictures have colours.
        progress: Where it is reported how far that is.
        side: Pixels along the longer side beyond which a picture and its mask are shrunk.

    Raises:
        DataError: A mask has another size than its picture, or the masks other values than classes.
        PictureError: A file cannot be read.
    """
    progress.begin("pictures", len(found), unit="pictures")
    images, codes, known, plain = [], [], [], []
    for number, pair in enumerate(found, 1):
        image, mask = load_picture(pair.picture), load_picture(pair.mask)
        numbers = load_numbers(pair.mask)
        if image.shape != mask.shape:
            sizes = ["{}x{}".format(*each.shape[1:]) for each in (image, mask)]
            raise DataError(
                f"a mask has another size than its picture: {sizes[1]} and {sizes[0]} pixels.",
                where=f"{pair.mask}, {pair.picture}",
                to_do="give every mask the size of its picture",
            )
        shown = flat(image, rgb)
        if side and max(shown.shape[1:]) > side:
            size = _within(side, *shown.shape[1:])
            shown = F.interpolate(shown[None], size, mode="area")[0]
            mask = _sized(mask, size)
            numbers = None if numbers is None else _sized(numbers[None], size)[0]
        images.append((255 * shown).round().to(torch.uint8))
        red, green, blue = (255 * mask[:3]).round().to(torch.int32)
        codes.append(red << 16 | green << 8 | blue)
        known.append(mask[3] >= 0.5)
        plain.append(numbers)
        progress.advance(number)
    masks = _by_numbers(plain, known, len(classes), found)
    masks = masks or _numbered(codes, known, classes, found)
    return [Example(*each) for each in zip(images, masks, known, strict=True)]


def _sized(mask: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(mask[None], size, mode="nearest-exact")[0]


def _within(side: int, height: int, width: int) -> list[int]:
    """Return height and width in proportion, the longer one `side`."""
    longest = max(height, width)
    return [max(1, round(each * side / longest)) for each in (height, width)]


def flat(picture: Tensor, rgb: bool) -> Tensor:
    """Return a picture on black, `(3, H, W)` or `(1, H, W)`.

    Args:
        picture: `(4, H, W)`: red, green, blue and cover, from 0 to 1.
        rgb: Whether it keeps its colours.
    """
    colours = picture[:3] * picture[3:]
    return colours if rgb else colours.mean(dim=0, keepdim=True)


def _by_numbers(
    plain: Sequence[Tensor | None], known: list[Tensor], count: int, found: Sequence[Pair]
) -> list[Tensor] | None:
    """Return the class of each pixel of each mask from the numbers in its file, uint8 `(H, W)`.

    None: not all files hold numbers, or they are grey from black to white, as colours are.
    """
    masks = [numbers for numbers in plain if numbers is not None]
    if len(masks) < len(plain):
        return None
    each = [numbers[there].unique() for numbers, there in zip(masks, known, strict=True)]
    values = torch.cat(each).unique()
    if not len(values) or not values.equal(values.round()) or values[0] < 0:
        return None
    if values[-1] < count:
        return [numbers.to(torch.uint8) for numbers in masks]
    if len(values) == count:
        return [torch.searchsorted(values, n).clamp(max=count - 1).to(torch.uint8) for n in masks]
    if count == 2 and DEEP < values[-1] < 1 << 15:
        return _objects(masks, found)
    return None


def _objects(masks: Sequence[Tensor], found: Sequence[Pair]) -> list[Tensor]:
    """Return masks that number their objects: whatever is not 0 is one."""
    text = "the masks number their objects: all pixels but those of 0 are of the second class"
    warnings.warn(f"{found[0].mask.parent}: {text}", NCAWarning, stacklevel=2)
    return [(mask > 0).to(torch.uint8) for mask in masks]


def _numbered(
    codes: list[Tensor], known: list[Tensor], classes: Sequence[str], found: Sequence[Pair]
) -> list[Tensor]:
    """Return the class of each pixel of each mask, uint8 `(H, W)`, from its colour."""
    count, values = len(classes), set[int]()
    for code, there in zip(codes, known, strict=True):
        values |= {*code[there].unique().tolist()}
        if len(values) > MOST_COLOURS:
            break
    if all(_grey(value) and value & 255 < count for value in values):
        return [(code & 255).to(torch.uint8) for code in codes]
    if len(values) == count:
        order = sorted(values, key=_brightness)
        masks = [torch.zeros_like(code, dtype=torch.uint8) for code in codes]
        for code, mask in zip(codes, masks, strict=True):
            for number, value in enumerate(order):
                mask[code == value] = number
        return masks
    if count == 2:
        brightness = [(code >> 16) + (code >> 8 & 255) + (code & 255) for code in codes]
        if all(map(_grey, values)) and _are_labels(brightness):
            return _objects(brightness, found)
        return [(each > 3 * 127).to(torch.uint8) for each in brightness]
    words = [f"{value & 255}" if _grey(value) else f"#{value:06x}" for value in sorted(values)]
    raise DataError(
        f"the masks have {len(values)} different colours, and there are {count} classes: "
        f"{', '.join(classes)}.",
        where=f"{found[0].mask.parent}: {_some(words)}",
        to_do=f"give masks of 0 to {count - 1} or of {count} colours, in PNG, which keeps them "
        'exactly, or name all classes: --set task.classes=["ground","tree",...]',
    )


def _are_labels(brightness: Sequence[Tensor]) -> bool:
    """Tell numbers of objects from black and white with soft edges, or as JPEG keeps them.

    Args:
        brightness: Of each pixel of each mask, from 0 to 765.
    """
    flat = torch.cat([each.flatten() for each in brightness])
    lit = flat[flat > NOISE]
    if not len(lit):  # all that there is are numbers of a few objects
        return bool(flat.any())
    beside = [(each[:, 1:], each[:, :-1]) for each in brightness]
    alike = torch.cat([(a == b)[(a > NOISE) & (b > NOISE)] for a, b in beside]).double().mean()
    middle = (lit < 3 * 255 - NOISE).double().mean()
    return bool(middle > 0.5 and alike > 0.5)  # an object has one number, an edge has many


def _grey(code: int) -> bool:
    return code >> 16 == code >> 8 & 255 == code & 255


def _brightness(code: int) -> tuple[int, int]:
    return (code >> 16) + (code >> 8 & 255) + (code & 255), code


def _by_name(paths: Sequence[Path], folder: Path) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        if (other := named.setdefault(path.stem, path)) != path:
            raise DataError(
                f"two files have one name: {other.name} and {path.name}.",
                where=str(folder),
                to_do="keep one of them, or rename it",
            )
    return named


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"

"""Read the picture that an automaton shall grow, and show the one that it has grown.

A target is named in a recipe either by a path to a picture or by the name of something that draws
one. Both end as the same tensor: red, green and blue already multiplied by alpha, so that what is
transparent is zero in every channel, as dead cells are. Scaling happens after that
multiplication, in floating point: colours hidden under transparent pixels must not bleed in.

Legend: C channel, H height, W width.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nca.errors import PictureError, PluginError, ShapeError, TargetError
from nca.recipe.recipe_files import RecipeFiles
from nca.registry.options import named_parts, plugin_options
from nca.registry.registry import registry
from nca.render.pictures import Picture, decode, drawn, read_picture_file
from nca.types import PICTURES, OutsideFile

Target: TypeAlias = str | Mapping[str, Any]
"""A path, a name, or a table of a name and options."""
SMALLEST_SIDE = 4
LONGEST_SIDE = 1 << 13
PATH_OR_NAME = OutsideFile(or_name=True, endings=PICTURES)


def load_target(
    spec: Target, *, side: int, padding: int = 0, folder: Path, files: RecipeFiles | None = None
) -> Tensor:
    """Return a target as red, green, blue and alpha, premultiplied, on a square canvas.

    A picture is taken whole, with the transparent margins it may have: one whose longest side is
    `side` already is not resampled.

    Args:
        spec: A path to a picture, or `NAME` or `NAME:ARGUMENT` of a registered target. It is a
            path if it ends like a picture file, looks like a path or leads to a file. Or a table
            of a target and its options: `{"name": "NAME", "argument": "ARGUMENT", ...}`.
        side: Longest side of the picture in cells, at least 4; the shorter one is centred.
        padding: Transparent cells added on every side of the square.
        folder: Where relative paths start: the folder of the recipe.
        files: Where files are read instead: `context.files` of a task, which a run keeps.

    Returns:
        A float32 tensor (4, side + 2 * padding, side + 2 * padding), each value from 0 to 1 and
        no colour above its alpha.

    Raises:
        TargetError: The picture cannot be found, read or used, or a size is out of range.
        RegistryError: No target is registered under that name.
        PluginError: What is registered under that name draws no RGBA picture.
    """
    _check_side(spec, side)
    if padding < 0:
        raise TargetError(
            f"a target cannot have a padding of {padding}.",
            where=f"target {spec!r}, padding = {padding}",
            to_do="give 0 or more cells; 16 is customary",
        )
    picture = _picture(spec, side, files or RecipeFiles(folder), opaque=False)
    target = _scale(_premultiplied(picture), side)  # (4, H, W)
    if target[3].max() < 1 / 255:
        raise TargetError(
            "the target is empty: every pixel of it is transparent.",
            where=f"target {spec!r} at side {side}",
            to_do="choose a picture that shows something; an emoji font in COLRv1 format draws "
            "blank, so take a bitmap font or a PNG",
        )
    height, width = target.shape[1:]
    top, left = (side - height) // 2, (side - width) // 2
    edges = (left, side - width - left, top, side - height - top)
    return F.pad(target, [edge + padding for edge in edges])  # (4, side + 2p, side + 2p)


def load_texture(
    spec: Target, *, side: int, folder: Path, files: RecipeFiles | None = None
) -> Tensor:
    """Return a picture without transparency, whole and in its own proportions.

    Args:
        spec: A path to a picture, or `NAME` or `NAME:ARGUMENT` of a registered target; see
            `load_target`. What is transparent is laid on white.
        side: Longest side of the picture in cells, at least 4.
        folder: Where relative paths start: the folder of the recipe.
        files: Where files are read instead: `context.files` of a task, which a run keeps.

    Returns:
        Red, green and blue, a float32 tensor (3, height, width), each value from 0 to 1.

    Raises:
        TargetError: The picture cannot be found, read or used, or is smaller than 4 cells on its
            shorter side.
        RegistryError: No target is registered under that name.
        PluginError: What is registered under that name draws no RGBA picture.
    """
    _check_side(spec, side)
    found = _picture(spec, side, files or RecipeFiles(folder))
    picture = to_rgb_on_white(_scale(_premultiplied(found), side))
    if min(picture.shape[1:]) < SMALLEST_SIDE:
        height, width = picture.shape[1:]
        raise TargetError(
            f"the picture is {height} cells high and {width} wide: too narrow for a texture.",
            where=f"target {spec!r} at side {side}",
            to_do=f"give a greater side, or a picture with {SMALLEST_SIDE} cells on both sides",
        )
    return picture


def load_picture(path: str | Path) -> Tensor:
    """Return a picture file at its own size, whatever its format.

    Args:
        path: The file.

    Returns:
        Red, green, blue, not multiplied by it, and cover, a float32 tensor (4, height, width),
        each value from 0 to 1; a file of 8 bits has kept its numbers, each divided by 255.

    Raises:
        PictureError: It cannot be found or read, or has more than 8,192 pixels along a side.
    """
    content = read_picture_file(Path(path))
    picture = decode(content, str(path), side=LONGEST_SIDE, longest=LONGEST_SIDE)
    return torch.from_numpy(picture.pixels).permute(2, 0, 1).contiguous()


def load_numbers(path: str | Path) -> Tensor | None:
    """Return the numbers of a picture file where they are no colours, such as those of a mask.

    Args:
        path: The file.

    Returns:
        `(height, width)`, float64: places in a palette of colours, or grey of more than 8 bits as
        it stands in the file. None: the file holds colours, which `load_picture` returns.

    Raises:
        PictureError: As by `load_picture`.
    """
    content = read_picture_file(Path(path))
    numbers = decode(content, str(path), side=LONGEST_SIDE, longest=LONGEST_SIDE).numbers
    return None if numbers is None else torch.from_numpy(numbers.astype(np.float64))


def to_rgb_on_white(rgba: Tensor) -> Tensor:
    """Lay premultiplied colours on white paper: `1 - alpha + rgb`, kept within 0 and 1.

    The formula is that of Mordvintsev et al. (2020). Alpha is clipped first, because a living cell
    may leave the range; the colours are not divided by it.

    Args:
        rgba: A tensor (..., 4, height, width): red, green, blue, alpha.

    Returns:
        A tensor (..., 3, height, width).

    Raises:
        ShapeError: The third axis from the end does not hold 4 channels.
    """
    if rgba.ndim < 3 or rgba.shape[-3] != 4:
        raise ShapeError(
            "a picture with transparency needs 4 channels: red, green, blue, alpha.",
            where=f"to_rgb_on_white(rgba), rgba is {tuple(rgba.shape)}",
            to_do="give (..., 4, height, width), for example state[level][:, :4]",
        )
    colours, alpha = rgba.split((3, 1), dim=-3)  # (..., 3, H, W), (..., 1, H, W)
    return (1 - alpha.clip(0, 1) + colours).clip(0, 1)


def _check_side(spec: Target, side: int) -> None:
    if side < SMALLEST_SIDE:
        raise TargetError(
            f"a target of side {side} is too small to show anything.",
            where=f"target {spec!r}, side = {side}",
            to_do=f"give a side of at least {SMALLEST_SIDE} cells; 40 is customary",
        )


def _picture(spec: Target, side: int, files: RecipeFiles, *, opaque: bool = True) -> Picture:
    content = files.get(spec) if isinstance(spec, str) else None
    if not isinstance(spec, str) or (content is None and not PATH_OR_NAME.is_path(spec)):
        try:
            return drawn(_draw(spec, side, files), f"target {spec!r}", side)
        except PictureError as fault:
            raise TargetError(fault.what, where=fault.where, to_do=fault.to_do) from fault
    if content is None and files.out_of_reach(spec):
        raise TargetError(
            f"the checkpoint does not carry the picture {spec!r}.",
            where=files.label,
            to_do="give it on the command line: --set task.target=FILE",
        )
    path = files.place(spec)
    try:
        picture = decode(content or read_picture_file(path), str(path), side=side)
    except PictureError as fault:
        raise TargetError(fault.what, where=fault.where, to_do=fault.to_do) from fault
    if not (opaque or picture.transparent):
        raise TargetError(
            f"the target has no transparency: its pixels are {picture.mode} without alpha.",
            where=str(path),
            to_do="give it a transparent background, where the automaton shall stay dead: in GIMP "
            "Layer > Transparency > Add Alpha Channel, erase the background, export as PNG",
        )
    return picture


def _draw(spec: Target, side: int, files: RecipeFiles) -> Image.Image:
    name, options = named_parts("target", spec, "target")
    if isinstance(spec, str):
        name, _, options["argument"] = spec.partition(":")
    given = plugin_options("target", name, options, ("target",), lambda t, _: files.place(t))
    picture = registry.get("target", name)(given.pop("argument"), side, **given)
    if not isinstance(picture, Image.Image) or picture.mode != "RGBA":
        what = getattr(picture, "mode", type(picture).__name__)
        raise PluginError(
            f"the target {name!r} drew {what}, not an RGBA picture.",
            where=f"target {spec!r} at side {side}",
            to_do="let its function return a PIL.Image.Image in mode RGBA, not premultiplied",
        )
    return picture


def _premultiplied(picture: Picture) -> np.ndarray:
    straight = picture.pixels  # (H, W, 4)
    alpha = straight[..., 3:]
    return np.concatenate((straight[..., :3] * alpha, alpha), axis=-1)


def _scale(pixels: np.ndarray, side: int) -> Tensor:
    """Bring the longest side to `side` and the channels to the front."""
    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest != side:
        size = max(1, round(width * side / longest)), max(1, round(height * side / longest))
        channels = [
            np.asarray(Image.fromarray(channel).resize(size, Image.Resampling.LANCZOS))
            for channel in np.ascontiguousarray(pixels.transpose(2, 0, 1))
        ]
        pixels = np.stack(channels, axis=-1)
    target = torch.from_numpy(pixels.copy()).permute(2, 0, 1).clip(0, 1)  # (4, H, W)
    colours, alpha = target.split((3, 1))
    # Lanczos overshoots; a colour above its alpha would be brighter than white.
    return torch.cat((torch.minimum(colours, alpha), alpha))

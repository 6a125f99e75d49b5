"""What a page has to know to show an automaton: views of its cells, and where one may draw.

Legend: C channel, K class.
"""

import base64
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nca.export.pack import Packer, base64_of
from nca.portrait import Classes, Colours, Drawing, Portrait
from nca.program import Layer
from nca.render import principal_axes
from nca.state import State


def views(
    portrait: Portrait, lived: Sequence[State], packer: Packer, names: list[str]
) -> list[dict]:
    """Return the ways to look at the cells: the task's own, then each level.

    Args:
        portrait: What the task says.
        lived: States to find each level's principal colours in.
        packer: Gets the weights that make colours of channels.
        names: All levels, bottom level first.
    """
    found = []
    if isinstance(portrait.look, Colours):
        look = portrait.look
        found.append(
            {
                "kind": "colours",
                "name": "picture",
                "level": names.index(look.level),
                "channels": list(look.channels),
                "alpha": look.alpha,
                "shift": look.shift,
            }
        )
    elif isinstance(portrait.look, Classes):
        found.append(_classes(portrait.look, packer, names))
    for place, name in enumerate(names):
        if portrait.drawing is None or portrait.drawing.level != name:
            found.append(
                {
                    "name": name,
                    "level": place,
                    **_principal([state[name] for state in lived], packer),
                }
            )
    return found


def drawing(pen: Drawing | None, names: list[str]) -> dict[str, Any] | None:
    """Return what the page needs to let a person draw."""
    if pen is None:
        return None
    pixels = (pen.examples.clamp(0, 1) * 255).round().to(torch.uint8)
    return {
        "level": names.index(pen.level),
        "patch": pen.patch,
        "mean": pen.mean,
        "deviation": pen.deviation,
        "examples": [base64_of_bytes(example) for example in pixels],
        "words": list(pen.words),
    }


def base64_of_bytes(pixels: Tensor) -> str:
    """Return uint8 numbers in base64."""
    return base64.b64encode(pixels.cpu().contiguous().numpy().tobytes()).decode()


def _classes(look: Classes, packer: Packer, names: list[str]) -> dict[str, Any]:
    layer = Layer(look.weight, look.bias, "none")
    palette = torch.cat([look.colours.cpu(), torch.zeros(len(look.colours), 1)], dim=1)
    return {
        "kind": "classes",
        "name": "picture",
        "level": names.index(look.level),
        "classes": len(look.names),
        "at": packer.layer(layer),
        "bias": packer.bias(look.bias, len(look.names)),
        "palette": packer.add(palette),
        "names": list(look.names),
        "colours": [[round(c * 255) for c in row] for row in look.colours.tolist()],
        "voters": look.voters,
        "ink": look.ink,
        "silent": look.silent,
    }


def _principal(levels: Sequence[Tensor], packer: Packer) -> dict[str, Any]:
    """Return the axes along which cells of a level differ most; where they are, the page sees."""
    _, axes, _ = principal_axes(levels)
    if len(axes) < 3:  # of one or two channels: the first is grey
        axes = torch.cat([axes, axes[:1].expand(3 - len(axes), -1)])
    return {
        "kind": "principal",
        "at": packer.layer(Layer(axes, None, "none")),
        "axes": base64_of(axes),
    }

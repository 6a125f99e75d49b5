"""What a page has to know to show an automaton: views of its cells, and where one may draw.

Legend: C channel, K class.
"""

import base64
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from nca.engine.program import Layer
from nca.engine.state import State
from nca.export.texels import Packer, base64_of
from nca.render.palettes import colour_map, legible
from nca.render.pca import PrincipalAxes
from nca.tasks.display import (
    Canvas,
    ChannelColours,
    ClassColours,
    Display,
    MappedColours,
    StateColours,
)

DARK = torch.tensor([11, 12, 14]) / 255
"""What lies under the cells in dark mode: `--sheet` in `page.css`."""


def views(
    display: Display, states: Sequence[State], packer: Packer, names: list[str]
) -> list[dict]:
    """Return the ways to look at the cells: the task's own, then each level of which more is there.

    Args:
        display: What the task says.
        states: Those to find each level's principal colours in.
        packer: Gets the weights that make colours of channels.
        names: All levels, bottom level first.
    """
    found = []
    if isinstance(display.look, ChannelColours):
        look = display.look
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
    elif isinstance(display.look, ClassColours):
        found.append(_classes(display.look, packer, names))
    elif isinstance(display.look, MappedColours):
        found.append(_mapped(display.look, packer, names))
    elif isinstance(display.look, StateColours):
        found.append(_states(display.look, packer, names))
    if (canvas := display.drawing) and canvas.colours == 3:  # of which a class shows none
        found.append({"kind": "drawn", "name": canvas.level, "level": names.index(canvas.level)})
    for place, name in enumerate(names):
        whole = _shows_all(display, states[0], name)
        if not whole and (display.drawing is None or display.drawing.level != name):
            found.append(
                {
                    "name": name,
                    "level": place,
                    **_principal([state[name] for state in states], packer),
                }
            )
    return found


def _shows_all(display: Display, state: State, name: str) -> bool:
    """Return whether the task's own way to look at a level shows all that it holds."""
    look = display.look
    return (
        isinstance(look, StateColours | MappedColours)
        and look.level == name
        and state[name].shape[1] == 1
    )


def drawing(canvas: Canvas | None, names: list[str]) -> dict[str, Any] | None:
    """Return what the page needs to let a person draw."""
    if canvas is None:
        return None
    pixels = (canvas.examples.clamp(0, 1) * 255).round().to(torch.uint8)
    return {
        "level": names.index(canvas.level),
        "patch": canvas.patch,
        "colours": canvas.colours,
        "mean": canvas.mean,
        "deviation": canvas.deviation,
        "examples": [base64_of_bytes(example) for example in pixels],
        "words": list(canvas.words),
    }


def base64_of_bytes(pixels: Tensor) -> str:
    """Return uint8 numbers in base64."""
    return base64.b64encode(pixels.cpu().contiguous().numpy().tobytes()).decode()


def _classes(look: ClassColours, packer: Packer, names: list[str]) -> dict[str, Any]:
    layer = Layer(look.weight, look.bias, "none")
    themes = {"light": look.colours.cpu(), "dark": legible(look.colours.cpu(), DARK)}
    filler = torch.zeros(len(look.colours), 1)
    return {
        "kind": "classes",
        "name": "picture",
        "level": names.index(look.level),
        "classes": len(look.names),
        "at": packer.layer(layer),
        "bias": packer.bias(look.bias, len(look.names)),
        "palettes": {
            theme: packer.add(torch.cat([colours, filler], dim=1))
            for theme, colours in themes.items()
        },
        "names": list(look.names),
        "colours": {
            theme: [[round(c * 255) for c in row] for row in colours.tolist()]
            for theme, colours in themes.items()
        },
        "voters": look.voters,
        "ink": look.ink,
        "silent": look.silent,
    }


def _mapped(look: MappedColours, packer: Packer, names: list[str]) -> dict[str, Any]:
    table = colour_map(look.colour_map)
    at = packer.add(torch.cat([table, torch.zeros(len(table), 1)], dim=1))
    return {
        "kind": "mapped",
        "name": "picture",
        "level": names.index(look.level),
        "channel": look.channel,
        "low": look.low,
        "high": look.high,
        "palettes": {"light": at, "dark": at},
        "shades": len(table),
    }


def _states(look: StateColours, packer: Packer, names: list[str]) -> dict[str, Any]:
    colours = look.colours.cpu()
    at = packer.add(torch.cat([colours, torch.zeros(len(colours), 1)], dim=1))
    return {
        "kind": "states",
        "name": "picture",
        "level": names.index(look.level),
        "channel": look.channel,
        "states": len(colours),
        "names": list(look.names),
        "colours": [[round(c * 255) for c in row] for row in colours.tolist()],
        "palettes": {"light": at, "dark": at},
    }


def _principal(levels: Sequence[Tensor], packer: Packer) -> dict[str, Any]:
    """Return the axes along which cells of a level differ most; where they are, the page sees."""
    axes, channels = PrincipalAxes.fit(levels).axes, levels[0].shape[1]
    if channels < 3:  # of one or two channels: the first is grey
        axes = torch.cat([axes[:channels], axes[:1].expand(3 - channels, -1)])
    return {
        "kind": "principal",
        "at": packer.layer(Layer(axes, None, "none")),
        "axes": base64_of(axes),
    }

"""The two layers of automata that perceive through fixed kernels, as pictures and textures do.

A file is read in every way that its options leave open; what is left of them is tried on a seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from torch import Tensor

from nca import CheckpointError
from nca_plugins.importers.features import (
    Features,
    Order,
    from_kernels,
    mixed,
    stored_kernels,
)
from nca_plugins.importers.json_files import is_text, read_byte_layers, read_frozen_graph, read_text
from nca_plugins.importers.layers import (
    FoundLayer,
    FoundLayers,
    find_layers,
    from_graph,
    misfit,
    unused_note,
)
from nca_plugins.importers.torch_files import read_tensors
from nca_plugins.importers.trial import choose

KERNELS = (3, 4)
"""So many features a cell has of each channel: itself and two slopes, and the Laplacian."""
OUR_NAMES = ("hidden.weight", "change.weight")
"""Under these names the features of a channel lie together, and slopes are divided by 8."""

Nets = dict[str, Tensor]


@dataclass(frozen=True)
class LayoutHint:
    """What is known of a file before it is read.

    Attributes:
        features: How its features are laid out; `auto`: as it says, or as a seed grows.
        slopes: The order and signs of its slopes.
        gains: How many times ours its slopes may be.
        part: Where the names of its tensors start.
    """

    features: Literal["auto", "channel", "kernel"] = "auto"
    slopes: str = "xy"
    gains: Sequence[float] = (1.0,)
    part: str = ""


def perceiving_nets(source: Path, hint: LayoutHint, *, alive: bool) -> tuple[Nets, tuple[str, ...]]:
    """Return the tensors of the rule `growing`, and what was supposed on the way.

    Args:
        source: A file with two layers, of any names, or in any of the forms of the articles: a
            frozen graph in JSON or JavaScript, or the layers of bytes of a demonstration.
        hint: What is known of it.
        alive: Whether it grows from one live cell; else from nothing, as textures do.

    Raises:
        CheckpointError: It is damaged, holds other weights, or can be read in more than one way.
    """
    found, hint = _layers(source, hint)
    hidden, change = found.layers
    channels = len(change.weight)
    count = hidden.weight.shape[1] // channels
    readings = {
        name: {
            "hidden.weight": features.in_our_terms(hidden.weight).contiguous(),
            "hidden.bias": hidden.bias,
            "change.weight": change.weight,
            "change.bias": change.bias,
        }
        for name, features in _readings(found, hint, count, channels, source)
    }
    notes = [*found.notes, *unused_note(found.unused)]
    if len(readings) == 1:
        (nets,) = readings.values()
        return nets, tuple(notes)
    name = choose(readings, alive=alive)
    if name is None:
        raise CheckpointError(
            "the file can be read in more than one way, and none stands out when a seed grows.",
            where=f"{source}: {'; '.join(readings)}",
            to_do="say how its features are laid out: --set features=channel, or =kernel, and "
            "--set gain=8 where slopes are not divided by 8",
        )
    others = ", ".join(other for other in readings if other != name)
    return readings[name], (*notes, f"{name}: so it grows from a seed, and not with {others}")


def _layers(source: Path, hint: LayoutHint) -> tuple[FoundLayers, LayoutHint]:
    """Return the layers of a file, and what it says of their features itself."""
    ours = LayoutHint("channel", hint.slopes, (1.0,))
    if not is_text(source):
        tensors = read_tensors(source)
        found = find_layers(tensors, (1, 1), _fits, source, hint.part)
        named = tuple(layer.name for layer in found.layers) == OUR_NAMES
        return found, ours if named and hint.features == "auto" else hint
    if read_text(source).lstrip().startswith("["):
        return _byte_layers(source), LayoutHint("kernel", hint.slopes, (1.0,))
    layers = from_graph(read_frozen_graph(source), (1, 1), source)
    if not _fits([layer.weight for layer in layers]):
        shapes = [tuple(layer.weight.shape) for layer in layers]
        raise misfit(source, f"layers of {shapes} (out, in), which do not follow one another")
    return FoundLayers(layers, {}), ours


def _fits(weights: Sequence[Tensor]) -> bool:
    hidden, change = weights
    channels, features = len(change), hidden.shape[1]
    return (
        channels > 0
        and features % channels == 0
        and features // channels in KERNELS
        and len(hidden) == change.shape[1]
    )


def _readings(
    found: FoundLayers, hint: LayoutHint, count: int, channels: int, source: Path
) -> Iterator[tuple[str, Features]]:
    """Yield the ways to read the features of a first layer, each with its name."""
    orders: tuple[Order, ...] = ("channel", "kernel")
    if hint.features != "auto":
        orders = (hint.features,)
    for name, kernels, by_channel in stored_kernels(found.unused, count, channels):
        matrix = from_kernels(kernels)
        if matrix is None:
            what = f"{name} {tuple(kernels.shape)} are no identity, slopes and Laplacian"
            raise misfit(source, what)
        for order in ("channel",) if by_channel and hint.features == "auto" else orders:
            yield f"features by {order}, kernels as in {name}", Features(order, matrix)
        return
    for order, gain in product(orders, hint.gains):
        times = "" if gain == 1 else f", slopes {gain:g} times as large"
        yield f"features by {order}{times}", Features(order, mixed(count, hint.slopes, gain))


def _byte_layers(source: Path) -> FoundLayers:
    layers = [FoundLayer("", weight, bias) for weight, bias in read_byte_layers(source)]
    if len(layers) != 2 or not _fits([layer.weight for layer in layers]):
        shapes = [tuple(layer.weight.shape) for layer in layers]
        raise misfit(source, f"layers of {shapes} (out, in); expected two, features by threes")
    return FoundLayers(tuple(layers), {})

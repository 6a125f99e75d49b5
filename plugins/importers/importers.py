"""Read the weights that other people published, under the names that our rules give them.

Each function takes a file or folder as it was published and checks every tensor for its shape.
An importer adds the recipe that the weights fit and their place in its automaton; the function
below it stops at one net's own names. Nothing in the files is run.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from nca import Imported, register
from nca.types import Positive
from nca_plugins.importers.features import Slopes
from nca_plugins.importers.json_files import is_text, read_blobs, read_frozen_graph, read_text
from nca_plugins.importers.layers import (
    FLOATS,
    FOR_TESTS,
    find_layers,
    from_graph,
    misfit,
    unused_note,
)
from nca_plugins.importers.perceiving import LayoutHint, perceiving_nets
from nca_plugins.importers.torch_files import read_tensors

SEED_NETS = {  # our name of a net, and the file in which it was published
    **{f"bottom_up.{level}": f"bottom_up_model{level}" for level in range(3)},
    **{f"lateral.{level}": f"layer_att_model{level}" for level in range(3)},
    **{f"top_down.{level}": f"top_down_model{level}" for level in range(2)},
}
SEED_LEVELS = ("part", "object", "scene")  # of recipes/glom_seed.toml, above its image
SEED_RULES = ("bottom_up", "top_down", "lateral")  # of each, in the order of their rules
SEED_LAYERS = {"q": (10, 90), "k": (10, 10), "v": (10, 10)}  # (out, in), in the order of use
WIDTHS = (3, 1, 1)  # of the kernels of a self-classifying automaton
BLOBS = "WEIGHTS_B64"


@register.importer("seed-glom")
def seed_glom(source: Path) -> Imported:
    """Import the first GLOM automaton (Ryan, 2021): its `best_models` folder, or one file."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in seed_glom_nets(source).items():
        net, number, rest = name.split(".", 2)
        rules = [rule for rule in SEED_RULES if f"{rule}.{number}" in SEED_NETS]
        level = SEED_LEVELS[int(number)]
        tensors[f"automaton.rules.{level}.{rules.index(net)}.{rest}"] = tensor
    return Imported("glom_seed", tensors)


@register.importer("growing")
def growing(
    source: Path,
    *,
    features: Literal["auto", "channel", "kernel"] = "auto",
    slopes: Slopes = "xy",
    gain: Positive | Literal["auto"] = "auto",
    part: str = "",
) -> Imported:
    """Import a Growing NCA (Mordvintsev et al., 2020): a graph, a demonstration's layers, a file.

    The recipe's target stays the lizard; set `task.target` to judge another pattern.

    Args:
        source: As of `growing_nets`.
        features: Whether what cells perceive lies together by `channel` or by `kernel`; `auto`: as
            the file says, or else as a seed grows.
        slopes: The order of their slopes, and where an axis points the other way: `yx`, `x-y`.
        gain: How many times Sobel's kernels divided by 8 theirs are; `auto`: 1, or 8 if that grows.
        part: Where the names of its tensors start, if the file holds more than one network.

    Raises:
        CheckpointError: The file is damaged, holds other weights, or its order cannot be found out.
    """
    gains = (1.0, 8.0) if gain == "auto" else (gain,)
    nets, notes = perceiving_nets(source, LayoutHint(features, slopes, gains, part), alive=True)
    return Imported("growing_lizard", _of_rule("body", nets), _widths(nets, 128, 16, 3), notes)


@register.importer("texture")
def texture(
    source: Path,
    *,
    features: Literal["auto", "channel", "kernel"] = "auto",
    slopes: Slopes = "xy",
    gain: Positive = 8.0,
    part: str = "",
) -> Imported:
    """Import a texture automaton (Niklasson et al., 2021): a state dict or module of its notebook.

    The recipe's target stays the weave; set `task.target` to judge another pattern.

    Args:
        source: A file with a first layer that is given 4 features of each channel.
        features: As of the importer `growing`.
        slopes: As of the importer `growing`.
        gain: How many times Sobel's and Laplace's kernels divided by 8 theirs are; the notebook
            does not divide.
        part: As of the importer `growing`.

    Raises:
        CheckpointError: The file is damaged, holds other weights, or its order cannot be found out.
    """
    nets, notes = perceiving_nets(source, LayoutHint(features, slopes, (gain,), part), alive=False)
    return Imported("texture", _of_rule("body", nets), _widths(nets, 64, 12, 4), notes)


@register.importer("self-classifying")
def self_classifying(source: Path, *, part: str = "") -> Imported:
    """Import the self-classifying MNIST automaton (Randazzo et al., 2020): a graph, blobs, a file.

    The published weights saw pixels of 0 to 1, as the recipe's do.

    Args:
        source: As of `self_classifying_nets`.
        part: Where the names of its tensors start, if the file holds more than one network.

    Raises:
        CheckpointError: The file is damaged or holds other weights.
    """
    nets, notes = self_classifying_nets(source, part)
    changed = _changed(
        {
            "levels.cells.channels": (len(nets["change.weight"]), 19),
            "levels.cells.rules.0.perceive": (len(nets["perceive.weight"]), 80),
            "levels.cells.rules.0.hidden": (len(nets["hidden.weight"]), 80),
        }
    )
    return Imported("self_classifying_mnist", _of_rule("cells", nets), changed, notes)


def _widths(
    nets: Mapping[str, Tensor], hidden: int, channels: int, kernels: int
) -> tuple[str, ...]:
    """Return the overrides of a recipe whose rule has other widths."""
    units, features = nets["hidden.weight"].shape
    own = len(nets["change.weight"])
    changed = _changed(
        {"levels.body.channels": (own, channels), "levels.body.rules.0.hidden": (units, hidden)}
    )
    laplacian = ("levels.body.rules.0.laplacian=true",) if features // own > kernels else ()
    return (*changed, *laplacian)


def _changed(widths: Mapping[str, tuple[int, int]]) -> tuple[str, ...]:
    return tuple(f"{key}={found}" for key, (found, usual) in widths.items() if found != usual)


def seed_glom_nets(source: Path) -> dict[str, Tensor]:
    """Read the eight nets of the first GLOM automaton (Ryan, 2021).

    Args:
        source: The folder with its eight pickled modules, or one file with tensors named
            `bottom_up.0.q.weight` and so on.

    Raises:
        CheckpointError: A net is missing, damaged or of another shape.
    """
    expected = {
        f"{net}.{layer}.{part}": shape if part == "weight" else shape[:1]
        for net in SEED_NETS
        for layer, shape in SEED_LAYERS.items()
        for part in ("weight", "bias")
    }
    if not source.is_dir():
        return _checked(read_tensors(source), expected, source)
    found: dict[str, Tensor] = {}
    for net, stem in SEED_NETS.items():
        found |= {f"{net}.{name}": tensor for name, tensor in _seed_net(source, stem)}
    return _checked(found, expected, source)


def self_classifying_nets(
    source: Path, part: str = ""
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the layers of the self-classifying MNIST automaton (Randazzo et al., 2020).

    Args:
        source: A file with three layers of any names, the first over the neighbourhood of picture
            and state; a frozen graph in JSON or JavaScript; or JavaScript that assigns base64 blobs
            to `window.WEIGHTS_B64`.
        part: Where the names of its tensors start.

    Returns:
        Tensors of the rule `self_classifying`, and what was supposed on the way.

    Raises:
        CheckpointError: The file is damaged or holds other weights.
    """
    if not is_text(source):
        found = find_layers(read_tensors(source), WIDTHS, _classifies, source, part)
        layers, notes = found.layers, (*found.notes, *unused_note(found.unused))
    else:
        blobs = BLOBS in read_text(source)
        kernels = _from_blobs(source) if blobs else read_frozen_graph(source)
        layers, notes = from_graph(kernels, WIDTHS, source), ()
    if not _classifies([layer.weight for layer in layers]):
        shapes = [tuple(layer.weight.shape) for layer in layers]
        raise misfit(source, f"layers of {shapes} (out, in), which do not follow one another")
    nets: dict[str, Tensor] = {}
    for name, layer in zip(("perceive", "hidden", "change"), layers, strict=True):
        nets |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    return nets, notes


def _classifies(weights: Sequence[Tensor]) -> bool:
    """Return whether three layers follow one another, and see a picture beside their channels."""
    perceive, hidden, change = weights
    units = (len(perceive), len(hidden)) == (hidden.shape[1], change.shape[1])
    return units and perceive.shape[1] == len(change) + 1


def _from_blobs(source: Path) -> list[Tensor]:
    blobs = read_blobs(source, BLOBS)
    shapes = [(3, 3, 20, 80), (80,), (1, 1, 80, 80), (80,), (1, 1, 80, 19), (19,)]
    sizes, found = [torch.Size(s).numel() for s in shapes], [len(blob) for blob in blobs]
    if found != sizes:
        raise misfit(source, f"{BLOBS} has blobs of {found} numbers, not {sizes}")
    return [blob.reshape(shape) for blob, shape in zip(blobs, shapes, strict=True)]


def _of_rule(level: str, nets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Place the tensors of one rule, the only one of its level."""
    return {f"automaton.rules.{level}.0.{name}": tensor for name, tensor in nets.items()}


def _seed_net(folder: Path, stem: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of one pickled net as `q.weight`, `q.bias`, `k.weight` and so on."""
    files = [f for f in sorted(folder.iterdir()) if f.is_file() and stem in (f.name, f.stem)]
    if len(files) != 1:
        raise misfit(folder, f"{len(files)} files named {stem}, with any suffix; expected one")
    tensors = read_tensors(files[0])
    linears = [name.removesuffix(".weight") for name in tensors if name.endswith(".weight")]
    if len(linears) != len(SEED_LAYERS):
        raise misfit(files[0], f"{len(linears)} layers with a weight; expected {len(SEED_LAYERS)}")
    # The notebook calls them Q1, K1 and V1; under other names they stand in the order of use.
    by_letter = {name.rpartition(".")[2][:1].lower(): name for name in linears}
    if by_letter.keys() == SEED_LAYERS.keys():
        linears = [by_letter[layer] for layer in SEED_LAYERS]
    for layer, linear in zip(SEED_LAYERS, linears, strict=True):
        for part in ("weight", "bias"):
            if f"{linear}.{part}" in tensors:
                yield f"{layer}.{part}", tensors[f"{linear}.{part}"]


def _checked(
    found: Mapping[str, Tensor], expected: Mapping[str, Sequence[int]], source: Path
) -> dict[str, Tensor]:
    """Return the expected tensors as float32, each with memory of its own."""
    weights = {name: tensor for name, tensor in found.items() if not name.startswith(FOR_TESTS)}
    faults = [f"no {name} {tuple(expected[name])}" for name in expected if name not in weights]
    faults += [f"unexpected {name!a}" for name in weights if name not in expected]
    checked: dict[str, Tensor] = {}
    for name in (name for name in expected if name in weights):
        tensor, shape = weights[name], tuple(expected[name])
        if tuple(tensor.shape) != shape:
            faults.append(f"{name} is {tuple(tensor.shape)}, not {shape}")
        elif tensor.dtype not in FLOATS:
            faults.append(f"{name} is {tensor.dtype}, not floating-point")
        else:
            checked[name] = torch.empty(shape).copy_(tensor)
            if not checked[name].isfinite().all():
                faults.append(f"{name} is not finite")
    if faults:
        raise misfit(source, "; ".join(faults[:6]) + ("; ..." if faults[6:] else ""))
    return checked

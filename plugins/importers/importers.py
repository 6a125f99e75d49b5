"""Read the weights that other people published, under the names that our rules give them.

Each function takes a file or folder as it was published and checks every tensor for its shape.
An importer adds the recipe that the weights fit and their place in its automaton; the function
below it stops at one net's own names. Nothing in the files is run.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from nca import CheckpointError, Imported, register
from nca_plugins.importers.json_files import (
    is_text,
    read_blobs,
    read_byte_layers,
    read_frozen_graph,
    read_text,
)
from nca_plugins.importers.torch_files import read_tensors

SEED_NETS = {  # our name of a net, and the file in which it was published
    **{f"bottom_up.{level}": f"bottom_up_model{level}" for level in range(3)},
    **{f"lateral.{level}": f"layer_att_model{level}" for level in range(3)},
    **{f"top_down.{level}": f"top_down_model{level}" for level in range(2)},
}
SEED_LEVELS = ("part", "object", "scene")  # of recipes/glom_seed.toml, above its image
SEED_RULES = ("bottom_up", "top_down", "lateral")  # of each, in the order of their rules
SEED_LAYERS = {"q": (10, 90), "k": (10, 10), "v": (10, 10)}  # (out, in), in the order of use
SELF_CLASSIFYING = {
    "perceive.weight": (80, 20, 3, 3),
    "perceive.bias": (80,),
    "hidden.weight": (80, 80),
    "hidden.bias": (80,),
    "change.weight": (19, 80),
    "change.bias": (19,),
}
BLOBS = "WEIGHTS_B64"
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
FOR_TESTS = ("check.", "target")  # what our own fixtures carry beside the weights
FEATURES = 3  # of each channel: itself and its two slopes


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
def growing(source: Path) -> Imported:
    """Import a Growing NCA (Mordvintsev et al., 2020): a graph, a demonstration's layers, a file.

    The recipe's target stays the lizard; set `task.target` to judge another pattern.
    """
    nets = growing_nets(source)
    channels, hidden = nets["change.weight"].shape
    widths = {
        "levels.body.channels": (channels, 16),
        "levels.body.rules.0.hidden": (hidden, 128),
    }
    changed = tuple(f"{key}={found}" for key, (found, usual) in widths.items() if found != usual)
    return Imported("growing_lizard", _of_rule("body", nets), changed)


@register.importer("self-classifying")
def self_classifying(source: Path) -> Imported:
    """Import the self-classifying MNIST automaton (Randazzo et al., 2020): a graph, blobs, a file.

    The published weights saw pixels of 0 to 1, as the recipe's do.
    """
    return Imported("self_classifying_mnist", _of_rule("cells", self_classifying_nets(source)))


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


def growing_nets(source: Path) -> dict[str, Tensor]:
    """Read the two layers of a Growing NCA (Mordvintsev et al., 2020), of any width.

    Args:
        source: A file with tensors named `hidden.weight`, `hidden.bias`, `change.weight` and
            `change.bias`; a frozen graph in JSON or JavaScript; or the layers of bytes that the
            article's demonstration runs. The bytes keep a feature of all channels together; the
            result, like the other files, keeps the features of a channel together.

    Raises:
        CheckpointError: The file is damaged or holds other weights.
    """
    if not is_text(source):
        found = read_tensors(source)
    elif read_text(source).lstrip().startswith("["):
        found = _from_byte_layers(source)
    else:
        found = _from_kernels(read_frozen_graph(source), ("hidden", "change"), source)
    change = found.get("change.weight")
    channels, hidden = change.shape if change is not None and change.ndim == 2 else (16, 128)
    expected = {
        "hidden.weight": (hidden, FEATURES * channels),
        "hidden.bias": (hidden,),
        "change.weight": (channels, hidden),
        "change.bias": (channels,),
    }
    return _checked(found, expected, source)


def self_classifying_nets(source: Path) -> dict[str, Tensor]:
    """Read the three layers of the self-classifying MNIST automaton (Randazzo et al., 2020).

    Args:
        source: A file with tensors named `perceive.weight` and so on; a frozen graph in JSON or
            JavaScript; or JavaScript that assigns base64 blobs to `window.WEIGHTS_B64`.

    Raises:
        CheckpointError: The file is damaged or holds other weights.
    """
    if not is_text(source):
        return _checked(read_tensors(source), SELF_CLASSIFYING, source)
    names = ("perceive", "hidden", "change")
    if BLOBS not in read_text(source):
        found = _from_kernels(read_frozen_graph(source), names, source)
        return _checked(found, SELF_CLASSIFYING, source)
    blobs = read_blobs(source, BLOBS)
    shapes = [(3, 3, 20, 80), (80,), (1, 1, 80, 80), (80,), (1, 1, 80, 19), (19,)]
    sizes, found_sizes = [torch.Size(s).numel() for s in shapes], [len(blob) for blob in blobs]
    if found_sizes != sizes:
        raise _misfit(source, f"{BLOBS} has blobs of {found_sizes} numbers, not {sizes}")
    kernels = [blob.reshape(shape) for blob, shape in zip(blobs, shapes, strict=True)]
    return _checked(_from_kernels(kernels, names, source), SELF_CLASSIFYING, source)


def _of_rule(level: str, nets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Place the tensors of one rule, the only one of its level."""
    return {f"automaton.rules.{level}.0.{name}": tensor for name, tensor in nets.items()}


def _seed_net(folder: Path, stem: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of one pickled net as `q.weight`, `q.bias`, `k.weight` and so on."""
    files = [f for f in sorted(folder.iterdir()) if f.is_file() and stem in (f.name, f.stem)]
    if len(files) != 1:
        raise _misfit(folder, f"{len(files)} files named {stem}, with any suffix; expected one")
    tensors = read_tensors(files[0])
    linears = [name.removesuffix(".weight") for name in tensors if name.endswith(".weight")]
    if len(linears) != len(SEED_LAYERS):
        raise _misfit(files[0], f"{len(linears)} layers with a weight; expected {len(SEED_LAYERS)}")
    # The notebook calls them Q1, K1 and V1; under other names they stand in the order of use.
    by_letter = {name.rpartition(".")[2][:1].lower(): name for name in linears}
    if by_letter.keys() == SEED_LAYERS.keys():
        linears = [by_letter[layer] for layer in SEED_LAYERS]
    for layer, linear in zip(SEED_LAYERS, linears, strict=True):
        for part in ("weight", "bias"):
            if f"{linear}.{part}" in tensors:
                yield f"{layer}.{part}", tensors[f"{linear}.{part}"]


def _from_byte_layers(source: Path) -> dict[str, Tensor]:
    layers = read_byte_layers(source)
    if len(layers) != 2 or layers[0][0].shape[1] % FEATURES:
        shapes = [tuple(weight.shape) for weight, _ in layers]
        raise _misfit(source, f"layers of {shapes} (out, in); expected two, features by threes")
    (hidden, hidden_bias), (change, change_bias) = layers
    by_channel = hidden.unflatten(1, (FEATURES, -1)).transpose(1, 2).flatten(1)
    return {
        "hidden.weight": by_channel,
        "hidden.bias": hidden_bias,
        "change.weight": change,
        "change.bias": change_bias,
    }


def _from_kernels(
    tensors: Sequence[Tensor], names: Sequence[str], source: Path
) -> dict[str, Tensor]:
    """Name kernels (height, width, in, out) and biases that take turns, and turn the kernels."""
    axes, expected = [tensor.ndim for tensor in tensors], [4, 1] * len(names)
    if axes != expected:
        raise _misfit(source, f"weights with {axes} axes; expected {expected}")
    found: dict[str, Tensor] = {}
    for name, kernel, bias in zip(names, tensors[::2], tensors[1::2], strict=True):
        weight = kernel.permute(3, 2, 0, 1)  # (out, in, height, width)
        found[f"{name}.weight"] = weight[:, :, 0, 0] if kernel.shape[:2] == (1, 1) else weight
        found[f"{name}.bias"] = bias
    return found


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
        raise _misfit(source, "; ".join(faults[:6]) + ("; ..." if faults[6:] else ""))
    return checked


def _misfit(source: Path, found: str) -> CheckpointError:
    return CheckpointError(
        f"{source.name} does not hold the weights that this import reads.",
        where=f"{source}: {found}",
        to_do="give the file or folder as it was published; see the import's help for its forms",
    )

"""Find the layers of a small network among named tensors, by their shapes and not their names.

A linear layer and a convolution one cell wide are the same thing here, whatever stands before
their names (`module.`, `_orig_mod.`, `model.`) and whatever they are called (`fc0`, `w1`,
`conv.0`). Layers follow one another where the units that one gives are those the next one takes.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations, takewhile
from pathlib import Path

import torch
from torch import Tensor

from nca import CheckpointError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
MOST = 12
"""Tensors that could be weights of a layer, at most."""
FOR_TESTS = ("check.", "target")
"""What our own fixtures carry beside the weights."""
SHOWN = 8
"""Tensors that an error shows, at most."""
OPTIMISER = re.compile(r"(^|\.)(optim|exp_avg|momentum_buffer|max_exp_avg)")
"""What of a whole training's file is never a weight."""
BIASES = {"weight": "bias", "kernel": "bias", "w": "b", "W": "b"}


@dataclass(frozen=True)
class FoundLayer:
    """One layer.

    Attributes:
        name: Of its weight in the file.
        weight: `(out, in)`, or `(out, in, width, width)` where it looks around; float32.
        bias: `(out,)`; zeros where the file has none.
    """

    name: str
    weight: Tensor = field(repr=False)
    bias: Tensor = field(repr=False)


@dataclass(frozen=True)
class FoundLayers:
    """The layers of a network, in the order of their use.

    Attributes:
        layers: One after the other.
        unused: The tensors of the file that belong to none of them.
        notes: What was supposed, in words.
    """

    layers: tuple[FoundLayer, ...]
    unused: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


def find_layers(
    tensors: Mapping[str, Tensor],
    widths: Sequence[int],
    fits: Callable[[Sequence[Tensor]], bool],
    source: Path,
    part: str = "",
) -> FoundLayers:
    """Return the layers of a network.

    Args:
        tensors: By name, as a file has them.
        widths: How far each layer looks: 1 for the cell alone, 3 for its neighbours too.
        fits: Whether weights that follow one another are those that are looked for.
        source: The file, to name in errors.
        part: Where the names of its tensors start, if the file holds more than one network.

    Raises:
        CheckpointError: There is no such network, or more than one; what is there is shown.
    """
    given = {n: t for n, t in tensors.items() if n.startswith(part) and not OPTIMISER.search(n)}
    weights = {name: _weight(tensor) for name, tensor in given.items() if _could_be(tensor)}
    if len(weights) > MOST:
        raise _refused(f"{len(weights)} tensors that could be layers", given, source)
    chains = [names for names in _chains(weights, widths) if fits([weights[n] for n in names])]
    closest = max((_shared(names) for names in chains), default=0)
    sets: dict[frozenset[str], tuple[str, ...]] = {}
    for names in chains:
        if _shared(names) == closest:
            sets.setdefault(frozenset(names), names)  # the order of the file, where it says more
    if not sets:
        wanted = ", ".join(f"{width}x{width}" for width in widths)
        raise _refused(f"no {len(widths)} layers ({wanted}) that follow one another", given, source)
    if len(sets) > 1:
        found = " or ".join(", ".join(names) for names in list(sets.values())[:3])
        raise CheckpointError(
            f"{source.name} holds more than one network that fits.",
            where=f"{source}: {found}",
            to_do="say where the names of yours start: --set part=PREFIX",
        )
    (names,) = sets.values()
    return _with_biases(names, weights, given, source)


def from_graph(
    tensors: Sequence[Tensor], widths: Sequence[int], source: Path
) -> tuple[FoundLayer, ...]:
    """Return the layers of kernels (height, width, in, out) and biases that take turns.

    Args:
        tensors: In the order of their use.
        widths: How far each layer looks.
        source: The file, to name in errors.

    Raises:
        CheckpointError: They have other axes or widths.
    """
    axes, expected = [tensor.ndim for tensor in tensors], [4, 1] * len(widths)
    if axes != expected:
        raise misfit(source, f"weights with {axes} axes; expected {expected}")
    layers = []
    for width, kernel, bias in zip(widths, tensors[::2], tensors[1::2], strict=True):
        weight = _weight(kernel.permute(3, 2, 0, 1))  # (out, in, height, width)
        if kernel.shape[:2] != (width, width) or bias.shape != kernel.shape[3:]:
            shapes = f"{tuple(kernel.shape)} and {tuple(bias.shape)}"
            raise misfit(source, f"a kernel and a bias of {shapes}; expected {width}x{width}")
        layers.append(FoundLayer("", _sound(weight, "", source), _sound(bias, "", source)))
    return tuple(layers)


def unused_note(unused: Mapping[str, Tensor]) -> list[str]:
    """Return what to say of tensors that belong to no layer; nothing of what our fixtures carry."""
    names = [f"{name!a}" for name in unused if not name.startswith(FOR_TESTS)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"not used: {', '.join(names[:SHOWN])}{more}"] if names else []


def _could_be(tensor: Tensor) -> bool:
    square = tensor.ndim == 4 and tensor.shape[2] == tensor.shape[3]
    return tensor.ndim == 2 or square


def _weight(tensor: Tensor) -> Tensor:
    return tensor[:, :, 0, 0] if tensor.shape[2:] == (1, 1) else tensor


def _chains(weights: Mapping[str, Tensor], widths: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """Yield the names of weights that follow one another, in the order of the file first."""
    for names in permutations(weights, len(widths)):
        found = [weights[name] for name in names]
        right = all(_width(weight) == width for weight, width in zip(found, widths, strict=True))
        meet = all(a.shape[0] == b.shape[1] for a, b in pairwise(found))
        if right and meet:
            yield names


def _shared(names: Sequence[str]) -> int:
    """Return how many parts of their dotted names some tensors share: those of one network most."""
    parts = zip(*(name.split(".")[:-1] for name in names), strict=False)
    return sum(1 for _ in takewhile(lambda each: len({*each}) == 1, parts))


def _width(weight: Tensor) -> int:
    return weight.shape[2] if weight.ndim == 4 else 1


def _with_biases(
    names: Sequence[str], weights: Mapping[str, Tensor], given: Mapping[str, Tensor], source: Path
) -> FoundLayers:
    unused = {name: tensor for name, tensor in given.items() if name not in names}
    biases = {name: _bias(name, len(weights[name]), unused) for name in names}
    without = [name for name in names if biases[name] is None]
    layers = []
    for name in names:
        weight, own = _sound(weights[name], name, source), biases[name]
        bias = torch.zeros(len(weight)) if own is None else _sound(unused.pop(own), own, source)
        layers.append(FoundLayer(name, weight, bias))
    notes = [f"{name} has no bias, so it is zero" for name in without]
    return FoundLayers(tuple(layers), unused, tuple(notes))


def _bias(name: str, units: int, unused: Mapping[str, Tensor]) -> str | None:
    """Return the name of a weight's bias: called like it, or the only one beside it."""
    named = re.sub(r"(weight|kernel|w|W)(_?\d*)$", lambda found: BIASES[found[1]] + found[2], name)
    fitting = [other for other, tensor in unused.items() if tensor.shape == (units,)]
    if named in fitting:
        return named
    stem = name.rpartition(".")[0]
    near = [other for other in fitting if other.rpartition(".")[0] == stem and "bias" in other]
    return near[0] if len(near) == 1 else None


def _sound(tensor: Tensor, name: str, source: Path) -> Tensor:
    """Return a tensor as float32, with memory of its own."""
    if tensor.dtype not in FLOATS:
        raise misfit(source, f"{name!a} is {tensor.dtype}, not floating-point")
    own = torch.empty(tensor.shape).copy_(tensor)
    if not own.isfinite().all():
        raise misfit(source, f"{name!a} is not finite")
    return own


def _refused(found: str, given: Mapping[str, Tensor], source: Path) -> CheckpointError:
    shapes = [f"{name!a} {tuple(tensor.shape)}" for name, tensor in given.items()]
    more = f" and {len(shapes) - SHOWN} more" if len(shapes) > SHOWN else ""
    return misfit(source, f"{found}; it has {', '.join(shapes[:SHOWN])}{more}")


def misfit(source: Path, found: str) -> CheckpointError:
    """Return the error that a file holds other weights than those that are read."""
    return CheckpointError(
        f"{source.name} does not hold the weights that this import reads.",
        where=f"{source}: {found}",
        to_do="give the file or folder as it was published, or a state dict of its layers; "
        "nca help importers says what each import reads",
    )

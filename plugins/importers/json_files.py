"""Turn weights that were published as text, for pages in a browser, into tensors.

Three formats: a TensorFlow graph whose variables were frozen into constants, layers of bytes
for a fragment shader, and a list of base64 blobs. All are JSON, or JSON inside a line of
JavaScript; the JavaScript around it is passed over, never run.
"""

import base64
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nca import CheckpointError

LARGEST_FILE = 1 << 24  # bytes; the largest published one has 130,000
MOST_REPEATED = 1 << 22  # numbers, in all, that a file may ask for by giving one and a shape
VARIABLE = re.compile(r"ReadVariableOp/resource$|/args_\d+$")  # how freezing names a variable


class _Refusal(Exception):  # noqa: N818 - no error yet: `_blaming` adds which file it was
    """What is wrong with a file, in words that follow its name."""


def is_text(path: Path) -> bool:
    """Whether a file is text rather than safetensors, a zip archive or a pickle.

    Raises:
        CheckpointError: The file cannot be read.
    """
    with _blaming(path, "a file with weights"):
        if not path.is_file():
            raise _Refusal("is not a file")
        with path.open("rb") as file:
            head = file.read(16)
        return not (b"\0" in head or head.startswith((b"PK\x03\x04", b"\x80")))


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        CheckpointError: The file is missing, far too large for weights, or not text.
    """
    with _blaming(path, "a JSON or JavaScript file"):
        if not path.is_file():
            raise _Refusal("is not a file")
        if path.stat().st_size > LARGEST_FILE:
            raise _Refusal(f"is larger than {LARGEST_FILE} bytes")
        return path.read_bytes().decode("utf-8")


def read_frozen_graph(path: Path) -> list[Tensor]:
    """Read the weights of a TensorFlow graph that was saved as JSON, alone or inside JavaScript.

    Variables are known by the names that freezing gives them; where none has such a name,
    constants with one axis or four are taken for biases and kernels. They come in the order of
    the file and as TensorFlow shapes them: kernels are (height, width, in, out).

    Raises:
        CheckpointError: There is no such graph in the file, or no weights in the graph.
    """
    text = read_text(path)
    with _blaming(path, "a frozen graph: JSON with modelTopology.node, alone or in backticks"):
        alone = text.lstrip().startswith("{")  # else there may be braces before the backtick
        graph = _decoded(text, text.find("{", 0 if alone else text.find("`") + 1))
        topology = graph.get("modelTopology", graph)
        if "node" not in topology:
            raise _Refusal("is JSON, but not a frozen graph: it has no modelTopology.node")
        constants = [n for n in topology["node"] if n["op"] == "Const"]
        tensors = [(n["name"], n["attr"]["value"]["tensor"]) for n in constants]
        floats = [(name, t) for name, t in tensors if t["dtype"] == "DT_FLOAT"]
        weights = [t for name, t in floats if VARIABLE.search(name)]
        weights = weights or [t for _, t in floats if len(_shape(t)) in (1, 4)]
        if not weights:
            raise _Refusal("is a frozen graph without weights")
        if sum(math.prod(_shape(t)) for t in weights if "tensorContent" not in t) > MOST_REPEATED:
            raise _Refusal("asks for far more numbers than it has")
        return [_constant(t) for t in weights]


def read_byte_layers(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Read layers of bytes: per layer a weight (out, in) and a bias (out).

    A byte stands for `(byte / 255 - 0.5) * scale`; the last row of a layer is its bias, with a
    scale of its own.

    Raises:
        CheckpointError: The file holds no such layers.
    """
    text = read_text(path)
    with _blaming(path, "layers of bytes: [{data_b64, in_ch, out_ch, weight_scale, ...}, ...]"):
        layers = _decoded(text.lstrip(), 0 if text.lstrip().startswith("[") else -1)
        if not layers or any(layer["type"] != "uint8" for layer in layers):
            raise _Refusal("holds no layers of the type uint8")
        return [_byte_layer(layer) for layer in layers]


def read_blobs(path: Path, variable: str) -> list[Tensor]:
    """Read the list of base64 blobs that a JavaScript file assigns to `variable`.

    Each blob is a vector of little-endian 32-bit floats; shapes are not in the file.

    Raises:
        CheckpointError: The file assigns no such list.
    """
    text = read_text(path)
    with _blaming(path, f"JavaScript with {variable} = [...], a list of base64 strings"):
        found = re.search(rf"(?<!\w){re.escape(variable)}\s*=\s*(?=\[)", text)
        if found is None:
            raise _Refusal(f"assigns no list to {variable}")
        blobs = [_floats(blob) for blob in _decoded(text, found.end())]
        if not blobs:
            raise _Refusal(f"assigns an empty list to {variable}")
        return blobs


@contextmanager
def _blaming(path: Path, expected: str) -> Iterator[None]:
    """Turn whatever a file provokes into the one error that says what was expected of it."""
    try:
        yield
    except Exception as fault:
        known = isinstance(fault, _Refusal)
        raise CheckpointError(
            f"{path.name} {fault if known else f'is damaged ({type(fault).__name__})'}.",
            where=str(path),
            to_do=f"give {expected}",
        ) from (None if known else fault)


def _decoded(text: str, start: int) -> Any:
    """Return the JSON value that starts there, whatever follows it."""
    if start < 0:
        raise _Refusal("holds no JSON of the right kind")
    return json.JSONDecoder().raw_decode(text, start)[0]


def _shape(constant: dict[str, Any]) -> list[int]:
    shape = [int(axis.get("size", 0)) for axis in constant["tensorShape"].get("dim", [])]
    if any(size < 0 for size in shape):
        raise _Refusal("has a constant of negative size")
    return shape


def _constant(constant: dict[str, Any]) -> Tensor:
    shape = _shape(constant)
    if "tensorContent" in constant:
        return _floats(constant["tensorContent"]).reshape(shape)
    values = torch.tensor([float(value) for value in constant["floatVal"]], dtype=torch.float32)
    if len(values) == 1:  # one number says that all are that number
        values = values.expand(math.prod(shape))
    return values.reshape(shape).clone()


def _floats(blob: str) -> Tensor:
    data = bytearray(base64.b64decode(blob, validate=True))
    return torch.frombuffer(data, dtype=torch.float32) if data else torch.empty(0)


def _byte_layer(layer: dict[str, Any]) -> tuple[Tensor, Tensor]:
    data = bytearray(base64.b64decode(layer["data_b64"], validate=True))
    rows, columns = int(layer["in_ch"]) + 1, int(layer["out_ch"])
    if rows < 2 or columns < 1 or len(data) != rows * columns:
        raise _Refusal(f"has {len(data)} bytes for a layer of {rows} times {columns}")
    table = torch.frombuffer(data, dtype=torch.uint8).reshape(rows, columns) / 255 - 0.5
    weight = table[:-1].T * float(layer["weight_scale"])
    return weight.contiguous(), table[-1] * float(layer["bias_scale"])

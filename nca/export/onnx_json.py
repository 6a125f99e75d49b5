"""An ONNX model as JSON, for a page that computes it by itself: numbers and names.

The page's scripts (`operations.js`) know a list of operations; a model that needs another one is
refused by name. Nothing is folded or rewritten on the way, so that the page computes what ONNX
Runtime would; what depends on shapes alone the page computes once.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch

from nca.errors import ExportError
from nca.export.onnx import Step
from nca.export.texels import base64_of

# fmt: off
OPERATIONS = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "Cast", "CastLike", "Ceil", "Clip",
    "Concat", "ConstantOfShape", "Conv", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Expand",
    "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "Greater",
    "GreaterOrEqual", "Identity", "IsNaN", "LayerNormalization", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max", "MaxPool", "Min", "Mod", "Mul", "Neg",
    "Not", "Or", "Pad", "Pow", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSumExp",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "Relu", "Reshape", "Round", "SequenceAt", "Shape", "Sigmoid", "Sign", "Sin", "Size",
    "Slice", "Softmax", "Softplus", "Split", "SplitToSequence", "Sqrt", "Squeeze", "Sub", "Sum",
    "Tanh", "Tile", "Transpose", "Unsqueeze", "Where", "Xor",
))
# fmt: on
"""What `operations.js` can compute."""

KINDS = {
    "float32": "number",
    **dict.fromkeys(("int64", "int32", "uint8"), "whole"),
    "bool": "truth",
}
"""What the page calls the numbers of each dtype that it knows."""


def graph(step: Step, model: Any) -> dict[str, Any]:
    """Return all that the page needs to compute a step.

    Args:
        step: Whose inputs and outputs the model has.
        model: The ONNX model of it.

    Raises:
        ExportError: The model needs something that the page cannot compute; it lists all of it.
    """
    names = step.levels
    inputs = [["level", place] for place, _ in enumerate(names)]
    inputs += [["fire", names.index(name)] for name in step.fires]
    inputs += [["noise", names.index(name)] for name in step.noises]
    return {
        "inputs": inputs,
        "outputs": [names.index(name) for name in step.changes],
        "model": onnx_to_json(model),
    }


def onnx_to_json(model: Any) -> dict[str, Any]:
    """Return what `interpreter.js` makes a graph of.

    Raises:
        ExportError: The model needs something that the page cannot compute; it lists all of it.
    """
    return _OnnxJson(model.graph).json()


class _OnnxJson:
    """A graph on its way into JSON: every value has a number, and equal constants have one."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.places: dict[str, int] = {}
        self.known: dict[tuple, int] = {}
        self.constants: list[list[Any]] = []
        self.floats: list[torch.Tensor] = []
        self.length = 0

    def json(self) -> dict[str, Any]:
        from onnx import numpy_helper

        self._check()
        inputs = [self._place(entry.name) for entry in self.graph.input]
        for tensor in self.graph.initializer:
            self._constant(tensor.name, numpy_helper.to_array(tensor))
        nodes = []
        for node in self.graph.node:
            if node.op_type == "Constant":
                self._constant(node.output[0], _value(node))
                continue
            entry = [node.op_type, self._all(node.input), self._all(node.output)]
            attributes = _attributes(node)
            nodes.append([*entry, attributes] if attributes else entry)
        return {
            "inputs": inputs,
            "outputs": [self.places[entry.name] for entry in self.graph.output],
            "values": len(self.places),
            "constants": self.constants,
            "nodes": nodes,
            "numbers": base64_of(torch.cat(self.floats)) if self.floats else "",
        }

    def _check(self) -> None:
        needed = {
            f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            for node in self.graph.node
        }
        if missing := sorted(needed - OPERATIONS - {"Constant"}):
            raise ExportError(
                f"no page can be made of this automaton: {', '.join(missing)} of its ONNX graph "
                f"{'is' if len(missing) == 1 else 'are'} none of what the page can compute.",
                where="--engine onnx",
                to_do="export it with --to onnx instead",
            )

    def _place(self, name: str) -> int:
        """Return the number of a value; -1 is the one that is left out."""
        return self.places.setdefault(name, len(self.places)) if name else -1

    def _all(self, names: Iterable[str]) -> list[int]:
        return [self._place(name) for name in names]

    def _constant(self, name: str, array: Any) -> None:
        kind = _kind(str(array.dtype))
        key = (kind, array.shape, array.tobytes())
        if key in self.known:
            self.places[name] = self.known[key]
            return
        self.known[key] = self._place(name)
        given: Any = self.length if kind == "number" else array.reshape(-1).astype(int).tolist()
        if kind == "number":
            self.floats.append(torch.tensor(array).reshape(-1))
            self.length += array.size
        self.constants.append([self.known[key], kind, list(array.shape), given])


def _kind(dtype: str) -> str:
    if dtype not in KINDS:
        raise ExportError(
            f"no page can be made of this automaton: its step has numbers of {dtype}.",
            where="--engine onnx",
            to_do="let its rules compute in float32, or export it with --to onnx instead",
        )
    return KINDS[dtype]


def _value(node: Any) -> Any:
    """Return the array of a Constant, whichever of its attributes holds it."""
    import numpy as np
    from onnx import helper, numpy_helper

    (attribute,) = node.attribute
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return numpy_helper.to_array(value)
    return np.array(value, np.float32 if attribute.name.startswith("value_float") else np.int64)


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import TensorProto, helper, numpy_helper

    entry = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, TensorProto):  # of ConstantOfShape: one number
            array = numpy_helper.to_array(value)
            value = [_kind(str(array.dtype)), array.reshape(-1).tolist()[0]]
        elif (node.op_type, attribute.name) == ("Cast", "to"):
            _kind(helper.tensor_dtype_to_np_dtype(value).name)
        elif isinstance(value, bytes):
            value = value.decode()
        entry[attribute.name] = list(value) if isinstance(value, (list, tuple)) else value
        _check_finite(node, entry[attribute.name])
    return entry


def _check_finite(node: Any, value: Any) -> None:
    numbers = value if isinstance(value, list) else [value]
    if not all(math.isfinite(one) for one in numbers if isinstance(one, float)):
        raise ExportError(
            f"no page can be made of this automaton: {node.op_type} of its ONNX graph has a "
            "number that is not finite.",
            where="--engine onnx",
            to_do="export it with --to onnx instead",
        )

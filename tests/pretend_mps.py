"""A device that behaves as Apple's GPUs do, where there is none.

Its tensors hold their numbers on the CPU, and obey what torch demands of a device of type `mps`:
nothing there is float64 or complex128, and no operation mixes its tensors with those of the CPU,
but for numbers without axes and for indices. Which operations torch lacks on a Mac it cannot know.
The device is called `pretended`, for torch refuses `mps` where it was built without it; a process
that has imported this module keeps it, so tests do so in a process of their own: `mps_case.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.backend_registration as registration
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

NAME = "pretended"
aten = torch.ops.aten


class _Backend(registration._DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())

MPS = torch.device(NAME, 0)
WIDE = (torch.float64, torch.complex128)
MAY_MIX = (aten._to_copy.default, aten.copy_.default, aten.index.Tensor)


class OnDevice(Tensor):
    """A tensor that says it is on `mps`."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # pyright: ignore

    def tolist(self) -> Any:
        """Return the numbers, which torch refuses of tensors of a class of their own."""
        return self.held.tolist()

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnDevice":
        """Wrap a tensor of the CPU."""
        if held.dtype in WIDE:
            raise TypeError(f"a {held.dtype} tensor is made on a device that has none")
        return Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue]
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=MPS,
            requires_grad=False,
        )

    def __init__(self, held: Tensor) -> None:
        self.held = held

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"OnDevice({self.held!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return a leaf of its own, as tensors do."""
        if id(self) not in memo:
            twin = OnDevice(self.held.clone())
            if isinstance(self, torch.nn.Parameter):
                twin = torch.nn.Parameter(twin, requires_grad=self.requires_grad)
            memo[id(self)] = twin
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        return _call(func, args, kwargs or {})


class _Factories(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        device = kwargs.get("device")
        asked = device is not None and torch.device(device).type == NAME
        if asked or any(isinstance(each, OnDevice) for each in tree_flatten((args, kwargs))[0]):
            return _call(func, args, kwargs)
        return func(*args, **kwargs)


def _call(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
    ours = [each for each in given if isinstance(each, OnDevice)]
    target = kwargs.get("device")
    to = target is not None and torch.device(target).type
    if func not in MAY_MIX and ours:
        for other in given:
            if not isinstance(other, OnDevice) and other.ndim:
                raise RuntimeError(f"{func}: tensors on mps and on {other.device}")
    plain_args, plain = tree_map_only(OnDevice, lambda each: each.held, (args, dict(kwargs)))
    if target is not None:
        plain["device"] = torch.device("cpu")
    out = func(*plain_args, **plain)
    if to == "cpu" or (func is aten.copy_.default and not isinstance(args[0], OnDevice)):
        if func is aten._to_copy.default and ours:
            out = out.clone() if out is plain_args[0] else out
        return args[0] if func is aten.copy_.default else out
    flat, spec = tree_flatten(out)
    wrapped = [OnDevice(each) if isinstance(each, Tensor) else each for each in flat]
    return return_and_correct_aliasing(func, args, kwargs, tree_unflatten(wrapped, spec))


@contextmanager
def pretended_mps() -> Iterator[torch.device]:
    """Let torch have such a device inside the block."""
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) calls `to`
    try:
        with _Factories():
            yield MPS
    finally:
        torch._C._set_only_lift_cpu_tensors(False)

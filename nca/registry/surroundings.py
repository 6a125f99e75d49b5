"""What a plugin may not change for the whole process while it is executed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nca.errors import PluginError

if TYPE_CHECKING:
    import torch


@contextmanager
def surroundings_kept(place: str) -> Iterator[None]:
    """Let a plugin be executed, and put back what it has changed of what all others rely on.

    Args:
        place: Of the plugin, for the error.

    Raises:
        PluginError: It has closed or exchanged stdout or stderr, or changed torch's default device
            or dtype, or whether gradients are computed.
    """
    import torch  # which a plugin loads anyway, and lists of names do without

    streams = sys.stdout, sys.stderr
    before = torch.get_default_device(), torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        changed = _restored(streams) + _reset(*before)
    if changed:
        raise PluginError(
            f"the plugin changes {' and '.join(changed)} for the whole process.",
            where=place,
            to_do="let it do so in its own functions, and put it back: `with torch.device(...):`",
        )


def _restored(streams: tuple[object, object]) -> list[str]:
    found = []
    for number, (name, stream) in enumerate(zip(("stdout", "stderr"), streams, strict=True), 1):
        if getattr(stream, "closed", False):
            found.append(name)
            # the stream is gone, and what it wrote to is not
            how = {"closefd": False, "errors": "backslashreplace"}
            stream = open(number, "w", **how)  # noqa: SIM115, PTH123
        elif getattr(sys, name) is not stream:
            found.append(name)
        setattr(sys, name, stream)
    return found


def _reset(device: "torch.device", dtype: "torch.dtype", gradients: bool) -> list[str]:
    import torch

    found = []
    if torch.get_default_device() != device:
        found.append("torch's default device")
        torch.set_default_device(None if device.type == "cpu" else device)
    if torch.get_default_dtype() != dtype:
        found.append("torch's default dtype")
        torch.set_default_dtype(dtype)
    if torch.is_grad_enabled() != gradients:
        found.append("whether torch computes gradients")
        torch.set_grad_enabled(gradients)
    return found

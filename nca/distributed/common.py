"""Memory in common: what is alike in all processes of a machine lies in it once."""

import shutil
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from nca.distributed.group import ProcessGroup

LEAST = 1 << 20
"""Bytes of a tensor for which this is worth it."""
IN_MEMORY = Path("/dev/shm")
"""Files in here lie in the memory, under Linux."""


def in_common(tensor: Tensor, group: ProcessGroup) -> Tensor:
    """Return a tensor whose numbers lie in memory that all processes of a group share.

    All must ask, for tensors of one shape and type. Where it is not alike in all of them, lies on a
    GPU or is small, or they cannot see each other's files, each keeps its own.

    Args:
        tensor: It; it must not be written to any more.
        group: The processes.
    """
    size = tensor.numel() * tensor.element_size()
    if group.count == 1 or tensor.device.type != "cpu" or size < LEAST:
        return tensor
    own = tensor.detach().contiguous().view(-1).view(torch.uint8)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        path = Path(folder) / "tensor"
        room = shutil.disk_usage(folder).free
        if group.is_leader and room > 2 * size:
            own.numpy().tofile(path)
        path = Path(group.broadcast(str(path)))
        there = path.is_file() and path.stat().st_size == size
        mapped = torch.from_file(str(path), True, size, dtype=torch.uint8) if there else own[:0]
        alike = mapped.equal(own)
        if group.any(not alike):  # and none of them needs the name of the file any more
            return tensor
    return mapped.view(tensor.dtype).view(tensor.shape)

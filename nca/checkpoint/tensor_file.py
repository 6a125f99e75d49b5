"""Write tensors as a safetensors file, piece by piece: none is copied as a whole.

safetensors itself writes a file from one buffer that holds all of it, and reads this one like any
other. What has the widest numbers comes first, so that all are aligned. The header stands before
the tensors and has their checksum, so it is written once more when they are there.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO, Protocol

import torch
from torch import Tensor

from nca.distributed.pieces import PIECE, TensorPieces
from nca.errors import CheckpointError
from nca.jsonl import dumps

KINDS = {
    torch.complex64: "C64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e4m3fnuz: "F8_E4M3FNUZ",
    torch.float8_e5m2: "F8_E5M2",
    torch.float8_e5m2fnuz: "F8_E5M2FNUZ",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""How the types of numbers are called in the file."""
LONGEST = 2**32 - 1
"""The checksum with most digits."""


class _Shaped(Protocol):
    @property
    def dtype(self) -> torch.dtype: ...


def in_file_order(tensors: Mapping[str, _Shaped]) -> list[str]:
    """Return the names of tensors in the order in which they are written."""
    return sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))


def write_tensors(
    file: BinaryIO,
    tensors: Mapping[str, TensorPieces],
    metadata: Callable[[int], Mapping[str, str]],
    checksum: int,
) -> None:
    """Write a file of tensors.

    Args:
        file: Empty, and open for reading too.
        tensors: By name.
        metadata: Returns what stands beside the tensors, from their checksum.
        checksum: With what the checksum begins.

    Raises:
        CheckpointError: A tensor holds numbers that such a file has no name for.
    """
    rows, offset = {}, 0
    for name in in_file_order(tensors):
        each = tensors[name]
        if each.dtype not in KINDS:
            raise CheckpointError(
                f"no checkpoint holds numbers of type {each.dtype}.",
                where=name,
                to_do="keep them as float64, or as two tensors",
            )
        ends = [offset, offset + each.bytes]
        rows[name] = {"dtype": KINDS[each.dtype], "shape": list(each.shape), "data_offsets": ends}
        offset = ends[1]

    def header(checksum: int) -> bytes:
        return dumps({"__metadata__": dict(metadata(checksum)), **rows}).encode()

    length = -(-len(header(LONGEST)) // 8) * 8
    file.write(struct.pack("<Q", length) + b" " * length)
    for name in rows:
        for piece in tensors[name]:
            file.write(piece.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    for name in sorted(rows):
        start, stop = rows[name]["data_offsets"]
        file.seek(8 + length + start)
        content = (file.read(min(PIECE, stop - at)) for at in range(start, stop, PIECE))
        checksum = with_tensor(checksum, name, tensors[name], content)
    file.seek(8)
    file.write(header(checksum).ljust(length))


def with_tensor(
    checksum: int, name: str, tensor: Tensor | TensorPieces, content: Iterable[bytes | memoryview]
) -> int:
    """Return a checksum that takes in one more tensor.

    Args:
        checksum: Of those before it, which are sorted by name.
        name: Its name.
        tensor: It.
        content: Its bytes.
    """
    checksum = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), checksum)
    for each in content:
        checksum = zlib.crc32(each, checksum)
    return checksum

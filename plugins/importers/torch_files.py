"""Turn weight files that others wrote into named tensors, without running anything in them.

Pickles are run by `pickle_reader.Machine`, which can call nothing; what it leaves is plain data,
and the tensors in it are windows on blocks of numbers elsewhere in the file.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from nca import CheckpointError
from nca_plugins.importers.pickle_reader import (
    DEEPEST,
    LONGEST_NAME,
    MOST_STEPS,
    ByteWindow,
    Machine,
    Refusal,
    Shell,
    Storage,
    of,
    printable,
)

LARGEST_FILE = 1 << 28  # bytes; the weights of an automaton are a few hundred kilobytes
LEGACY_OPENING = (0x1950A86A20F9469CFC6C, 1001)  # magic number and version before torch 1.6

Fetch = Callable[[Storage], bytes]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, or of a file written by `torch.save`.

    The latter may hold a state dict, a pickled module of any class, or dictionaries and lists
    of these, in the zip format or in the one before it. Names are dotted paths, in the order
    of the file; what is not a tensor is left out. Everything arrives on the CPU. Tensors that
    share memory in the file share it here.

    Raises:
        CheckpointError: The file is missing, damaged, of another kind, or asks for something
            that no weight file needs; a global that was refused is named.
    """
    try:
        if not path.is_file():
            raise Refusal("is not a file")
        if path.stat().st_size > LARGEST_FILE:
            raise Refusal(f"is larger than {LARGEST_FILE} bytes")
        found = _read(path.read_bytes())
        if not found:
            raise Refusal("holds no named tensors")
        return found
    except Exception as fault:  # a damaged file can provoke anything; to the user it is one fault
        known = isinstance(fault, Refusal)
        raise CheckpointError(
            f"{path.name} {fault if known else f'is damaged ({type(fault).__name__})'}.",
            where=str(path),
            to_do="give a safetensors file, or a state dict or module written by torch.save",
        ) from (None if known else fault)


def _read(data: bytes) -> dict[str, Tensor]:
    if data[8:9] == b"{":  # eight bytes of length, then JSON
        return load_safetensors(data)
    if data.startswith(b"PK\x03\x04"):
        return _named_tensors(*_open_zip(data))
    if data.startswith(b"\x80"):
        return _named_tensors(*_open_legacy(BytesIO(data)))
    raise Refusal("is neither a safetensors file nor one written by torch.save")


def _open_zip(data: bytes) -> tuple[Any, Fetch]:
    if data.count(b"PK\x01\x02") > MOST_STEPS:  # an entry of the directory grows tenfold when read
        raise Refusal("is an archive of far too many members")
    archive = zipfile.ZipFile(BytesIO(data))
    members = archive.infolist()
    # torch.save compresses nothing: more stated than present means a bomb, or members that overlap.
    if any(m.compress_type != zipfile.ZIP_STORED for m in members):
        raise Refusal("is a compressed archive, which torch.save does not write")
    if sum(m.file_size for m in members) > len(data):
        raise Refusal("claims more bytes than it has")
    roots = [m.filename[: -len("data.pkl")] for m in members if m.filename.endswith("/data.pkl")]
    if len(roots) != 1:
        raise Refusal("is an archive without the one data.pkl that torch.save writes")
    order = roots[0] + "byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise Refusal("was written by a big-endian machine")
    root = Machine().run(BytesIO(archive.read(roots[0] + "data.pkl")))
    return root, lambda storage: archive.read(f"{roots[0]}data/{storage.key}")


def _open_legacy(stream: BytesIO) -> tuple[Any, Fetch]:
    """Read a file of five pickles: magic, version, machine, tensors, order of the storages."""
    if any(Machine().run(stream) != expected for expected in LEGACY_OPENING):
        raise Refusal("is a pickle, but not one written by torch.save")
    if of(dict, Machine().run(stream)).get("little_endian") is not True:
        raise Refusal("was written by a big-endian machine")
    machine = Machine()
    root = machine.run(stream)
    blocks: dict[str, bytes] = {}
    for key in of(list, Machine().run(stream)):
        storage = machine.storages[of(str, key)]
        if int.from_bytes(stream.read(8), "little") != storage.length:
            raise Refusal(f"gives its storage {printable(key)} two sizes")
        blocks[key] = stream.read(storage.length * storage.dtype.itemsize)
    return root, lambda storage: blocks[storage.key]


def _named_tensors(root: Any, fetch: Fetch) -> dict[str, Tensor]:
    storages: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}
    for name, view in _views(root, (), count()):
        key = view.storage.key
        if key not in storages:
            storages[key] = _numbers(view.storage, fetch(view.storage))
        if name in found or not 0 < len(name) <= LONGEST_NAME:
            raise Refusal(f"has no usable name of its own for the tensor {printable(name)}")
        found[name] = storages[key].as_strided(view.size, view.stride, view.offset)
    return found


def _numbers(storage: Storage, block: bytes) -> Tensor:
    if len(block) != storage.length * storage.dtype.itemsize:
        raise Refusal(f"has {len(block)} bytes for a storage of {storage.length} numbers")
    if not block:
        return torch.empty(0, dtype=storage.dtype)
    if storage.dtype is torch.bool:  # a byte that is neither 0 nor 1 must not become a bool
        return torch.frombuffer(bytearray(block), dtype=torch.uint8) != 0
    return torch.frombuffer(bytearray(block), dtype=storage.dtype)


def _views(
    thing: Any, path: tuple[str, ...], visits: Iterator[int]
) -> Iterator[tuple[str, ByteWindow]]:
    """Yield the tensors below `thing` with their dotted paths, in the order of the file."""
    if next(visits) > MOST_STEPS or len(path) > DEEPEST:
        raise Refusal("is nested too deeply, or contains itself")
    if isinstance(thing, ByteWindow):
        yield ".".join(path), thing
    children: Iterable[tuple[str | int, Any]] = ()
    if isinstance(thing, Shell):
        registers = [r for r in ("_parameters", "_buffers", "_modules") if r in thing.state]
        registered = (of(dict, thing.state[r]).items() for r in registers)
        children = chain.from_iterable(registered) if registers else thing.state.items()
    elif isinstance(thing, dict):
        children = thing.items()
    elif isinstance(thing, list | tuple):
        children = enumerate(thing)
    for key, child in children:
        yield from _views(child, (*path, str(key)), visits)

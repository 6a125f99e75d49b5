"""Turn weight files that others wrote into named tensors, without running anything in them.

A pickle is a program for a small stack machine, and its danger is one instruction: call what
lies on the stack. The machine here has no such instruction. A global is a name that is never
looked up; the few that weight files need have a fixed meaning, all others are refused by name,
and an object is a shell that keeps its attributes and has no methods.
"""

import math
import pickletools
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain, count
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from nca.errors import CheckpointError

LARGEST_FILE = 1 << 28  # bytes; the weights of an automaton are a few hundred kilobytes
LARGEST_NUMBER = 1 << 48  # beyond any size, stride or offset, and short enough to multiply
LONGEST_NAME = 256  # characters of a key, of a dotted path or of a global
MOST_STEPS = 300_000  # instructions of a pickle, and visits to the things it built
DEEPEST = 32  # containers inside containers, and axes of a tensor
LEGACY_OPENING = (0x1950A86A20F9469CFC6C, 1001)  # magic number and version before torch 1.6

Kind = TypeVar("Kind")


class _Refusal(Exception):  # noqa: N818 - no error yet: `read_tensors` adds which file it was
    """What a file does that no weight file needs, in words that follow the file's name."""


@dataclass(frozen=True)
class _Global:
    """The dotted name of a class or function."""

    name: str


@dataclass(eq=False)
class _Shell:
    """What is left of an object: its attributes."""

    state: dict[str | int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Storage:
    """A block of numbers elsewhere in the file."""

    key: str
    dtype: torch.dtype
    length: int


@dataclass(eq=False)
class _View:
    """A tensor to be: a strided window on a storage, known to lie inside it."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


Fetch = Callable[[_Storage], bytes]


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
            raise _Refusal("is not a file")
        if path.stat().st_size > LARGEST_FILE:
            raise _Refusal(f"is larger than {LARGEST_FILE} bytes")
        found = _read(path.read_bytes())
        if not found:
            raise _Refusal("holds no named tensors")
        return found
    except Exception as fault:  # a damaged file can provoke anything; to the user it is one fault
        known = isinstance(fault, _Refusal)
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
    raise _Refusal("is neither a safetensors file nor one written by torch.save")


def _open_zip(data: bytes) -> tuple[Any, Fetch]:
    if data.count(b"PK\x01\x02") > MOST_STEPS:  # an entry of the directory grows tenfold when read
        raise _Refusal("is an archive of far too many members")
    archive = zipfile.ZipFile(BytesIO(data))
    members = archive.infolist()
    # torch.save compresses nothing: more stated than present means a bomb, or members that overlap.
    if any(m.compress_type != zipfile.ZIP_STORED for m in members):
        raise _Refusal("is a compressed archive, which torch.save does not write")
    if sum(m.file_size for m in members) > len(data):
        raise _Refusal("claims more bytes than it has")
    roots = [m.filename[: -len("data.pkl")] for m in members if m.filename.endswith("/data.pkl")]
    if len(roots) != 1:
        raise _Refusal("is an archive without the one data.pkl that torch.save writes")
    order = roots[0] + "byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise _Refusal("was written by a big-endian machine")
    root = _Machine().run(BytesIO(archive.read(roots[0] + "data.pkl")))
    return root, lambda storage: archive.read(f"{roots[0]}data/{storage.key}")


def _open_legacy(stream: BytesIO) -> tuple[Any, Fetch]:
    """Read a file of five pickles: magic, version, machine, tensors, order of the storages."""
    if any(_Machine().run(stream) != expected for expected in LEGACY_OPENING):
        raise _Refusal("is a pickle, but not one written by torch.save")
    if _of(dict, _Machine().run(stream)).get("little_endian") is not True:
        raise _Refusal("was written by a big-endian machine")
    machine = _Machine()
    root = machine.run(stream)
    blocks: dict[str, bytes] = {}
    for key in _of(list, _Machine().run(stream)):
        storage = machine.storages[_of(str, key)]
        if int.from_bytes(stream.read(8), "little") != storage.length:
            raise _Refusal(f"gives its storage {_shown(key)} two sizes")
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
            raise _Refusal(f"has no usable name of its own for the tensor {_shown(name)}")
        found[name] = storages[key].as_strided(view.size, view.stride, view.offset)
    return found


def _numbers(storage: _Storage, block: bytes) -> Tensor:
    if len(block) != storage.length * storage.dtype.itemsize:
        raise _Refusal(f"has {len(block)} bytes for a storage of {storage.length} numbers")
    if not block:
        return torch.empty(0, dtype=storage.dtype)
    if storage.dtype is torch.bool:  # a byte that is neither 0 nor 1 must not become a bool
        return torch.frombuffer(bytearray(block), dtype=torch.uint8) != 0
    return torch.frombuffer(bytearray(block), dtype=storage.dtype)


def _views(thing: Any, path: tuple[str, ...], visits: Iterator[int]) -> Iterator[tuple[str, _View]]:
    """Yield the tensors below `thing` with their dotted paths, in the order of the file."""
    if next(visits) > MOST_STEPS or len(path) > DEEPEST:
        raise _Refusal("is nested too deeply, or contains itself")
    if isinstance(thing, _View):
        yield ".".join(path), thing
    children: Iterable[tuple[str | int, Any]] = ()
    if isinstance(thing, _Shell):
        registers = [r for r in ("_parameters", "_buffers", "_modules") if r in thing.state]
        registered = (_of(dict, thing.state[r]).items() for r in registers)
        children = chain.from_iterable(registered) if registers else thing.state.items()
    elif isinstance(thing, dict):
        children = thing.items()
    elif isinstance(thing, list | tuple):
        children = enumerate(thing)
    for key, child in children:
        yield from _views(child, (*path, str(key)), visits)


def _of(kind: type[Kind], thing: Any) -> Kind:
    if type(thing) is not kind:
        given, due = (k.__name__.strip("_").lower() for k in (type(thing), kind))
        article = "an" if given[0] in "aeiou" else "a"
        raise _Refusal(f"has {article} {given} where a {due} belongs")
    return thing


def _shown(text: str) -> str:
    """Return text of the file in quotes, short and without control characters."""
    return ascii(text[:80])


def _known(name: str) -> _Global:
    module, _, last = name.rpartition(".")
    of_module = module == "__main__" or module.startswith("torch.nn.modules.")
    shell = of_module and last.isidentifier() and len(name) <= LONGEST_NAME
    if not shell and name not in _MEANINGS:
        raise _Refusal(f"asks for {_shown(name)}, which is refused: no weight file needs it")
    return _Global(name)


def _shell(made: Any, base: Any = None, arguments: Any = None) -> _Shell:
    if _of(_Global, made).name in _MEANINGS or arguments:
        raise _Refusal(f"makes {_shown(made.name)} by running code, which is refused")
    return _Shell()


def _naturals(numbers: Any) -> tuple[int, ...]:
    checked = _of(tuple, numbers)
    if len(checked) > DEEPEST or not all(0 <= _of(int, n) < LARGEST_NUMBER for n in checked):
        raise _Refusal("has an impossible size, stride or offset")
    return checked


def _view(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _View:
    block, size, stride = _of(_Storage, storage), _naturals(size), _naturals(stride)
    numbers = math.prod(size)
    last = _naturals((offset,))[0] + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if numbers > block.length or (last >= block.length if numbers else offset > block.length):
        raise _Refusal("has a tensor that reaches outside its storage")
    return _View(block, offset, size, stride)


class _Machine:
    """Run one pickle, with nothing but plain data and the four things above on its stack."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # what lay on the stack at each open mark
        self.memo: dict[int, Any] = {}  # a table here, not an array as long as a file says
        self.storages: dict[str, _Storage] = {}

    def run(self, stream: BytesIO) -> Any:
        """Return what the pickle that starts here leaves on the stack."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            name = opcode.name
            if step > MOST_STEPS:
                raise _Refusal(f"is a pickle of more than {MOST_STEPS} instructions")
            if name in _PUSHES:
                pushed = _PUSHES[name](self, argument)  # may put another stack in place
                self.stack.append(pushed)
            elif name in _ACTS:
                _ACTS[name](self, argument)
            else:
                told = f" {_shown(argument)}" if isinstance(argument, str) else ""
                raise _Refusal(f"has the pickle instruction {name}{told}, which is refused")
        return self.stack.pop()

    def keep(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def above(self) -> list[Any]:
        """Take everything above the last mark."""
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def last(self, length: int) -> tuple[Any, ...]:
        """Take the last few."""
        return tuple([self.stack.pop() for _ in range(length)][::-1])

    def call(self, function: Any, arguments: Any) -> Any:
        """Answer a call with what it means, if it means anything."""
        meaning = _MEANINGS.get(_of(_Global, function).name)
        if not callable(meaning):
            raise _Refusal(f"calls {_shown(function.name)}, which is refused")
        return meaning(*_of(tuple, arguments))

    def refer(self, reference: Any) -> Any:
        """Resolve a reference to a storage, or to a class whose source the file carries."""
        match _of(tuple, reference):
            case ("module", _Global(), _, _):
                return reference[1]
            case ("storage", _Global(kind), str(key), _, length, *view) if not any(view):
                storage = _Storage(key, _of(torch.dtype, _MEANINGS.get(kind)), length)
                _naturals((length,))
                if self.storages.setdefault(key, storage) == storage:
                    return storage
        raise _Refusal("refers to something that is not a storage of its own")

    def build(self, target: Any, state: Any) -> Any:
        """Give a shell its attributes; those of a dictionary are of no interest."""
        if type(target) is not dict:
            if _of(_Shell, target).state:  # merging again and again is work without end
                raise _Refusal("gives an object its attributes twice")
            target.state = _of(dict, state)
        return target

    def extend(self, more: Iterable[Any]) -> None:
        _of(list, self.stack[-1]).extend(more)

    def set_items(self, flat: Iterable[Any]) -> None:
        pairs = iter(flat)
        for key, thing in zip(pairs, pairs, strict=True):
            number = type(key) is int and abs(key) < LARGEST_NUMBER
            if not number and not (type(key) is str and len(key) <= LONGEST_NAME):
                raise _Refusal("has a key that is no name")  # and can be made slow to hash
            _of(dict, self.stack[-1])[key] = thing


_DTYPES = dict(
    Float=torch.float32, Double=torch.float64, Half=torch.float16, BFloat16=torch.bfloat16,
    Long=torch.int64, Int=torch.int32, Short=torch.int16, Char=torch.int8, Byte=torch.uint8,
    Bool=torch.bool,
)  # fmt: skip

# All that a weight file may ask for besides classes of modules, and what it gets instead.
_MEANINGS: dict[str, Any] = {
    **{f"torch.{name}Storage": dtype for name, dtype in _DTYPES.items()},
    **{f"torch.cuda.{name}Storage": dtype for name, dtype in _DTYPES.items()},
    **{str(dtype): None for dtype in _DTYPES.values()},
    "torch.Size": lambda sizes: _of(tuple, sizes),
    "torch.device": lambda *_: None,
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_parameter": lambda data, *_: _of(_View, data),
    "torch.nn.backends.thnn._get_thnn_function_backend": lambda: None,  # in old modules
    "collections.OrderedDict": lambda: {},
    **dict.fromkeys(("builtins.set", "__builtin__.set"), lambda items: _of(list, items)),
    **dict.fromkeys(("builtins.object", "__builtin__.object")),
    **dict.fromkeys(("copyreg._reconstructor", "copy_reg._reconstructor"), _shell),
}

_PLAIN = [
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
]  # fmt: skip

# What each instruction pushes.
_PUSHES: dict[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(_PLAIN, lambda machine, plain: plain),
    "NONE": lambda machine, _: None,
    "NEWTRUE": lambda machine, _: True,
    "NEWFALSE": lambda machine, _: False,
    "EMPTY_DICT": lambda machine, _: {},
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET"), lambda machine, _: []),
    "EMPTY_TUPLE": lambda machine, _: (),
    "TUPLE": lambda machine, _: tuple(machine.above()),
    "TUPLE1": lambda machine, _: machine.last(1),
    "TUPLE2": lambda machine, _: machine.last(2),
    "TUPLE3": lambda machine, _: machine.last(3),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, place: machine.memo[place]),
    "GLOBAL": lambda machine, name: _known(name.replace(" ", ".", 1)),
    "STACK_GLOBAL": lambda machine, _: _known(".".join(machine.last(2))),
    "REDUCE": lambda machine, _: machine.call(*machine.last(2)),
    "NEWOBJ": lambda machine, _: _shell(machine.stack[-2], None, machine.last(2)[1]),
    "BUILD": lambda machine, _: machine.build(*machine.last(2)),
    "BINPERSID": lambda machine, _: machine.refer(*machine.last(1)),
}

# What the others do.
_ACTS: dict[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    "POP": lambda machine, _: machine.last(1),
    "MARK": lambda machine, _: machine.mark(),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.keep),
    "MEMOIZE": lambda machine, _: machine.keep(len(machine.memo)),
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.extend(machine.above())),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.above()),
}

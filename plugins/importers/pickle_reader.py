"""Run a pickle in a machine that can call nothing, and keep the plain data that it builds.

A pickle is a program for a small stack machine, and its danger is one instruction: call what
lies on the stack. The machine here has no such instruction. A global is a name that is never
looked up; the few that weight files need have a fixed meaning, all others are refused by name,
and an object is a shell that keeps its attributes and has no methods.
"""

import math
import pickletools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, TypeVar

import torch

LARGEST_NUMBER = 1 << 48  # beyond any size, stride or offset, and short enough to multiply
LONGEST_NAME = 256  # characters of a key, of a dotted path or of a global
MOST_STEPS = 300_000  # instructions of a pickle, and visits to the things it built
DEEPEST = 32  # containers inside containers, and axes of a tensor

Kind = TypeVar("Kind")


class Refusal(Exception):  # noqa: N818 - no error yet: `torch_files` adds which file it was
    """What a file does that no weight file needs, in words that follow the file's name."""


@dataclass(frozen=True)
class Global:
    """The dotted name of a class or function."""

    name: str


@dataclass(eq=False)
class Shell:
    """What is left of an object: its attributes."""

    state: dict[str | int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Storage:
    """A block of numbers elsewhere in the file."""

    key: str
    dtype: torch.dtype
    length: int


@dataclass(eq=False)
class ByteWindow:
    """A tensor to be: a strided window on a storage, known to lie inside it."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def of(kind: type[Kind], thing: Any) -> Kind:
    """Return a thing if it is of that very type.

    Raises:
        Refusal: It is another; a subclass may behave as it likes.
    """
    if type(thing) is not kind:
        given, due = (k.__name__.strip("_").lower() for k in (type(thing), kind))
        article = "an" if given[0] in "aeiou" else "a"
        raise Refusal(f"has {article} {given} where a {due} belongs")
    return thing


def printable(text: str) -> str:
    """Return text of the file in quotes, short and without control characters."""
    return ascii(text[:80])


def _known(name: str) -> Global:
    module, _, last = name.rpartition(".")
    of_module = module == "__main__" or module.startswith("torch.nn.modules.")
    shell = of_module and last.isidentifier() and len(name) <= LONGEST_NAME
    if not shell and name not in _MEANINGS:
        raise Refusal(f"asks for {printable(name)}, which is refused: no weight file needs it")
    return Global(name)


def _shell(made: Any, base: Any = None, arguments: Any = None) -> Shell:
    if of(Global, made).name in _MEANINGS or arguments:
        raise Refusal(f"makes {printable(made.name)} by running code, which is refused")
    return Shell()


def _naturals(numbers: Any) -> tuple[int, ...]:
    checked = of(tuple, numbers)
    if len(checked) > DEEPEST or not all(0 <= of(int, n) < LARGEST_NUMBER for n in checked):
        raise Refusal("has an impossible size, stride or offset")
    return checked


def _window(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> ByteWindow:
    block, size, stride = of(Storage, storage), _naturals(size), _naturals(stride)
    numbers = math.prod(size)
    last = _naturals((offset,))[0] + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if numbers > block.length or (last >= block.length if numbers else offset > block.length):
        raise Refusal("has a tensor that reaches outside its storage")
    return ByteWindow(block, offset, size, stride)


class Machine:
    """Run one pickle, with nothing but plain data and the four things above on its stack."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # what lay on the stack at each open mark
        self.memo: dict[int, Any] = {}  # a table here, not an array as long as a file says
        self.storages: dict[str, Storage] = {}

    def run(self, stream: BytesIO) -> Any:
        """Return what the pickle that starts here leaves on the stack."""
        for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            name = opcode.name
            if step > MOST_STEPS:
                raise Refusal(f"is a pickle of more than {MOST_STEPS} instructions")
            if name in _PUSHES:
                pushed = _PUSHES[name](self, argument)  # may put another stack in place
                self.stack.append(pushed)
            elif name in _ACTS:
                _ACTS[name](self, argument)
            else:
                quoted = f" {printable(argument)}" if isinstance(argument, str) else ""
                raise Refusal(f"has the pickle instruction {name}{quoted}, which is refused")
        return self.stack.pop()

    def keep(self, place: int) -> None:
        """Note the top of the stack under a number."""
        self.memo[place] = self.stack[-1]

    def mark(self) -> None:
        """Begin a new stack on top of the old one."""
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
        meaning = _MEANINGS.get(of(Global, function).name)
        if not callable(meaning):
            raise Refusal(f"calls {printable(function.name)}, which is refused")
        return meaning(*of(tuple, arguments))

    def refer(self, reference: Any) -> Any:
        """Resolve a reference to a storage, or to a class whose source the file carries."""
        match of(tuple, reference):
            case ("module", Global(), _, _):
                return reference[1]
            case ("storage", Global(kind), str(key), _, length, *view) if not any(view):
                storage = Storage(key, of(torch.dtype, _MEANINGS.get(kind)), length)
                _naturals((length,))
                if self.storages.setdefault(key, storage) == storage:
                    return storage
        raise Refusal("refers to something that is not a storage of its own")

    def build(self, target: Any, state: Any) -> Any:
        """Give a shell its attributes; those of a dictionary are of no interest."""
        if type(target) is not dict:
            if of(Shell, target).state:  # merging again and again is work without end
                raise Refusal("gives an object its attributes twice")
            target.state = of(dict, state)
        return target

    def extend(self, more: Iterable[Any]) -> None:
        """Append to the list on top."""
        of(list, self.stack[-1]).extend(more)

    def set_items(self, flat: Iterable[Any]) -> None:
        """Put key, value, key, value, ... into the dictionary on top."""
        pairs = iter(flat)
        for key, thing in zip(pairs, pairs, strict=True):
            number = type(key) is int and abs(key) < LARGEST_NUMBER
            if not number and not (type(key) is str and len(key) <= LONGEST_NAME):
                raise Refusal("has a key that is no name")  # and can be made slow to hash
            of(dict, self.stack[-1])[key] = thing


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
    "torch.Size": lambda sizes: of(tuple, sizes),
    "torch.device": lambda *_: None,
    "torch._utils._rebuild_tensor": _window,
    "torch._utils._rebuild_tensor_v2": _window,
    "torch._utils._rebuild_parameter": lambda data, *_: of(ByteWindow, data),
    "torch.nn.backends.thnn._get_thnn_function_backend": lambda: None,  # in old modules
    "collections.OrderedDict": lambda: {},
    **dict.fromkeys(("builtins.set", "__builtin__.set"), lambda items: of(list, items)),
    **dict.fromkeys(("builtins.object", "__builtin__.object")),
    **dict.fromkeys(("copyreg._reconstructor", "copy_reg._reconstructor"), _shell),
}

_PLAIN = [
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
]  # fmt: skip

# What each instruction pushes.
_PUSHES: dict[str, Callable[[Machine, Any], Any]] = {
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
_ACTS: dict[str, Callable[[Machine, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    "POP": lambda machine, _: machine.last(1),
    "MARK": lambda machine, _: machine.mark(),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), Machine.keep),
    "MEMOIZE": lambda machine, _: machine.keep(len(machine.memo)),
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.extend(machine.above())),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.above()),
}

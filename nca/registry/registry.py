"""Map a name to a thing, and remember where the thing came from.

There is one registry for all kinds of plugin. A name is taken once: a second thing under it
is refused, and both origins are named. An entry may be lazy: then its module is imported when
it is asked for, and not before; if that fails, only that call raises.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from nca.errors import PluginError, RegistryError
from nca.suggest import did_you_mean, listed

Kind = Literal["rule", "task", "dataset", "target", "pattern", "importer", "notation"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Thing = TypeVar("Thing")


@dataclass
class Entry:
    """A name that is taken: by a thing, or by the promise of one.

    Attributes:
        kind: What the thing is.
        name: What recipes call it.
        origin: The package, file or module it came from, in words for a person.
        place: `module:attribute`, where the thing lives.
        thing: The thing itself; None until it is first asked for.
    """

    kind: Kind
    name: str
    origin: str
    place: str
    thing: Any = None

    def same_name(self, other: "Entry") -> bool:
        """Return whether another thing of this place has this name."""
        return (self.kind, self.name) == (other.kind, other.name) and self.thing is not other.thing


def takes(function: Callable[..., Any], *given: Any) -> bool:
    """Return whether a function can be called with these arguments."""
    try:
        inspect.signature(function).bind(*given)
    except TypeError:
        return False
    return True


def takes_beside_options(function: Callable[..., Any], *given: Any) -> bool:
    """Return whether a function can be called with these, and with its keyword-only options."""
    signature = inspect.signature(function)
    others = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
    try:
        signature.replace(parameters=others).bind(*given)
    except TypeError:
        return False
    return True


class Registry:
    """All the names there are, by kind."""

    def __init__(self) -> None:
        self._entries: dict[tuple[Kind, str], Entry] = {}
        self._contracts: dict[Kind, Callable[[Any], str | None]] = {}
        self._origin: str | None = None
        self._gained: list[Entry] | None = None

    def demand(self, kind: Kind, contract: Callable[[Any], str | None]) -> None:
        """Check every thing of a kind with `contract`, which returns the fault or None."""
        self._contracts[kind] = contract

    def add(self, kind: Kind, name: str, thing: Any) -> None:
        """Register a thing; a class refuses from now on what its table in a recipe would.

        Raises:
            RegistryError: The name is taken by another thing.
            PluginError: The thing does not keep the contract of its kind.
        """
        from nca.validation.checked import checked_options  # pydantic, which names do without

        place = f"{thing.__module__}:{thing.__qualname__}"
        self._check(kind, name, thing, place)
        checked_options(thing)
        self._take(Entry(kind, name, self._origin or thing.__module__, place, thing))

    def promise(self, kind: Kind, name: str, place: str, origin: str) -> None:
        """Register `module:attribute` under a name, to be imported when it is asked for.

        Raises:
            RegistryError: The name is taken by another thing.
        """
        self._take(Entry(kind, name, origin, place))

    def get(self, kind: Kind, name: str) -> Any:
        """Return the thing of that name, importing it if need be.

        Raises:
            RegistryError: No such name; the nearest one and the list are given.
            PluginError: The thing cannot be imported or breaks its contract.
        """
        entry = self._entries.get((kind, name))
        if entry is None:
            raise RegistryError(
                f"there is no {kind} named {name!r}.",
                where=f"{kind} names: {listed(self.names(kind))}",
                to_do=f"{did_you_mean(name, self.names(kind))}choose one of these, or name the "
                "plugin's file: nca ... --plugin FILE",
            )
        if entry.thing is None:
            entry.thing = self._load(entry)
        return entry.thing

    def names(self, kind: Kind) -> list[str]:
        """Return the names of a kind, sorted."""
        return sorted(name for of, name in self._entries if of == kind)

    def name_of(self, kind: Kind, thing: Any) -> str | None:
        """Return under which name a thing is registered, or None."""
        place = f"{thing.__module__}:{thing.__qualname__}"
        known = (entry for entry in self.entries() if entry.kind == kind)
        return next((e.name for e in known if e.thing is thing or e.place == place), None)

    def entries(self) -> list[Entry]:
        """Return every entry, sorted by kind (in the order of KINDS) and name."""
        return sorted(self._entries.values(), key=lambda e: (KINDS.index(e.kind), e.name))

    @contextmanager
    def origin(self, origin: str) -> Iterator[None]:
        """Say where the things come from that are registered inside this block."""
        before, self._origin = self._origin, origin
        try:
            yield
        finally:
            self._origin = before

    @contextmanager
    def preserved(self) -> Iterator[None]:
        """Forget, on leaving, whatever was registered inside this block."""
        before = dict(self._entries)
        try:
            yield
        finally:
            self._entries = before

    @contextmanager
    def all_or_nothing(self, origin: str) -> Iterator[None]:
        """Say where things come from as of `origin`; forget them all if the block fails."""
        before, outer, self._gained = dict(self._entries), self._gained, []
        try:
            with self.origin(origin):
                yield
        except BaseException:
            self._entries = before
            raise
        finally:
            self._gained = outer

    def gained(self) -> bool:
        """Return whether the innermost block of `all_or_nothing` has registered anything."""
        return bool(self._gained)

    def _take(self, entry: Entry) -> None:
        taken = self._entries.get((entry.kind, entry.name))
        again = any(entry.same_name(other) for other in self._gained or ())
        if taken is not None and (taken.place != entry.place or again):
            raise RegistryError(
                f"the {entry.kind} name {entry.name!r} is taken.",
                where=f"first by {taken.place} from {taken.origin}, "
                f"then by {entry.place} from {entry.origin}",
                to_do="rename one of the two, or leave one of them out",
            )
        if self._gained is not None:
            self._gained.append(entry)
        if taken is None or entry.thing is not None:
            if taken is not None:
                entry.origin = taken.origin
            self._entries[entry.kind, entry.name] = entry

    def _load(self, entry: Entry) -> Any:
        module, _, attribute = entry.place.partition(":")
        try:
            with self.all_or_nothing(entry.origin):
                thing = importlib.import_module(module)
                for part in attribute.split("."):
                    thing = getattr(thing, part)
        except KeyboardInterrupt:
            raise
        except BaseException as fault:  # a plugin may raise whatever it likes, and exit
            raise PluginError(
                f"the {entry.kind} {entry.name!r} cannot be loaded: "
                f"{type(fault).__name__}: {_first_line(fault)}",
                where=f"{entry.place}, from {entry.origin}",
                to_do="correct or remove that plugin; `nca plugins` lists all of them",
            ) from fault
        self._check(entry.kind, entry.name, thing, entry.place)
        return thing

    def _check(self, kind: Kind, name: str, thing: Any, place: str) -> None:
        contract = self._contracts.get(kind)
        try:
            fault = contract(thing) if contract else None
        except Exception as error:  # a thing may answer no question about itself
            fault = f"it cannot be looked at: {type(error).__name__}: {_first_line(error)}"
        if fault:
            raise PluginError(
                f"{name!r} is no {kind}: {fault}.",
                where=place,
                to_do=f"see `help(nca.registry)` and an existing {kind}: `nca plugins`",
            )


class Register:
    """Decorators that put a class or function into the registry under a name."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def _under(self, kind: Kind, name: str) -> Callable[[Thing], Thing]:
        def put(thing: Thing) -> Thing:
            self._registry.add(kind, name, thing)
            return thing

        return put

    def rule(self, name: str) -> Callable[[Thing], Thing]:
        """Register an update rule (a subclass of `UpdateRule`)."""
        return self._under("rule", name)

    def task(self, name: str) -> Callable[[Thing], Thing]:
        """Register a task (a subclass of `Task`)."""
        return self._under("task", name)

    def dataset(self, name: str) -> Callable[[Thing], Thing]:
        """Register a data set (a subclass of `Dataset`)."""
        return self._under("dataset", name)

    def target(self, name: str) -> Callable[[Thing], Thing]:
        """Register a target: a function of `(argument, side, *, options)` that draws in RGBA."""
        return self._under("target", name)

    def pattern(self, name: str) -> Callable[[Thing], Thing]:
        """Register a pattern: a function, with options at most, that returns `(C, *cells)`."""
        return self._under("pattern", name)

    def notation(self, name: str) -> Callable[[Thing], Thing]:
        """Register a notation: a function of a text that returns a recipe's text, or None."""
        return self._under("notation", name)

    def importer(self, name: str) -> Callable[[Thing], Thing]:
        """Register an importer: a function of a path, and options, that returns `Imported`."""
        return self._under("importer", name)


def _first_line(fault: BaseException) -> str:
    return (str(fault).splitlines() or [""])[0]


registry = Registry()
register = Register(registry)

"""What installed packages declare, each package by itself: a broken one takes no other with it.

Nothing is imported. What is wrong with a package is said once, in one line, to whoever listens.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path

PREFIX = "nca."

COMPLAINTS: dict[str, None] = {}
"""What is wrong with installed packages, in the order in which it was met."""

_listener: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Declared:
    """An entry point of an installed package.

    Attributes:
        name: What users call it.
        value: A module, or `module:attribute`.
        package: Name and version of the package.
    """

    name: str
    value: str
    package: str


def listen(listener: Callable[[str], None] | None) -> None:
    """Let a listener be called with what users should know of plugins, a line at a time."""
    global _listener
    _listener = listener
    if listener:
        for line in COMPLAINTS:
            listener(line)


def notice(line: str) -> None:
    """Say a line to whoever listens."""
    if _listener:
        _listener(line)


def complain(package: str, what: str) -> None:
    """Say what is wrong with an installed package."""
    line = f"the installed package {_shown(package)} is left out: {_shown(what)}"
    if line not in COMPLAINTS:
        COMPLAINTS[line] = None
        notice(line)


def entry_points_of(group: str) -> list[Declared]:
    """Return what is declared in a group, sorted by package and name; broken packages are not."""
    return list(_declared(tuple(sys.path)).get(group, ()))


def folders_of(package: str, module: str) -> list[Path]:
    """Return the folders of a module that is a package, without importing it; none: it is broken.

    Args:
        package: Who declares it.
        module: Its dotted name.
    """
    try:
        folders = [folder for folder in _places(module) if folder.is_dir()]
        reason = f"{module} is no folder of files"
    except (ImportError, ValueError, AttributeError, OSError) as fault:
        folders, reason = [], f"{module}: {fault}"
    if not folders:
        complain(package, reason)
    return folders


def _places(module: str) -> list[Path]:
    top, *inside = module.split(".")
    if not all(part.isidentifier() for part in (top, *inside)):
        raise ValueError("is no name of a module")
    spec = find_spec(top)  # of a package at the top, so that nothing is imported
    if spec is None:
        raise ImportError("there is no such module")
    return [Path(root, *inside) for root in spec.submodule_search_locations or ()]


@lru_cache(maxsize=4)
def _declared(path: tuple[str, ...]) -> dict[str, tuple[Declared, ...]]:
    found: dict[str, list[Declared]] = {}
    seen: set[str] = set()
    for one in distributions(path=list(path)):
        text = _text(one)
        if text is None or PREFIX not in text:
            continue
        package = _named(one)
        if package.partition(" ")[0] in seen:  # an older one further down the path
            continue
        seen.add(package.partition(" ")[0])
        for group, declared in _of(one, package):
            found.setdefault(group, []).append(declared)
    return {
        group: tuple(sorted(points, key=lambda one: (one.package, one.name)))
        for group, points in found.items()
    }


def _text(one: Distribution) -> str | None:
    """Return the text of all entry points; a text that is none is complained about."""
    try:
        return one.read_text("entry_points.txt")
    except (OSError, ValueError) as fault:
        complain(_named(one), f"its entry points cannot be read: {fault}")
        return None


def _named(one: Distribution) -> str:
    """Return name and version of a package."""
    try:
        return f"{one.metadata['Name']} {one.metadata['Version'] or ''}".strip()
    except Exception:  # metadata is foreign text, and may be anything or missing
        return Path(str(getattr(one, "_path", "unknown"))).stem


def _of(one: Distribution, package: str) -> list[tuple[str, Declared]]:
    try:
        points = [point for point in one.entry_points if point.group.startswith(PREFIX)]
    except Exception as fault:  # likewise
        complain(package, f"its entry points cannot be read: {fault}")
        return []
    kept = []
    for point in points:
        if point.name.isprintable() and point.value.isprintable() and point.name and point.value:
            kept.append((point.group, Declared(point.name, point.value, package)))
        else:
            complain(package, f"it has an entry point that is no name: {point.name!r}")
    return kept


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)

"""Find plugins: installed ones through entry points, local ones by their file.

Finding an installed plugin imports nothing: its names become promises in the registry, kept
when it is asked for. A local file is executed once, as a module of its own.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from nca.errors import PluginError, RegistryError
from nca.registry.registry import KINDS, registry

REFUSED: list[RegistryError] = []
"""Names that two installed packages claim; the first in alphabetical order keeps it."""


@cache
def discover() -> None:
    """Register a promise for every plugin that installed packages declare, once.

    The groups are `nca.rules`, `nca.tasks`, `nca.datasets`, `nca.targets`, `nca.importers`; the
    name is the plugin's, the value `module:attribute`.
    """
    installed = entry_points()  # once for all groups, since it reads a file of every package
    for kind in KINDS:
        points = installed.select(group=f"nca.{kind}s")
        for point in sorted(points, key=lambda p: (p.dist.name if p.dist else "", p.name)):
            package = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
            try:
                registry.promise(kind, point.name, point.value, package)
            except RegistryError as clash:
                REFUSED.append(clash)


def load_files(files: Iterable[str | Path], folder: Path) -> None:
    """Execute plugin files, so that they register what they define.

    Args:
        files: Paths, absolute or relative to `folder`.
        folder: Where relative paths start.

    Raises:
        PluginError: A file is missing, or fails while it is executed.
    """
    for file in files:
        load_file(folder / file)


def load_file(path: Path) -> None:
    """Execute one plugin file; a file that was executed before is not executed again.

    Raises:
        PluginError: The file is missing, or fails while it is executed.
    """
    try:
        path = path.expanduser().resolve()
        there = path.is_file()
    except (OSError, RuntimeError, ValueError):  # too long, no such home, no character
        there = False
    if not there:
        raise PluginError(
            "there is no such plugin file.",
            where=str(path),
            to_do="give the path of a Python file that registers a rule, task, data set or target",
        )
    # the path is part of the name, for two files may share a stem
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"nca_plugin_{path.stem}_{digest}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(
            "a plugin file must be Python source.", where=str(path), to_do="name it *.py"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with registry.origin(str(path)):
            spec.loader.exec_module(module)
    except (RegistryError, PluginError):
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as fault:
        del sys.modules[name]
        line = _line_in(fault, path)
        words = (str(fault).splitlines() or [""])[0]
        raise PluginError(
            f"the plugin fails to load: {type(fault).__name__}: {words}",
            where=f"{path}{f', line {line}' if line else ''}",
            to_do="correct the file; running `python FILE` shows the whole traceback",
        ) from fault


def _line_in(fault: BaseException, path: Path) -> int | None:
    if isinstance(fault, SyntaxError):
        return fault.lineno
    line, trace = None, fault.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line

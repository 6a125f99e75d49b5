"""Plugin files as modules: each sees the modules beside it, and nothing else sees those.

A plugin's folder becomes a package with a name of its own, so that files of one name in two folders
keep apart. `import helper` in a plugin means the `helper.py` beside it, if there is one, as where
Python runs a file; the standard library comes first. `sys.path` stays as it is.
"""

import ast
import builtins
import hashlib
import importlib.abc
import importlib.util
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import PurePosixPath
from types import CodeType, ModuleType
from typing import Any

from nca.recipe.recipe_files import KeptFile, RecipeFiles

PREFIX = "nca_plugin_"
"""How the names of the packages begin."""

RESERVED = sys.stdlib_module_names | {"nca", "nca_plugins", "nca_recipes", "torch", "numpy"}
"""Modules that no file beside a plugin takes the place of."""


class PluginFolder:
    """The folder of a plugin: a package of the modules that lie in it.

    Args:
        plugin: The path of the plugin, as its recipe writes it.
        files: Where it is read from.
    """

    def __init__(self, plugin: str, files: RecipeFiles) -> None:
        self.plugin, self.files = plugin, files
        place = files.place(plugin)
        try:
            place = place.resolve()
        except OSError:  # a circle of links
            place = place.absolute()
        digest = hashlib.sha256(str(place.parent).encode("utf-8", "replace")).hexdigest()[:8]
        self.package = f"{PREFIX}{digest}"
        stem = re.sub(r"\W", "_", PurePosixPath(plugin.replace("\\", "/")).stem)
        self.module = f"{self.package}.{stem}"
        self._files: dict[str, tuple[str, bytes, bool] | None] = {}
        self._held: dict[str, bool] = {}

    def path(self, name: str) -> str:
        """Return the path of what lies in the folder."""
        return self.files.beside(self.plugin, name)

    def file(self, module: str) -> tuple[str, bytes, bool] | None:
        """Return path and source of a module in the folder, and whether it is a package."""
        if module not in self._files:
            self._files[module] = self._look_up(module.replace(".", "/"))
        return self._files[module]

    def _look_up(self, inside: str) -> tuple[str, bytes, bool] | None:
        for name, is_package in ((f"{inside}/__init__.py", True), (f"{inside}.py", False)):
            path = self.path(name)
            if (content := self.files.get(path, "module")) is not None:
                return path, content, is_package
        return None

    def holds(self, top: str) -> bool:
        """Return whether a top-level import in the folder means what lies there."""
        if top not in self._held:
            self._held[top] = top not in RESERVED and bool(
                self.file(top) or (self.files.is_folder(self.path(top)) and _absent(top))
            )
        return self._held[top]

    def modules(self, content: bytes, module: str = "") -> dict[str, bytes]:
        """Return the files in the folder that a source imports, and those that they import."""
        found: dict[str, bytes] = {}
        waiting = [(content, module)]
        while waiting:
            source, importer = waiting.pop()
            for name, relative in _imported(source, importer):
                if not (relative or self.holds(name.partition(".")[0])):
                    continue
                parts = name.split(".")
                for length in range(1, len(parts) + 1):
                    inside = ".".join(parts[:length])
                    file = self.file(inside)
                    if file and file[0] not in found:
                        found[file[0]] = file[1]
                        waiting.append((file[1], inside + ".__init__" * file[2]))
        return found


FOLDERS: dict[str, PluginFolder] = {}
"""The folders of all plugins that were executed, by the names of their packages."""


def execute(folder: PluginFolder, content: bytes) -> ModuleType:
    """Execute a plugin as a module of its folder.

    Args:
        folder: Of the plugin.
        content: Its source.

    Raises:
        BaseException: What the plugin raises; no module of it is left then.
    """
    _install()
    before = set(sys.modules)
    FOLDERS[folder.package] = folder
    loader = _SourceLoader(folder, folder.plugin, content)
    spec = importlib.util.spec_from_loader(folder.module, loader, origin=loader.place)
    assert spec is not None
    spec.has_location = True
    importlib.import_module(folder.package)
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.module] = module
    try:
        loader.exec_module(module)
    except BaseException:
        for name in set(sys.modules) - before:
            if name.startswith(f"{folder.package}."):
                del sys.modules[name]
        raise
    return module


class _Finder:
    """Finds the modules of plugin folders, and no others."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module in a plugin's folder; None for every other module."""
        package, _, inside = name.partition(".")
        folder = FOLDERS.get(package)
        if folder is None:
            return None
        if not inside:
            return ModuleSpec(name, _EmptyLoader(), is_package=True)
        file = folder.file(inside)
        if file is None:
            within = folder.files.is_folder(folder.path(inside.replace(".", "/")))
            return ModuleSpec(name, _EmptyLoader(), is_package=True) if within else None
        loader = _SourceLoader(folder, file[0], file[1])
        spec = importlib.util.spec_from_loader(
            name, loader, origin=loader.place, is_package=file[2]
        )
        if spec is not None:
            spec.has_location = True
        return spec


class _EmptyLoader(importlib.abc.Loader):
    """Makes a folder a package."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty."""


class _SourceLoader(importlib.abc.InspectLoader):
    """Executes a file of a plugin's folder, with an `import` that looks into the folder."""

    def __init__(self, folder: PluginFolder, path: str, content: bytes) -> None:
        self.folder, self.path, self.content = folder, path, content
        self.place = str(folder.files.place(path))

    def get_source(self, fullname: str) -> str:
        """Return the source, for tracebacks and compilers."""
        return importlib.util.decode_source(self.content)

    def get_filename(self, fullname: str) -> str:
        """Return what the file is called."""
        return self.place

    def is_package(self, fullname: str) -> bool:
        """Return whether it is the heart of a package."""
        return self.path.endswith("/__init__.py")

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled source."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return compile(self.content, self.place, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the file."""
        module.__dict__["__builtins__"] = {
            **vars(builtins),
            "__import__": _importing(self.folder),
        }
        exec(self.get_code(module.__name__), module.__dict__)


def _importing(folder: PluginFolder) -> Callable[..., Any]:
    def import_beside(
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or not folder.holds(top):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        inner = f"{folder.package}.{name}"
        if fromlist:
            return builtins.__import__(inner, globals, locals, fromlist)
        importlib.import_module(inner)
        return sys.modules[f"{folder.package}.{top}"]

    return import_beside


def _imported(source: bytes, importer: str) -> Iterator[tuple[str, bool]]:
    """Yield all modules that a source may import from its folder, and which are relative."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = importer.split(".")[: -node.level] if node.level else []
            start = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            names = [start, *(f"{start}.{alias.name}".strip(".") for alias in node.names)]
            yield from ((name, node.level > 0) for name in names if name)


def _absent(top: str) -> bool:
    """Return whether nothing that is installed has this name."""
    try:
        return importlib.util.find_spec(top) is None
    except (ImportError, ValueError, AttributeError):
        return True


def _install() -> None:
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)  # pyright: ignore[reportArgumentType]


def keep_sources(folder: PluginFolder, content: bytes) -> None:
    """Remember a plugin and the modules beside it among the files of its recipe."""
    for path, source in folder.modules(content).items():
        folder.files.keep(path, KeptFile(source, "module"))
    folder.files.keep(folder.plugin, KeptFile(content, "plugin"))


def plugin_module_names(folder: PluginFolder, content: bytes) -> set[str]:
    """Return the names of the modules that a plugin may register things in."""
    inside = {PurePosixPath(path) for path in folder.modules(content)}
    root = PurePosixPath(folder.path("x")).parent
    names = {".".join(path.relative_to(root).with_suffix("").parts) for path in inside}
    return {folder.module} | {f"{folder.package}.{n.removesuffix('.__init__')}" for n in names}

"""Find plugins: installed ones through entry points, local ones by their file.

Finding an installed plugin imports nothing: its names become promises in the registry, kept
when it is asked for. A local file is executed once, as a module of its own.
"""

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from nca.errors import NCAError, PluginError, RegistryError
from nca.files import is_folder, user_path
from nca.recipe.recipe_files import RecipeFiles
from nca.registry.installed import entry_points_of, notice
from nca.registry.plugin_files import (
    PluginFolder,
    execute,
    keep_sources,
    plugin_module_names,
)
from nca.registry.plugin_frames import frames_in_plugins
from nca.registry.registry import KINDS, registry
from nca.registry.surroundings import surroundings_kept

REFUSED: list[RegistryError] = []
"""Names that two installed packages claim; the first in alphabetical order keeps it."""


@cache
def discover() -> None:
    """Register a promise for every plugin that installed packages declare, once.

    The groups are `nca.rules`, `nca.tasks`, `nca.datasets`, `nca.targets`, `nca.patterns`,
    `nca.importers` and `nca.notations`; the name is the plugin's, the value `module:attribute`.
    """
    for kind in KINDS:
        for point in entry_points_of(f"nca.{kind}s"):
            try:
                registry.promise(kind, point.name, point.value, point.package)
            except RegistryError as clash:
                REFUSED.append(clash)


def load_file(path: Path) -> None:
    """Execute one plugin file; a file that was executed before is not executed again.

    Raises:
        PluginError: The file is missing, or fails while it is executed, or registers nothing.
    """
    _load(str(user_path(path)), RecipeFiles(Path.cwd()))


def load_files(paths: Iterable[str], files: RecipeFiles, *, asked: bool = False) -> None:
    """Execute plugin files of a recipe, and remember them and the modules beside them.

    Args:
        paths: As the recipe writes them.
        files: Where they are read from.
        asked: Whether the user has named them one by one; otherwise they are announced.

    Raises:
        PluginError: A file is missing, or fails while it is executed, or registers nothing.
    """
    paths = list(dict.fromkeys(paths))
    new = [path for path in paths if PluginFolder(path, files).module not in sys.modules]
    if new and not asked:
        beside = [path for name in new for path in _beside(name, files)]
        named = ", ".join(str(files.place(path)) for path in dict.fromkeys([*new, *beside]))
        notice(f"executing what the recipe names: {named}")
    for path in paths:
        _load(path, files)


def is_loaded(path: str, files: RecipeFiles) -> bool:
    """Return whether a plugin file was executed already."""
    return PluginFolder(path, files).module in sys.modules


def plugin_fault(fault: BaseException) -> PluginError | None:
    """Return the error to show for a fault in a plugin file; None: it came through none."""
    frames = frames_in_plugins(fault)
    if not frames:
        return None
    return _failure("a plugin fails", fault, frames)


def _beside(path: str, files: RecipeFiles) -> list[str]:
    content = files.get(path, "plugin")
    return [] if content is None else list(PluginFolder(path, files).modules(content))


def _load(path: str, files: RecipeFiles) -> None:
    content = _source(path, files)
    folder = PluginFolder(path, files)
    keep_sources(folder, content)
    if folder.module in sys.modules and _registered(folder, content):
        return
    place = str(files.place(path))
    try:
        with registry.all_or_nothing(place), surroundings_kept(place):
            execute(folder, content)
            _must_register(folder, content, place)
    except NCAError:
        sys.modules.pop(folder.module, None)
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # a plugin may raise whatever it likes, and exit
        frames = frames_in_plugins(fault) or [(place, 0, "")]
        raise _failure("the plugin fails to load", fault, frames) from fault


def _source(path: str, files: RecipeFiles) -> bytes:
    place = files.place(path)
    content = files.get(path, "plugin")
    if content is None:
        folder = not files.sealed and is_folder(place)
        raise PluginError(
            "a plugin is a file, and this is a folder."
            if folder
            else "there is no such plugin file.",
            where=str(place),
            to_do="give the path of a Python file that registers a rule, task, data set or target",
        )
    if not path.endswith(".py"):
        raise PluginError(
            "a plugin file must be Python source.", where=str(place), to_do="name it *.py"
        )
    if b"\0" in content:
        raise PluginError(
            "the plugin is no text in UTF-8: it has null bytes.",
            where=str(place),
            to_do="save it as UTF-8, which Python source is written in",
        )
    return content


def _registered(folder: PluginFolder, content: bytes) -> bool:
    modules = plugin_module_names(folder, content)
    return any(entry.place.partition(":")[0] in modules for entry in registry.entries())


def _must_register(folder: PluginFolder, content: bytes, place: str) -> None:
    if not (_registered(folder, content) or registry.gained()):
        raise PluginError(
            "the plugin registers nothing.",
            where=place,
            to_do='put `@register.rule("name")` or its like above what it defines: nca help rules',
        )


def _failure(what: str, fault: BaseException, frames: list[tuple[str, int, str]]) -> PluginError:
    words = (str(fault).splitlines() or [""])[0]
    steps = [f"{file}, line {line}" if line else file for file, line, _ in reversed(frames)]
    text = frames[-1][2]
    return PluginError(
        f"{what}: {type(fault).__name__}{f': {words}' if words else ''}",
        where=", called from ".join(dict.fromkeys(steps)),
        to_do=f"correct the file{f', there: {text}' if text else ''}",
    )

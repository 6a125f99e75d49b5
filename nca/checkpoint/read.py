"""Read recipes and checkpoints that `find` has found: parsed, checked, with their plugins."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from nca.checkpoint.file import Checkpoint, file_tensors, weights
from nca.checkpoint.find import ENDINGS, checkpoint_path, find_recipe, names_recipe, untrained
from nca.checkpoint.outline import outline
from nca.checkpoint.reads import Reads
from nca.errors import CheckpointError, NCAError, PluginError
from nca.files import holds, is_file, make_folder, user_path, write_whole
from nca.progress import SILENT, Progress
from nca.recipe.draft import Draft
from nca.recipe.errors import RecipeError
from nca.recipe.overrides import as_overrides
from nca.recipe.recipe import Recipe
from nca.recipe.recipe_files import COPIES, LARGEST, RecipeFiles, Role, copy_name
from nca.recipe.unexecuted import Unexecuted
from nca.registry.discovery import is_loaded, load_files
from nca.registry.registry import registry


def read_recipe(
    source: str,
    overrides: Iterable[str] = (),
    plugins: Sequence[Path] = (),
    reads: Reads | None = None,
) -> Recipe:
    """Read and check a recipe; the plugin files that it names are executed before its options are.

    Args:
        source: A file, a name, or a text in a notation.
        overrides: `table.key=value`; paths in them start at the working folder.
        plugins: Files that the user has named, executed first and kept with the recipe's own.
        reads: What will be read of it, beside what every use of an automaton reads; not given:
            all of it.

    Raises:
        NCAError: There is no such recipe; an override would have no effect.
        PluginError: A plugin file of it does not load.
        RecipeError: Everything that is wrong with it.
    """
    found, overrides = find_recipe(source), tuple(overrides)
    text, name, words = found.text, found.name, found.source
    folder = found.path.parent
    recipe = parse_recipe(text, name, folder, overrides, source=words, plugins=plugins)
    if reads is not None and overrides:
        with suppress(RecipeError):  # which the overrides have corrected
            before = parse_recipe(text, name, folder, source=words, plugins=plugins)
            reads.with_plugins().refuse_others(before.tables, recipe.tables, overrides, found.path)
    return recipe


def parse_recipe(
    text: str,
    name: str,
    folder: Path,
    overrides: Iterable[str] = (),
    *,
    source: str = "",
    plugins: Sequence[Path] = (),
) -> Recipe:
    """Check the text of a recipe; see `read_recipe`."""
    files, overrides = RecipeFiles(folder), tuple(overrides)
    load_files([str(user_path(file).absolute()) for file in plugins], files, asked=True)
    load_named(text, folder, source or name, overrides, files)
    return Recipe.parse(
        text, name=name, folder=folder, overrides=overrides, source=source, files=files
    )


def load_named(
    text: str,
    folder: Path,
    source: str,
    overrides: Iterable[str] = (),
    files: RecipeFiles | None = None,
) -> None:
    """Execute the plugin files that a recipe names, if its tables have no fault.

    Raises:
        PluginError: One of them does not load.
        RecipeError: A fault that shows without them; what could not be checked is named.
    """
    files = files or RecipeFiles(folder)
    draft = Draft.read(text, overrides, source).located(files)
    if not (named := draft.plugins()):
        return
    found = Unexecuted.judge(draft, files)
    if found.faults:
        raise draft.refusal(found.faults + found.unbuilt(), [*named, *found.unchecked()])
    try:
        load_files(named, files)
    except PluginError as error:
        if not (faults := found.unbuilt()):
            raise
        faults = [found.unloaded(error), *faults]
        raise draft.refusal(faults, [*named, *found.unchecked()]) from error


def check_unexecuted(source: str, overrides: Iterable[str] = ()) -> list[str]:
    """Check a recipe without executing the plugin files that it names.

    Returns:
        What could not be checked: those files that were not executed before, and the rules and
        tasks that are unknown without them. Nothing: all files were executed.

    Raises:
        NCAError: There is no such recipe.
        RecipeError: A fault that shows without them.
    """
    recipe = find_recipe(source)
    files = RecipeFiles(recipe.path.parent)
    draft = Draft.read(recipe.text, overrides, recipe.source).located(files)
    left = [name for name in draft.plugins() if not is_loaded(name, files)]
    if not left:
        return []
    found = Unexecuted.judge(draft, files)
    unchecked = [*left, *found.unchecked()]
    if faults := found.faults + found.unbuilt():
        raise draft.refusal(faults, unchecked)
    return unchecked


def write_copies(files: RecipeFiles, folder: Path, progress: Progress = SILENT) -> None:
    """Copy the files that a recipe has read, so that a run's folder is complete.

    Args:
        files: What was read.
        folder: The run's folder.
        progress: Where it is said what is not kept.

    Raises:
        StorageError: They cannot be written.
    """
    for path, file in files.kept().items():
        place = folder / COPIES / copy_name(path)
        make_folder(place.parent, "the folder of a run's files", "choose another one for the run")
        if not holds(place, file.content):
            write_whole(place, file.content)
    for path in files.too_large():
        most = f"{LARGEST >> 20} MB"
        progress.note(f"{files.place(path)} has more than {most}: the run does not keep a copy")


def pattern_override(
    source: str, pattern: str, overrides: Iterable[str] = (), plugins: Sequence[Path] = ()
) -> tuple[str, ...]:
    """Return the override that lets the task of a recipe or a checkpoint begin with a pattern.

    Args:
        source: A file, a run's folder, a name, or a text in a notation.
        pattern: A file, or the name of a pattern.
        overrides: `table.key=value`.
        plugins: Files that the user has named.

    Raises:
        NCAError: There is no such recipe, or its task takes no pattern.
    """
    if names_recipe(source) or Path(source).suffix in ENDINGS:
        task = read_recipe(source, overrides, plugins).tables.task
    else:
        task = read_checkpoint(source, tuple(overrides))[1].tables.task
    option = registry.get("task", task.name).pattern_option if task else ""
    if not option:
        known = [name for name in registry.names("task") if _takes_pattern(name)]
        words = f"its task {task.name} takes none" if task else "it has no task"
        raise NCAError(
            f"{source} does not begin with a pattern: {words}.",
            where=f"the pattern given: {pattern}",
            to_do=f"leave it out, or give a recipe of the task {' or '.join(known)}",
        )
    path = user_path(pattern)
    return as_overrides({f"task.{option}": str(path.absolute()) if is_file(path) else pattern})


def _takes_pattern(name: str) -> bool:
    try:
        return bool(registry.get("task", name).pattern_option)
    except PluginError:  # of which others are listed
        return False


def load_copies(run: Path, *, trusted: bool = False, own: Sequence[Path] = ()) -> None:
    """Execute the copies of plugin files that a run has in its folder.

    Args:
        run: Its folder.
        trusted: Whether to execute those that its checkpoint carries, where there are no copies.
        own: Plugin files that the user has named, which take the place of those of their name.

    Raises:
        CheckpointError: Its checkpoint is missing, damaged, foreign or newer.
        PluginError: A copy fails.
    """
    last = run / "last.safetensors"
    if not is_file(last):
        return  # what is missing is said where the run is read
    checkpoint = Checkpoint.read(last)
    files = checkpoint.carried(last)
    files.use_copies(run)
    load_files(_others(files.plugins() if trusted else files.copied(), own), files)
    with suppress(RecipeError):  # said where it is parsed
        named = Draft.read(checkpoint.recipe, (), str(last)).plugins()
        old = [Path(name).name for name in named if name not in files.kept()]
        there = [name for name in old if is_file(run / name)]
        load_files(_others(there, own), RecipeFiles(run))


def load_carried(checkpoint: str, own: Sequence[Path] = ()) -> None:
    """Execute the plugin files that a checkpoint carries: its reader trusts whoever made it.

    Args:
        checkpoint: A file, a run's folder, or a name.
        own: Plugin files that the user has named, which take the place of those of their name.

    Raises:
        CheckpointError: It is missing, damaged, foreign or newer.
        PluginError: One of them fails.
    """
    if names_recipe(checkpoint):
        return
    path = checkpoint_path(checkpoint)
    files = Checkpoint.read(path).carried(path)
    load_files(_others(files.plugins(), own), files)


def _others(carried: Sequence[str], own: Sequence[Path]) -> list[str]:
    names = {path.name for path in own}
    return [path for path in carried if path.replace("\\", "/").rpartition("/")[2] not in names]


def read_checkpoint(
    source: str, overrides: tuple[str, ...] = ()
) -> tuple[Checkpoint, Recipe, Path]:
    """Read a checkpoint and the recipe in it; plugin files that it names are not executed.

    A recipe whose automaton and task have no weights is as good as a checkpoint; its plugin files
    are executed.

    Raises:
        CheckpointError: It is missing, damaged, foreign or newer, or needs plugins that it carries.
        RecipeError: Its recipe does not fit; a missing plugin is named.
    """
    if names_recipe(source):
        return _without_weights(source, overrides)
    path = checkpoint_path(source)
    checkpoint = Checkpoint.read(path)
    return checkpoint, parse_carried(checkpoint, path, overrides), path


def parse_carried(checkpoint: Checkpoint, path: Path, overrides: tuple[str, ...]) -> Recipe:
    """Parse the recipe in a checkpoint; see `read_checkpoint`."""
    try:
        return checkpoint.parsed(path, overrides)
    except RecipeError as fault:
        carried = checkpoint.carried(path).plugins()
        missing = [one.what for one in fault.faults if one.what.startswith("no ")]
        if not (carried and missing):
            raise
        raise CheckpointError(
            f"the checkpoint needs plugin files, and executes none by itself: {missing[0]}.",
            where=f"{path} carries: {', '.join(carried)}",
            to_do="give your own copy, --plugin FILE, or, if you trust whoever made the "
            "checkpoint, let it execute what it carries: --trust",
        ) from fault


def has_weights(recipe: Recipe) -> bool:
    """Return whether there is anything to train in what a recipe builds."""
    return any(list(outline(build).parameters()) for build in (recipe.automaton, recipe.task))


def weightless_checkpoint(recipe: Recipe, text: str) -> Checkpoint:
    """Return what a checkpoint of a recipe without weights holds.

    Args:
        recipe: With its overrides.
        text: What the checkpoint shall say that its recipe is.
    """
    kept = recipe.files.kept()
    tensors = weights(automaton=recipe.automaton(), task=recipe.task())
    files: dict[str, Role] = {path: file.role for path, file in kept.items()}
    return Checkpoint(recipe.name, text, files=files, tensors={**tensors, **file_tensors(kept)})


def _without_weights(source: str, overrides: tuple[str, ...]) -> tuple[Checkpoint, Recipe, Path]:
    """Return a recipe that has nothing to train as if it were trained.

    Raises:
        CheckpointError: There is something to train.
    """
    found = find_recipe(source)
    folder, words = found.path.parent, found.source
    recipe = parse_recipe(found.text, found.name, folder, overrides, source=words)
    if has_weights(recipe):
        raise untrained(source)
    return weightless_checkpoint(recipe, found.text), recipe, found.path

"""Train a recipe from Python, to the end, and take the outcome as a model."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nca.checkpoint.read import parse_recipe, read_recipe, write_copies
from nca.checkpoint.trained import Trained
from nca.device import pick_device
from nca.evaluation.finish_run import finish_run
from nca.files import user_path
from nca.model.given import data_folder, know
from nca.model.model import Model
from nca.model.notebook import progress_here
from nca.progress import Progress
from nca.recipe.overrides import as_overrides, as_toml
from nca.training.choices import choose_and_train
from nca.training.run import Run
from nca.training.threads import threads_restored


def train_recipe(
    recipe: str | Path | Mapping[str, Any],
    *,
    overrides: Mapping[str, Any] | Iterable[str] = (),
    out: str | Path | None = None,
    device: str = "auto",
    data: str | Path | None = None,
    plugins: Iterable[str | Path] = (),
    progress: Progress | None = None,
    **tables: Any,
) -> Model:
    """Train a recipe as `nca run` does, and return its best weights, evaluated on test data.

        nca.train("mine.toml", train={"iterations": 50}, random_seed=1)

    On a CPU it takes as many threads as are fastest; torch has those of before again when it ends.

    Args:
        recipe: The name of a recipe, a .toml file, or its tables as a dict, with `name` beside
            them if the run shall have one.
        overrides: Keys of it that shall be others: `{"train.iterations": 500}`.
        out: The run's folder, which must not hold a run; if not given, the next `runs/NAME-N`.
        device: `auto`, `cpu`, `cuda`, or `cuda:N`.
        data: Folder of data sets.
        plugins: Plugin files to execute first.
        progress: Where it is reported how far it is; a bar in notebooks, if not given.
        tables: Keys by table, `train={"iterations": 500}`; its other keys stay as they are. They
            come after the overrides.

    Raises:
        RecipeError: Everything that is wrong with the recipe.
        DataError: The task's data cannot be had.
        DivergedError: The loss is not finite any more.
        StorageError: The folder is taken, or cannot be written.
    """
    files, changed = [Path(file) for file in plugins], as_overrides(overrides, tables)
    know(files)
    progress = progress or progress_here()
    if isinstance(recipe, Mapping):
        text = as_toml({key: value for key, value in recipe.items() if key != "name"})
        called = str(recipe.get("name", "recipe"))
        checked = parse_recipe(text, called, Path(), changed, plugins=files)
    else:
        checked = read_recipe(str(recipe), changed, files)
    checked.training()
    checked.check()
    place, folder = pick_device(device), None if out is None else user_path(Path(out))
    run = Run.start(checked, folder, place, data_folder(data), progress)
    try:
        write_copies(run.recipe.files, run.folder, progress)
        with threads_restored():
            choose_and_train(run, progress)
            finish_run(run, data_folder(data), progress)
    except Exception:
        run.discard_untrained()
        raise
    finally:
        run.close()
    return Model(Trained.load(str(run.folder / "best.safetensors"), place), data_folder(data))


train = train_recipe

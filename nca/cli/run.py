"""`nca run`: train a recipe, evaluate what came out, and leave it all in one folder."""

import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nca.cli.completion import complete_recipe
from nca.cli.console import (
    Data,
    Device,
    Overrides,
    Pattern,
    PluginFiles,
    Shard,
    Trust,
    load_plugins,
    plugin_flags,
    print_result,
    say,
    show_measurements,
    sides,
    speaking,
    with_pattern,
)
from nca.cli.interruption import interruptible
from nca.cli.numbers import STEPS, number
from nca.cli.progress import terminal_progress
from nca.errors import NCAError
from nca.progress import ProgressList

if TYPE_CHECKING:
    from nca.recipe.recipe import Recipe
    from nca.training.run import Run

LARGE_SHARE = 0.25
"""Of all memory: what states take is said beforehand where it is more."""


def run_command(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A .toml or .py file, a name, a rule such as B36/S23, or a pattern file.",
            autocompletion=complete_recipe,
        ),
    ] = None,
    pattern: Pattern = None,
    device: Device = "auto",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="The run's folder; runs/NAME-N without it."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="RUN", help="Continue the run in this folder."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="CHECKPOINT",
            help="Train on from these weights: a file, a run's folder, or a name.",
        ),
    ] = None,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    trust: Trust = False,
    data: Data = None,
    shard: Shard = None,
    steps: Annotated[
        int | None, number("--steps", 1, STEPS, "Of a recipe without weights: how long to run.")
    ] = None,
    plane: Annotated[
        bool,
        typer.Option("--plane", help="Without weights: grow the grid before a pattern fills it."),
    ] = False,
    picture: Annotated[
        bool | None,
        typer.Option(
            "--picture/--no-picture",
            help="Draw the cells below the progress; unasked on a terminal with colours.",
        ),
    ] = None,
) -> None:
    """Train a recipe, evaluate it on test data, and draw it.

    A recipe without weights is run, and it is reported what lives and whether it comes back.

    Example: nca run recipes/glom_mnist.toml --set train.iterations=500

    Without weights: nca run B36/S23 pattern.rle --steps 1000

    From weights: nca run growing --from growing --set task.target=butterfly

    On several devices: torchrun --nproc-per-node 2 -m nca run glom_mnist
    """
    from nca.checkpoint.read import load_copies, read_recipe, write_copies
    from nca.device import pick_device
    from nca.distributed.group import join, local_device
    from nca.evaluation.finish_run import finish_run
    from nca.training.run import Run
    from nca.training.run_folder import enter_run_folder

    if (recipe is None) == (resume is None):
        raise typer.BadParameter("give either a RECIPE or --resume RUN")
    if resume is not None and source is not None:
        raise typer.BadParameter("--resume goes on with the run's own weights: leave out --from")
    overridden = (*with_pattern(pattern, recipe, overrides, plugin), *_begin_with(source))
    wanted = pick_device(local_device(device))
    group = join(wanted, sides(shard, "--shard") if shard else None)
    with speaking(group), group.guard(), ExitStack() as ending:
        with terminal_progress() as progress:
            if resume is not None:
                with group.leader_first():  # before anything of the run is executed
                    if group.is_leader:
                        lock = enter_run_folder(resume)
                        ending.callback(lock.release)
                load_plugins(plugin)
                load_copies(resume, trusted=trust, own=plugin or ())
                going = Run.resume(resume, wanted, data, progress, overridden, group)
            else:
                assert recipe is not None
                checked = _of_run(recipe, overridden, trust, plugin)
                checked = checked or read_recipe(recipe, overridden, plugin or ())
                if _observes(checked, steps, plane):
                    from nca.cli.observed_run import observed_run

                    return observed_run(checked, out, wanted, data, steps, plane)
                checked.training()
                checked.check()
                for remark in checked.remarks:
                    say(f"note: {remark}")
                going = Run.start(checked, out, wanted, data, progress, group)
            ending.callback(going.close)
            if group.is_leader:
                write_copies(going.recipe.files, going.folder, progress)
        _introduce(going)
        try:
            stopped_by = _trained(going, picture)
        except Exception:
            going.discard_untrained()
            raise
        if stopped_by:
            say(f"stopped at iteration {going.iteration:,}; the checkpoint is saved.")
            say(f"continue with: nca run --resume {going.folder}")
            sys.exit(128 + stopped_by)
        say("evaluating on test data")
        with terminal_progress() as progress:
            rows = finish_run(going, data, progress)
        group.close()
        show_measurements([row.to_json() for row in rows])
        print_result(f"{going.folder / 'best.safetensors'}")
        carried = bool(going.recipe.files.plugins())
        say(f"next: nca render {going.folder}{plugin_flags(carried=carried)}")


def _of_run(
    source: str, overrides: tuple[str, ...], trust: bool, plugin: list[Path] | None
) -> "Recipe | None":
    """Return the recipe of a run's folder without weights, to be run again; None: it is none.

    Raises:
        NCAError: The run has weights.
    """
    from nca.checkpoint.read import has_weights, load_carried, read_checkpoint
    from nca.files import is_file, user_path
    from nca.training.run_folder import LAST, RECIPE

    folder = user_path(source)
    if not is_file(folder / LAST):
        return None
    if trust:
        load_carried(source, plugin or ())
    _, recipe, _ = read_checkpoint(source, overrides)
    if has_weights(recipe):
        raise NCAError(
            f"{source} is the folder of a run with weights, and no recipe.",
            where="RECIPE",
            to_do=f"go on with it, nca run --resume {source}; or begin anew with its recipe, "
            f"nca run {folder / RECIPE}",
        )
    return recipe


def _observes(recipe: "Recipe", steps: int | None, plane: bool) -> bool:
    """Return whether there is nothing to train in a recipe, so that it is only run."""
    from nca.checkpoint.read import has_weights

    if recipe.tables.train is None and not has_weights(recipe):
        return True
    if steps is not None or plane:
        given = "--plane" if plane else "--steps"
        raise typer.BadParameter("only a recipe without weights takes it", param_hint=given)
    return False


def _begin_with(source: str | None) -> tuple[str, ...]:
    """Return the override that lets a run begin with a checkpoint, wherever the recipe lies."""
    from nca.checkpoint.find import checkpoint_path, pretrained
    from nca.recipe.overrides import as_overrides

    if source is None:
        return ()
    path = checkpoint_path(source)
    named = pretrained().get(source) == path
    return as_overrides({"train.pretrained": source if named else path.absolute()})


def _introduce(run: "Run") -> None:
    from nca.device import hardware

    parameters = sum(weight.numel() for weight in run.modules.parameters())
    _share_of_memory(run)
    shared = f", {run.group.count} processes" if run.group.count > 1 else ""
    on = hardware(run.device)
    say(f"{run.recipe.name}: {parameters:,} parameters on {on}{shared}, {run.folder}")


def _share_of_memory(run: "Run") -> None:
    """Say how much memory the states of a run take, where it is a large share of all."""
    from nca.engine.capacity import capacity, in_bytes
    from nca.recipe.memory import state_bytes

    held = run.group.held_by(run.device)
    there, count = capacity(run.device), held * sum(state_bytes(run.recipe.tables).values())
    if there and count > LARGE_SHARE * there:
        words = f"batch and pool hold {in_bytes(count)} of states"
        say(f"memory: {words}, before any gradient; there are {in_bytes(there)} in all")


def _trained(run: "Run", picture: bool | None) -> int:
    """Train; return the number of the signal that stopped it before its end, or 0."""
    from nca.cli.live_picture import live_picture
    from nca.training.choices import choose_and_train
    from nca.training.tensorboard import TensorBoardLog

    with interruptible(alone=run.group.count == 1) as interruption:
        if not run.group.is_leader:
            choose_and_train(run, interruption)
        else:
            with (
                terminal_progress(keep=True) as terminal,
                closing(TensorBoardLog(run.folder, terminal, run.iteration)) as curves,
            ):
                show = live_picture(run, terminal, picture)
                choose_and_train(run, ProgressList(terminal, curves, interruption), show)
    finished = run.iteration >= run.table.iterations
    return 0 if finished else interruption.signal

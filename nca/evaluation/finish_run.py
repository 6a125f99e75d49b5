"""The end of a run: evaluate its best weights on test data, and draw states and curves."""

from pathlib import Path
from typing import Any

import torch

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.trained import Trained
from nca.device import hardware
from nca.engine.state import State
from nca.evaluation.evaluate import Measurement, divergence_note, evaluate
from nca.evaluation.shared import prepare_shared, sharded, whole_states
from nca.files import write_whole
from nca.jsonl import dumps
from nca.progress import SILENT, Progress
from nca.render.curve import save_curve
from nca.render.lineage import save_lineage
from nca.render.sheet import Sheet, levels_sheet, save_image, strip
from nca.render.votes import annotate, legend
from nca.tasks.batch import Batch
from nca.tasks.task import note_if_fewer
from nca.training.run import Run
from nca.types import Split

SAMPLES = 6
MOMENTS = 8


def finish_run(run: Run, data: Path | None, progress: Progress = SILENT) -> list[Measurement]:
    """Evaluate the best weights on test data, note the outcome in them, and draw the run.

    Args:
        run: A trained run; its best checkpoint is evaluated, or else its last weights.
        data: Folder of data sets, if the user named one.
        progress: Where it is reported how far fetching and evaluation are.

    Returns:
        What was measured on the test data.
    """
    trained = load_best(run)
    prepare_shared(trained, run.group, data, progress)
    rows = evaluate_trained(trained, "test", progress, shares=run.group.samples)
    if run.group.is_leader:
        _note_measured(run, trained, rows, progress)
    with whole_states(trained, run.group):
        drawn = draw_sheets(trained)  # by all processes, which share the steps
    if run.group.is_leader:
        for name, sheet in drawn.items():
            save_image(sheet.image(), run.folder / name)
        records, headline = list(run.log.records()), run.task.headline
        save_curve(records, headline, run.folder / "curve.png")
        if run.members:
            more = run.task.better == "more"
            save_lineage(records, headline, run.folder / "lineage.png", more=more)
    return rows


def _note_measured(run: Run, trained: Trained, rows: list[Measurement], progress: Progress) -> None:
    """Write what was measured, into the checkpoint as well."""
    if said := divergence_note(rows):
        progress.note(said)
    found = {"test": [row.to_json() for row in rows], "device": hardware(run.device)}
    metrics = {**trained.checkpoint.metrics, **found}
    Checkpoint(**{**trained.checkpoint.__dict__, "metrics": metrics}).write(trained.path)
    write_whole(run.folder / "evaluation.json", dumps(metrics, indent=2).encode())


def load_best(run: Run) -> Trained:
    """Return the best of a trained run, or its last weights where nothing was validated."""
    best = run.folder / "best.safetensors"
    if not best.is_file():
        run.save_best({})
    run.group.wait()  # for the leader to have written it
    return sharded(Trained.load(str(best), run.device), run.group)


def evaluate_trained(
    trained: Trained, split: Split, progress: Progress = SILENT, **options: Any
) -> list[Measurement]:
    """Evaluate a trained automaton as its recipe says."""
    recipe, table = trained.recipe, trained.recipe.tables.evaluate
    settings = {
        "steps": "settle" if table.steps == "settle" else recipe.evaluation_steps,
        "table": table,
        "samples": table.samples,
        "progress": progress,
        **options,
    }
    with recipe.autocast(trained.device):
        rows = evaluate(trained.automaton, trained.task, split=split, **settings)
    note_if_fewer(rows[0].samples, settings["samples"], split)
    return rows


@torch.no_grad()
def sample_trajectory(trained: Trained, samples: int, steps: int, every: int) -> list[State]:
    """Return the states of a few samples of the test split, from the first to the last."""
    batch = trained.task.first_evaluation_batch("test", samples)
    with trained.recipe.autocast(trained.device):
        return trained.automaton.trajectory(batch.state, steps, every)


def draw_sheets(trained: Trained) -> dict[str, Sheet]:
    """Draw `states.png`, samples through time, and `levels.png`, the levels side by side."""
    steps = trained.recipe.evaluation_steps[0]
    states = sample_trajectory(trained, SAMPLES, steps, -(-steps // (MOMENTS - 1)))
    states = [trained.automaton.finish(state) for state in states]
    with torch.no_grad():
        pictures = [trained.task.picture(state) for state in states]
        first = trained.task.first_evaluation_batch("test", SAMPLES)
        batches = [Batch(state, first.truth) for state in states]
        targets = trained.task.targets(first)
        words = [f"step {state.step}" for state in states]
        beside = ([], []) if targets is None else ([targets], ["target"])
        through_time = strip([*pictures, *beside[0]], [*words, *beside[1]])
        levels = levels_sheet(states, pictures)
        levels.legend = legend(trained.task, batches)
        annotate(through_time, trained.task, batches)
    return {"states.png": through_time, "levels.png": levels}

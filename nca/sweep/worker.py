"""One run of a sweep, from its beginning or from where it stopped to its outcome.

Runs side by side share the cores by design: the process of each has the threads of its slot, by
`OMP_NUM_THREADS` (`nca.sweep.processes`), and where that is set no other number is chosen.
"""

import json
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from nca.checkpoint.read import parse_recipe, write_copies
from nca.device import pick_device
from nca.errors import CheckpointError, DivergedError, NCAError
from nca.evaluation.finish_run import evaluate_trained, load_best
from nca.files import write_whole
from nca.jsonl import dumps
from nca.lock import folder_lock
from nca.progress import SILENT, Progress, ProgressList
from nca.recipe.errors import RecipeError
from nca.sweep.records import read_outcome
from nca.training.choices import choose_and_train
from nca.training.run import Run
from nca.training.tensorboard import TensorBoardLog

OUTCOME = "outcome.json"
STOPPED = 130
"""Exit code of a job's process that was asked to stop."""

ANOTHER = "wait for it, or choose another folder: nca sweep ... --out FOLDER"
PATIENCE = 60.0
"""Seconds to wait for a run that is just being saved by a sweep that was killed."""


@dataclass(frozen=True)
class Measure:
    """How the runs of a sweep are evaluated.

    Attributes:
        split: On which data.
        steps: At which steps; none: at those of the recipe.
        samples: On how many samples; 0: as the recipe says.
    """

    split: Literal["held_out", "test"] = "held_out"
    steps: tuple[int, ...] = ()
    samples: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"split": self.split, "steps": list(self.steps), "samples": self.samples}


@dataclass(frozen=True)
class Job:
    """One run of a sweep, with all that its process needs to know.

    Attributes:
        folder: The run's folder.
        text: The recipe, without overrides.
        name: The recipe's name.
        home: The recipe's folder, from which relative paths start.
        overrides: What makes it this run's recipe.
        measure: How it is evaluated.
        device: Where it runs.
        plugins: Files to execute first.
        data: Folder of data sets, if the user named one.
    """

    folder: str
    text: str
    name: str
    home: str
    overrides: tuple[str, ...]
    measure: Measure
    device: str
    plugins: tuple[str, ...] = ()
    data: str | None = None

    def written(self) -> str:
        """Return the job as one line of JSON."""
        return dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> "Job":
        """Return the job that `written` has written."""
        fields: dict[str, Any] = json.loads(line)
        fields |= {name: tuple(fields[name]) for name in ("overrides", "plugins")}
        measure = fields["measure"]
        fields["measure"] = Measure(**{**measure, "steps": tuple(measure["steps"])})
        return cls(**fields)


class Stopped(BaseException):
    """The job was asked to stop; not an error, and not to be caught as one."""


class _StopEvaluation(Progress):
    """Ends an evaluation between two batches if the sweep asks for it.

    Args:
        progress: Asked whether to stop.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def advance(self, done: int, part: str = "") -> None:
        """Raise `Stopped` where the job should stop."""
        if self.progress.stopped():
            raise Stopped


def run_job(job: Job, progress: Progress = SILENT) -> dict[str, Any]:
    """Train what is left to train, evaluate the best weights, and write the outcome.

    Args:
        job: The run.
        progress: Where it is reported; its `stopped` is asked between iterations and batches.

    Returns:
        The outcome, as it was written.

    Raises:
        Stopped: `progress` said so; what is needed to go on is saved.
        NCAError: What went wrong, other than with the training itself.
    """
    folder, data = Path(job.folder), Path(job.data) if job.data else None
    with folder_lock(folder, ANOTHER, patience=PATIENCE):
        run = _start_or_resume(job, data, progress)
        parameters = sum(weight.numel() for weight in run.modules.parameters())
        row = {"iteration": run.iteration, "of": run.table.iterations, "parameters": parameters}
        progress.record({"kind": "begun", **row})
        try:
            with closing(TensorBoardLog(folder, progress, run.iteration)) as curves:
                choose_and_train(run, ProgressList(progress, curves))
        except DivergedError as fault:  # it would again: everything random is counted
            return note(job, failed=f"{fault.what} ({fault.where})", final=True)
        if run.iteration < run.table.iterations:
            raise Stopped
        trained = load_best(run)
        trained.prepare(data, progress)
        observed = ProgressList(progress, _StopEvaluation(progress))
        options = {n: v for n, v in job.measure.to_json().items() if v and n != "split"}
        rows = evaluate_trained(trained, job.measure.split, observed, **options)
        return note(
            job,
            iteration=run.iteration,
            parameters=parameters,
            measured=[row.to_json() for row in rows],
        )


def note(job: Job, **facts: Any) -> dict[str, Any]:
    """Write the outcome of a job into its folder, and return it."""
    outcome = {"overrides": list(job.overrides), **job.measure.to_json(), **facts}
    text = dumps(outcome, indent=2)
    write_whole(Path(job.folder) / OUTCOME, text.encode())
    return json.loads(text)


def outcome_of(job: Job) -> dict[str, Any] | None:
    """Return the outcome that makes it needless to do a job, or None where it has to be done.

    A run that diverged would diverge again; what failed for another reason is tried again.
    """
    outcome = read_outcome(Path(job.folder) / OUTCOME)
    if outcome is None or outcome["overrides"] != list(job.overrides):
        return None
    if outcome.get("final"):
        return outcome
    same = all(outcome.get(name) == value for name, value in job.measure.to_json().items())
    return outcome if same and "measured" in outcome else None


def _start_or_resume(job: Job, data: Path | None, progress: Progress) -> Run:
    folder, home, device = Path(job.folder), Path(job.home), pick_device(job.device)
    given = [Path(file) for file in job.plugins]
    recipe = parse_recipe(job.text, job.name, home, job.overrides, plugins=given)
    if not (folder / "last.safetensors").is_file():
        run = Run.start(recipe, folder, device, data, progress)
        write_copies(recipe.files, folder, progress)
        return run
    run = Run.resume(folder, device, data, progress)
    if run.recipe.text != recipe.text:
        raise CheckpointError(
            "the folder holds a run of another recipe.",
            where=str(folder),
            to_do="move it away, or choose another folder: nca sweep ... --out FOLDER",
        )
    return run


def reason(fault: NCAError) -> str:
    """Return what went wrong, in one line."""
    if isinstance(fault, RecipeError):
        return "; ".join(map(str, fault.faults))
    return f"{fault.what} ({fault.where})".replace("\n", " ")

"""What is chosen before training goes on, said and recorded.

Precision, memory, threads and compiled steps: each decided by what is measured here.
"""

from dataclasses import asdict

from nca.progress import Progress
from nca.training.compile_trial import choose_compile
from nca.training.memory_planner import choose_memory
from nca.training.run import Run
from nca.training.threads import choose_threads


def make_choices(run: Run, progress: Progress) -> None:
    """Choose what the recipe of a run leaves open; each choice is noted, and kept in the log.

    Args:
        run: Where training stands.
        progress: Where the choices are noted.

    Raises:
        NCAError: The recipe asks for compiled steps, and torch cannot compile them here.
    """
    note_precision(run, progress)
    choose_memory(run, progress)
    choose_threads(run, progress)
    choose_compile(run, progress)


def note_precision(run: Run, progress: Progress) -> None:
    """Say in which precision products are computed, which was decided as the run was built."""
    choice = run.recipe.precision
    done = run.iteration >= run.table.iterations
    if choice is None or run.table.precision != "auto" or done:
        return
    progress.note(choice.sentence())
    run.log.write({"iteration": run.iteration, "kind": "precision", **asdict(choice)})

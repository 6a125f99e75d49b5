"""What is chosen before training goes on, said and recorded; and training with it.

Precision, memory, threads and compiled steps: each decided by what is measured here.
"""

from dataclasses import asdict

from nca.progress import Progress, ProgressList
from nca.training.compile_trial import choose_compile
from nca.training.loop import train
from nca.training.memory_planner import choose_memory
from nca.training.monitor import ShowStates
from nca.training.run import Run
from nca.training.threads import ThreadWatch, choose_threads


def choose_and_train(run: Run, progress: Progress, show: ShowStates | None = None) -> None:
    """Choose what the recipe leaves open, and train; choose threads anew if throughput changes.

    It leaves torch with the threads that it last took, for the evaluation that follows: what goes
    on after that, as a script does, is for `nca.training.threads.threads_restored`.

    Args:
        run: Where training stands; it is moved forward.
        progress: Where choices and training are reported; see `nca.training.loop.train`.
        show: Takes the last states now and then, for a picture.

    Raises:
        NCAError: The recipe asks for compiled steps, and torch cannot compile them here; what
            `nca.training.loop.train` raises.
    """
    watch = ThreadWatch(run, progress)  # before fewer are chosen, for it counts how many there are
    make_choices(run, progress)
    train(run, ProgressList(progress, watch), show)


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

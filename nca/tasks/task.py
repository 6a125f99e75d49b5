"""The contract of tasks: what an automaton is for.

A task makes batches and first states, judges what became of them, and says how to show it. It
is a module, because a read-out may have weights of its own; they are trained and saved with the
automaton's.
"""

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from nca.engine.layout import Layout, Level
from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.engine.wide import on_host
from nca.errors import DataError, NCAWarning, ShapeError
from nca.progress import SILENT, Progress
from nca.recipe.recipe_files import RecipeFiles
from nca.registry.registry import registry
from nca.tasks.batch import Batch
from nca.tasks.contract import attribute_fault, judged, signature_fault
from nca.tasks.display import Display
from nca.tasks.metrics import Share
from nca.tasks.prediction import Prediction
from nca.types import Size, Split
from nca.validation.faults import Fault, OptionError, toml_value


@dataclass(frozen=True)
class TaskContext:
    """What a task needs to know of the run that it belongs to.

    Attributes:
        layout: All levels, bottom level first.
        size: Cells along each axis of the grid.
        folder: The recipe's folder, from which relative paths start.
        random_seed: The run's number.
        files: The files that the recipe names; what is read through them is kept with the run.
    """

    layout: Layout
    size: Size
    folder: Path
    random_seed: int = 0
    files: RecipeFiles = field(default=None, compare=False)  # pyright: ignore

    def __post_init__(self) -> None:
        """Read from the folder, unless files are given."""
        if self.files is None:
            object.__setattr__(self, "files", RecipeFiles(self.folder))

    def grid_level(self, name: str, key: str) -> Level:
        """Return a level whose cells are those of the grid, of scale 1.

        Args:
            name: Of the level.
            key: The task's option that names it.

        Raises:
            ShapeError: There is no such level.
            OptionError: It is a coarser one.
        """
        level = self.layout[name]
        if level.scale > 1:
            words = f"is {toml_value(name)}, a level of scale {level.scale}"
            to_do = "the task needs a level whose cells are those of the grid, of scale 1"
            raise OptionError([Fault((key,), words, to_do)], f"TaskContext of {self.layout}")
        return level


@dataclass(frozen=True)
class ClassShare:
    """What the cells say about one class.

    Attributes:
        name: The class.
        colour: As the task's picture shows it: red, green and blue from 0 to 1.
        share: Of the cells that vote, `(B,)`, from 0 to 1.
    """

    name: str
    colour: tuple[float, float, float]
    share: Tensor


class Task(nn.Module, ABC):
    """Make batches, judge states, show them.

    The keyword-only arguments of the constructor are the keys of the `[task]` table in a recipe,
    as they are for update rules. The first, positional argument is the `TaskContext`.

    Attributes:
        headline: The metric by which the best checkpoint is chosen.
        better: Whether more or less of it is better.
        roles: What a person's picture may become, see `write`: words such as `input`, `start`
            or `target`, the most natural one first.
        any_size: Whether a picture to predict becomes a grid of its own size; otherwise it is
            fitted to the `canvas`.
        pattern_option: The option that names the pattern to begin with, a file or a registered
            one, as it may stand after the recipe on the command line; empty: there is none.
        derived_buffers: From which options each buffer follows that is stored in checkpoints;
            `size` is that of the grid. Where one of them is overridden, the buffer of the
            checkpoint is not loaded, and `prepare` makes it anew.
    """

    headline: str
    better: ClassVar[Literal["more", "less"]]
    roles: tuple[str, ...] = ()
    any_size: ClassVar[bool] = False
    pattern_option: ClassVar[str] = ""
    derived_buffers: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Let the answers of its methods be judged where they are given."""
        super().__init_subclass__(**options)
        judged(cls)

    def __init__(self, setting: TaskContext) -> None:
        super().__init__()
        self.context = setting

    def prepare(
        self, device: torch.device, data: Path | None = None, progress: Progress = SILENT
    ) -> None:
        """Load what the task needs, once, before any batch is asked for.

        Args:
            device: Where batches shall be made.
            data: Folder of data sets, if the user named one.
            progress: Where it is reported how far that is.
        """

    def hold_data(self, hold: Callable[[Tensor], Tensor]) -> None:
        """Replace each large tensor of `prepare` that is only read by what a function makes of it.

        Of several processes of a machine all do so, so that their data lie in its memory once.

        Args:
            hold: Returns the same numbers.
        """

    def check(self) -> None:
        """Refuse what of a recipe cannot be had here, short of fetching data: a missing picture.

        It is asked for before a run's folder is made, and never by a checkpoint, which has all.

        Raises:
            NCAError: What is missing or unfit.
        """

    @abstractmethod
    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return a training batch: one fresh state, with its truth, for each sample number.

        Args:
            draw: The randomness of this iteration. What is made on the host asks it for the
                numbers (`draw.host_samples(samples)`), and is sent by `nca.to_device`: so that
                nothing waits for a GPU.
            samples: `(B,)`, int64, on the device of the run.
        """

    @abstractmethod
    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the loss, each `(B,)`; their sum is made small.

        A sample is judged by itself, and by what `batch.draw` gives to all alike: a batch may be
        walked in parts, or by several processes.

        Args:
            states: The last state of a rollout, or the last few.
            batch: What the rollout started from, with its truth.
        """

    @abstractmethod
    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return the metrics of a state."""

    def truth_ranges(self) -> dict[str, tuple[int, int]]:
        """Return the least and the greatest value of each truth that is an index, by its name.

        The pool of a checkpoint is refused where such a truth lies outside.
        """
        return {}

    def evaluation_count(self, split: Split) -> int | None:
        """Return how many samples a split has, if `evaluation_batch` makes any of them; else None.

        Args:
            split: Held-out training data to choose by, or test data to report on.
        """
        return None

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return first states to evaluate on: some samples of a split, each the same in any batch.

        Args:
            split: As of `evaluation_count`.
            index: Which of them, `(B,)`, int64, on the host, each below `evaluation_count`.
        """
        raise self.no_samples(split)

    def evaluation_batches(self, split: Split, batch: int) -> Iterator[Batch]:
        """Yield first states to evaluate on, batch by batch.

        A task defines it, or else `evaluation_count` and `evaluation_batch`: then each of several
        processes makes its own share of a batch alone.

        Args:
            split: Held-out training data to choose by, or test data to report on.
            batch: At most so many samples at once.
        """
        count = self.evaluation_count(split) or 0
        for start in range(0, count, batch):
            index = torch.arange(start, min(start + batch, count), device="cpu")
            yield self.evaluation_batch(split, index)

    def first_evaluation_batch(self, split: Split, batch: int) -> Batch:
        """Return the first samples of a split.

        Args:
            split: As of `evaluation_batches`.
            batch: At most so many.

        Raises:
            DataError: The split has no samples.
        """
        found: list[Batch] = []
        left = batch
        for each in self.evaluation_batches(split, batch):
            if each.state.batch:
                found.append(each.select(slice(0, left)) if each.state.batch > left else each)
                left -= found[-1].state.batch
            if not left:
                break
        if not found:
            raise self.no_samples(split)
        return found[0] if len(found) == 1 else Batch.cat(found)

    def no_samples(self, split: Split) -> DataError:
        """Return the refusal of a split without samples."""
        return DataError(
            f"the {split} split has no samples to start from.",
            where=f"the data of {type(self).__name__}",
            to_do="give data whose split holds at least one sample",
        )

    def segments(self, batch: Batch) -> dict[str, Tensor]:
        """Return true segmentations of a batch, by name: none, unless the task knows some.

        Args:
            batch: First states with their truth, as `evaluation_batches` yields them.

        Returns:
            For each kind of segment an int64 tensor `(B, *space)`: the number of the segment that
            the cell belongs to, from 1, different for each segment of a sample; 0: background.
        """
        return {}

    def guesses(self, batch: Batch) -> dict[str, Tensor]:
        """Return what simple means find without any automaton, by name: nothing by default.

        Segments that cells find have to be better than these.

        Args:
            batch: First states with their truth, as `evaluation_batches` yields them.

        Returns:
            For each of these means an int64 tensor `(B, *space)`, as of `segments`.
        """
        return {}

    def categories(self, batch: Batch) -> dict[str, Tensor]:
        """Return what the cells of a batch are, by name: nothing, unless the task knows some.

        Unlike the number of a segment, a category means the same in all samples.

        Args:
            batch: First states with their truth, as `evaluation_batches` yields them.

        Returns:
            For each kind an int64 tensor `(B, *space)`: from 1; 0: the cell does not count.
        """
        return {}

    def display(self) -> Display:
        """Return how a page in a browser shall show the automaton, and where all begins.

        A task need not say it: then all begins with nothing, and the levels are shown.
        """
        return Display(self.context.layout.zeros(1, self.context.size))

    @abstractmethod
    def picture(self, state: State) -> Tensor:
        """Return what a person wants to see: `(B, 3, height, width)`, from 0 to 1."""

    def targets(self, batch: Batch) -> Tensor | None:
        """Return what the samples of a batch shall come to look like, for a person to compare.

        Args:
            batch: First states with their truth, as `evaluation_batches` yields them.

        Returns:
            `(B, 3, height, width)`, from 0 to 1, of the size that `picture` has; or None.
        """
        return None

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Return what else there is to see, by name, each like `picture`: the targets, if any."""
        targets = self.targets(batch)
        return {} if targets is None else {"target": targets}

    def votes(self, batch: Batch) -> list[ClassShare]:
        """Return what the cells say about each class; nothing unless they vote."""
        return []

    def true_classes(self, batch: Batch) -> Tensor | None:
        """Return which of the classes of `votes` each sample is, `(B,)` int64; -1: not known.

        None where a sample is not of one class, so that its vote is neither right nor wrong.
        """
        return None

    @property
    def canvas(self) -> Size:
        """Height and width, in pixels, of the pictures that `write` takes."""
        return self.context.size[-2:]

    def apply_picture(self, batch: Batch, picture: Tensor, role: str) -> Batch:
        """Lay a person's picture over a batch, whatever steps its states have taken.

        Args:
            batch: States with their truth; they are left untouched.
            picture: `(4, *canvas)`: red, green, blue and how much each pixel covers, from 0 to 1,
                colours not multiplied by it.
            role: One of `roles`.

        Raises:
            ShapeError: The task takes no pictures.
        """
        raise ShapeError(
            f"a picture cannot become {role!r} here.",
            where=f"{type(self).__name__} takes pictures as: {', '.join(self.roles) or 'nothing'}",
            to_do="paint on a level instead",
        )

    def read_pattern(self, text: str) -> Tensor:
        """Return the pattern that a text describes, `(C, *cells)`.

        It is laid on the level that `display` shows, or on the top one.

        The text is a person's, and need not be a pattern: it is pasted, or a file of any origin.

        Args:
            text: As of a file; `write_pattern` gives such a one.

        Raises:
            ShapeError: The task takes no patterns.
            NCAError: The text is none, or one of more cells than the grid has.
        """
        raise self._no_patterns()

    def write_pattern(self, state: State) -> str:
        """Return what the cells of that level hold as the text of a pattern file.

        Args:
            state: Of one sample.

        Raises:
            ShapeError: The task gives no patterns.
        """
        raise self._no_patterns()

    def _no_patterns(self) -> ShapeError:
        return ShapeError(
            "nothing here takes or gives patterns.",
            where=f"{type(self).__name__} reads and writes none",
            to_do="paint on a level, or play a recipe whose task has patterns",
        )

    @property
    def has_patterns(self) -> bool:
        """Whether it reads and writes patterns."""
        return type(self).read_pattern is not Task.read_pattern

    def input_batch(self, pictures: Tensor) -> Batch:
        """Return first states that see a person's pictures; no truth is known of them.

        Args:
            pictures: `(B, 4, height, width)` as of `apply_picture`; of the size of the `canvas`,
                or, where `any_size` is true, of any.

        Raises:
            ShapeError: The task takes no pictures as input.
        """
        first = self.display().first.to(pictures.device)
        return Batch.cat([self.apply_picture(Batch(first), one, "input") for one in pictures])

    def predict(self, states: Sequence[State], batch: Batch) -> list[Prediction]:
        """Return what is said of each sample: the class that most cells vote for, by default.

        Args:
            states: The last state of each of several rollouts, which differ in their randomness.
            batch: What they started from, with its truth, if any is known.

        Raises:
            ShapeError: The task has no votes, and says nothing else.
        """
        return predict_by_votes(self, states, batch)

    def add_seed(self, batch: Batch, cell: Size) -> Batch:
        """Put a seed into one cell: 1 in every channel of every level but the input.

        Args:
            batch: States with their truth; they are left untouched.
            cell: Where in the grid, in the order of the axes; of a coarser level the cell that
                covers it.
        """
        levels = {}
        for name, level in self.context.layout.items():
            if not level.input:
                levels[name] = batch.state[name].clone()
                place = (along // level.scale for along in cell)
                levels[name][(slice(None), slice(None), *place)] = 1
        return Batch(batch.state.replace(levels), batch.truth)

    def resize(self, size: Size) -> None:
        """Work on another grid from now on; what is to be prepared is prepared afterwards.

        Args:
            size: Cells along each axis.
        """
        self.context = replace(self.context, size=size)


def predict_by_votes(task: Task, states: Sequence[State], batch: Batch) -> list[Prediction]:
    """Return the class that most cells of each sample vote for; see `Task.predict`.

    Votes are means over the rollouts. A class that is silent in the task's display is none that
    is chosen, and confidence is the share among the cells that choose another.
    """
    ballots = [task.votes(Batch(state, batch.truth)) for state in states]
    names = [each.name for each in ballots[0]]
    if not names:
        raise ShapeError(
            "nothing can be predicted: the cells vote for no class.",
            where=f"{type(task).__name__} neither votes nor predicts",
            to_do="choose a checkpoint of a task that tells classes or masks",
        )
    every = [torch.stack([on_host(one.share) for one in each]) for each in ballots]
    shares = torch.stack(every)  # (rollout, class, sample)
    mean = shares.mean(dim=0)
    if (silent := getattr(task.display().look, "silent", None)) is not None:
        shares[:, silent] = 0
    among = shares / shares.sum(dim=1, keepdim=True).clamp(min=1e-12)
    chosen, true = among.mean(dim=0).argmax(dim=0), task.true_classes(batch)
    found = []
    for sample, number in enumerate(chosen.tolist()):
        confidence = among[:, number, sample].mean().item()
        spread = among[:, number, sample].std(correction=0).item()
        votes = dict(zip(names, mean[:, sample].tolist(), strict=True))
        values = {"class": names[number], "confidence": confidence, "spread": spread}
        known = None if true is None or true[sample] < 0 else int(true[sample])
        if known is not None:
            values["true class"] = names[known]
        error = None if known is None else float(known != number)
        found.append(
            Prediction({**values, "votes": votes}, uncertainty=1 - confidence, error=error)
        )
    return found


def note_if_fewer(given: int, asked: int, split: Split) -> None:
    """Warn where a split has fewer samples than were asked for.

    Args:
        given: How many there are.
        asked: How many were asked for; 0: all.
        split: Where they come from.
    """
    if given < asked:
        text = f"the {split.replace('_', '-')} data hold {given} samples, fewer than {asked}"
        warnings.warn(f"{text}: {given} are taken", NCAWarning, stacklevel=2)


EVALUATED = ("evaluation_batches", "evaluation_batch")
"""What a task begins its evaluation with: one of these."""


def _contract(thing: object) -> str | None:
    if not (isinstance(thing, type) and issubclass(thing, Task)):
        return "it is not a subclass of Task"
    missing = sorted(getattr(thing, "__abstractmethods__", ()))
    own = [getattr(thing, name) is not getattr(Task, name) for name in EVALUATED]
    if not any(own):
        missing = sorted([*missing, EVALUATED[0]])
    if missing:
        return f"it does not define {', '.join(missing)}"
    absent = [name for name in ("headline", "better") if not hasattr(thing, name)]
    if absent:
        return f"it does not say its {' and '.join(absent)}"
    option = thing.pattern_option
    if option and option not in inspect.signature(thing).parameters:
        return f"its pattern_option is {option!r}, which is no option of it"
    return attribute_fault(thing) or signature_fault(thing, Task) or None


registry.demand("task", _contract)

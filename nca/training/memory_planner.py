"""Memory planner: predicts what each memory mode needs, and takes the fastest that fits.

Nothing is derived from the rules, which may be anybody's. A few steps of the run's own next batch
are run in each mode and measured; from there on every further step adds what it keeps. Where
steps are sparse and rules change which cells live, life may spread: then everything is measured
as if all cells were alive, and in dense steps. What a tile holds in any case, less than a megabyte,
may come on top of that where a batch has no more than some 4,000 cells.
"""

import copy
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nca.device import seconds
from nca.engine.activation_memory import ActivationMemory
from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.progress import SILENT, Progress
from nca.recipe.tables import EvolveByStrategies
from nca.tasks.batch import Batch
from nca.training import probe
from nca.training.forward_backward import forward_backward, training_step
from nca.training.gradient_descent import next_batch
from nca.training.run import Run

MARGIN = 0.1
"""Share of what is free now that is left to others, and to what allocators add."""

REPEATS = 3
"""How often a few steps are timed; the fastest counts."""

LONG = 5.0
"""Seconds after which they are timed no further time: so long a call varies little."""


MEANING = {"store": "everything is kept", "recompute": "states are kept"}


@dataclass(frozen=True)
class MemoryNeed:
    """What an iteration needs in one mode.

    Attributes:
        memory: The mode, with the steps of its segments.
        peak: Bytes that the most steps of the recipe take beyond what is held between iterations.
        seconds: Time that the mean number of steps takes; None where it was not asked for.
    """

    memory: ActivationMemory
    peak: int
    seconds: float | None = None


@dataclass(frozen=True)
class MemoryChoice:
    """What `auto` takes: the fastest mode that fits, or the smallest where none does.

    Attributes:
        need: The mode and what it needs.
        room: Bytes that an iteration may take; None where that is unknown.
    """

    need: MemoryNeed
    room: int | None

    @property
    def fits(self) -> bool:
        """Whether it fits."""
        return self.room is None or self.need.peak <= self.room

    def sentence(self) -> str:
        """Return the choice as a sentence."""
        mode, every = self.need.memory.mode, self.need.memory.every
        words = f"a state every {every} steps" if every else MEANING[mode]
        room = "of an unknown size" if self.room is None else f"of {self.room / 1e6:,.0f} MB"
        short = "" if self.fits else ", and will not fit: less batch, grid or channels would help"
        return f"memory: {mode} ({words}) takes {self.need.peak / 1e6:,.0f} MB {room}{short}"


def fastest_that_fits(needs: Iterable[MemoryNeed], room: int | None) -> MemoryChoice:
    """Return what `auto` takes.

    Args:
        needs: What each mode needs, the fastest first; none after the first that fits is asked for.
        room: Bytes that an iteration may take; None: as many as it likes.
    """
    choice = None
    for need in needs:
        choice = MemoryChoice(need, room)
        if choice.fits:
            break
    assert choice is not None
    return choice


def choose_memory(run: Run, progress: Progress) -> None:
    """Give a run whose recipe says `auto` the fastest memory that fits, and say so.

    It changes no number of the run. Several processes take the same: what fits where the least is
    free and the most is needed.

    Args:
        run: Where training stands.
        progress: Where the choice is noted.
    """
    if run.table.memory.mode != "auto" or run.iteration >= run.table.iterations:
        return
    if isinstance(run.recipe.tables.evolve, EvolveByStrategies):  # no gradient is followed
        return
    if run.device.type not in ("cpu", "cuda"):
        run.automaton.memory = ActivationMemory("store")
        progress.note(f"memory: store ({MEANING['store']}), for {run.device.type} counts no bytes")
        return
    group, room = run.group, probe.free(run.device)
    if room is not None:
        room = -group.max(-round((1 - MARGIN) * room / group.sharing(run.device)))
    with closing(IterationProbe(run, progress).needs()) as needs:
        agreed = (replace(need, peak=group.max(need.peak)) for need in needs)
        choice = fastest_that_fits(agreed, room)
    for each in (run, *run.members):
        each.automaton.memory = choice.need.memory
    progress.note(choice.sentence())
    row = {"mode": choice.need.memory.mode, "every": choice.need.memory.every}
    row |= {"predicted bytes": choice.need.peak, "free bytes": choice.room}
    run.log.write({"iteration": run.iteration, "kind": "memory", **row})


class IterationProbe:
    """Trial iterations of a run, which change nothing in it, to measure memory and time.

    Where there are members, one is tried: they take turns, so that what an iteration keeps is that
    of one, while it takes the time and the moments of all.

    Args:
        run: It is left as it was; gradients are dropped.
        progress: Where it is reported what is measured, trial by trial.
    """

    def __init__(self, run: Run, progress: Progress = SILENT) -> None:
        self.run, self.step, self.progress = run, training_step(run), progress
        self.least, self.most = run.recipe.tables.rollout.steps
        self.last_states = min(run.table.last_states, self.most)
        self.state = self.whole = self.always = 0
        self.learners = len(run.members) or 1

    @property
    def spreads(self) -> bool:
        """Whether rules change which cells live: then a grid full of life is measured."""
        alive = self.run.automaton.alive
        return alive is not None and alive.level in self.run.automaton.writable_levels

    @property
    def modes(self) -> list[ActivationMemory]:
        """The modes, the fastest first; segments as the recipe has them, or the smallest."""
        asked = self.run.table.memory
        segments = asked if asked.mode == "segments" else ActivationMemory("segments")
        stride = segments.stride(self.most - self.last_states + 1)
        return [
            ActivationMemory("store"),
            ActivationMemory("recompute"),
            replace(segments, every=stride),
        ]

    def needs(self, *, timed: bool = False) -> Generator[MemoryNeed]:
        """Yield what each mode needs, one by one; what is not asked for is not measured.

        More is held in any case: the last state of the iteration before, for the log, and what
        the optimiser keeps from its first update on.
        """
        with self._ready():
            speed = self._speed() if timed else {}
            for memory in self.modes:
                peak = self._stored() if memory.mode == "store" else self._kept(memory)
                yield MemoryNeed(memory, peak + self.always, speed.get(memory.mode))

    def measure(self, memory: ActivationMemory) -> MemoryNeed:
        """Return what an iteration really takes."""
        with self._ready():
            peak, seconds = self._peak(memory, self.most), self._time(memory, self._mean, 1)
            return MemoryNeed(memory, peak + self.always, seconds)

    def seconds(self) -> float:
        """Return what an iteration of the mean number of steps takes, in the memory of the run."""
        with self._ready():
            return self._time(self.run.automaton.memory, self._mean, 2)

    def iterate(self, memory: ActivationMemory, steps: int) -> None:
        """Run forward and backward once, and drop the gradients."""
        run = self.run
        self.progress.begin(f"measuring {memory.mode}: {steps} steps")
        run.automaton.memory = memory
        index, batch = next_batch(run, HostRNG(run.recipe.tables.random_seed, run.iteration))
        pool, begun = run.pool, list[Callable[[], None]]()

        def keep(state: State) -> None:
            if pool is not None and index is not None:
                begun.append(pool.begin_put(index, Batch(state, batch.truth)))

        forward_backward(self.step, run, batch, steps, keep)
        if pool is not None and index is not None:
            before = pool.take(index)
            begun.pop()()
            pool.put(index, before)
        run.modules.zero_grad()

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Put the run into training mode and back as it was, after one iteration to warm up."""
        run, automaton = self.run, self.run.automaton
        before = automaton.memory, automaton.sparse, automaton.tiled, run.modules.training
        if self.spreads:  # no other step keeps as much
            automaton.sparse = automaton.tiled = False
        run.modules.train()
        try:
            self.iterate(ActivationMemory("store"), min(self.last_states + 1, self.most))
            self.state, self.whole = self._state_sizes()
            self.always = self.whole + self._moments()
            yield
        finally:
            automaton.memory, automaton.sparse, automaton.tiled, training = before
            run.modules.train(training)

    def _state_sizes(self) -> tuple[int, int]:
        """Return the bytes that one more state of a step takes, and one with all it remembers."""
        run = self.run
        _, batch = next_batch(run, HostRNG(run.recipe.tables.random_seed, run.iteration))
        with torch.no_grad(), run.recipe.autocast(run.device):
            before = run.automaton.rollout(batch.state, 1)
            after = run.automaton.rollout(before, 1)
        same = _storages(before.levels.values()).keys() & _storages(after.levels.values()).keys()
        remembered = [tensor for old in after.remembered for tensor in old.values()]
        return tuple(
            sum(count for key, count in _storages(tensors).items() if key not in same)
            for tensors in (after.levels.values(), [*after.levels.values(), *remembered])
        )  # pyright: ignore[reportReturnType]

    def _moments(self) -> int:
        """Return the bytes that the optimiser's first update adds, if that is yet to come."""
        if self.run.optimiser.state:
            return 0
        optimiser = copy.deepcopy(self.run.optimiser)
        for weight in optimiser.param_groups[0]["params"]:
            weight.grad = torch.zeros_like(weight)
        optimiser.step()
        kept = (moment for state in optimiser.state.values() for moment in state.values())
        return self.learners * sum(_storages(kept).values())

    def _stored(self) -> int:
        """Return the peak where everything is kept: that of few, and what a step adds to it."""
        short, long = (min(self.last_states + more, self.most) for more in (1, 4))
        few, many = (self._peak(ActivationMemory("store"), steps) for steps in (short, long))
        return round(many + (self.most - long) * (many - few) / max(long - short, 1))

    def _kept(self, memory: ActivationMemory) -> int:
        """Return the peak where states are kept: that of few, and so many states more.

        The backward pass through the end of a rollout runs while the states before all segments
        are kept, and so does, later, that of each segment; gradients add up over its first steps.
        So the end is measured without segments, and what is further back with two of them.
        """
        first = self.most - self.last_states + 1
        stride = memory.stride(first)
        steps = min(self.last_states + 3, self.most)
        end = self._peak(ActivationMemory("recompute"), steps)
        parts = self.run.table.parts * math.prod(self.run.group.shard or ())
        state, whole = (math.ceil(size / parts) for size in (self.state, self.whole))
        if stride == 1 or stride == first:
            return end + (self.most - steps) * state
        before = -(-first // stride) - 1  # segments before the last
        last = first - before * stride
        rest = max(1, 3 - self.last_states)
        short = min(rest + self.last_states, stride)
        trial = short + min(rest, short, first - short) + self.last_states - 1
        segments = ActivationMemory("segments", short)
        back = self._peak(segments, trial)
        if (
            before > 1 and trial + short <= self.most
        ):  # a segment that is one operation keeps copies
            whole = max(whole, self._peak(segments, trial + short) - back)
        end += (last + self.last_states - steps) * state + (before - 1) * whole
        return max(end, back + (stride - short) * state + (before - 1) * whole)

    def _speed(self) -> dict[str, float]:
        """Return the seconds of each mode; segments run forward once more than states."""
        short, long = (min(self.last_states + more, self.most) for more in (1, 5))
        seconds, each = {}, {}
        for mode in ("store", "recompute"):
            few, many = (
                self._time(ActivationMemory(mode), steps, REPEATS) for steps in (short, long)
            )
            each[mode] = max(many - few, 0.0) / max(long - short, 1)
            seconds[mode] = many + each[mode] * (self._mean - long)
        first = self._mean - self.last_states + 1
        stride = self.modes[-1].stride(first)
        again = (first - 1) // stride * (stride - 1)  # the last step of each is not needed
        seconds["segments"] = seconds["recompute"] + again * (each["recompute"] - each["store"])
        return seconds

    @property
    def _mean(self) -> int:
        return (self.least + self.most) // 2

    def _peak(self, memory: ActivationMemory, steps: int) -> int:
        return probe.peak(lambda: self.iterate(memory, steps), self.run.device)

    def _time(self, memory: ActivationMemory, steps: int, repeats: int) -> float:
        taken: list[float] = []
        while len(taken) < repeats and not self.run.group.any(sum(taken) >= LONG):
            taken.append(seconds(lambda: self.iterate(memory, steps), self.run.device))
        return self.learners * min(taken)


def _storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Return the bytes of all memory that tensors lie in, by its address."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}

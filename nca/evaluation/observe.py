"""What an automaton without weights does: how many cells live, and whether states come back."""

import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nca.analysis import Cycle, Motion, OrbitWatch, PlaneOrbitWatch, population
from nca.checkpoint.trained import Trained
from nca.engine.automaton import Automaton
from nca.engine.plane import states_on_plane
from nca.engine.resample import on_grid
from nca.engine.rollouts import divergence
from nca.engine.state import State
from nca.engine.view import RANDOM, asked_beside_cells
from nca.engine.wide import wide
from nca.progress import SILENT, Progress
from nca.render.plane import PlaneStates
from nca.types import Size

MOMENTS = 8
"""So many states are kept to be drawn side by side."""
LIVE = 0.1
"""Cells that hold numbers are counted where one is farther from 0 than this; states all are."""
CENTRED = 0.1
"""A pattern has a centre from this share on: 1 is in one row, 0 all around the torus."""
FRAMES = 240
"""A film has so many, at most."""
MOST_BYTES = 1 << 27
"""Of states that are kept for a film of a plane; what grows beyond has fewer frames."""


@dataclass
class Observation:
    """What was seen of one sample, step by step.

    Attributes:
        steps: The steps that were looked at, from the first state's on.
        population: How many cells of the bottom level that changes hold a number beyond `LIVE`, at
            each.
        mass: The sum of all numbers of that level, at each.
        chance: Why it was not looked whether states come back, or nothing: `cells fire by chance`.
        cycle: States that come back in their place, if any were seen to.
        motion: States that come back in another place, if any were.
        velocity: How far the centre moves in a step, along each axis, over the second half; None
            where it is not defined.
        size: Cells along each axis at the end.
        origin: The place of the first of them on the grid of the beginning.
        diverged: A sentence on numbers that are not finite, or nothing.
        moments: States to be drawn side by side.
        frames: States to be shown one after the other.
        plane: The same on a plane, where there is one.
    """

    steps: list[int] = field(default_factory=list)
    population: list[int] = field(default_factory=list)
    mass: list[float] = field(default_factory=list)
    chance: str = ""
    cycle: Cycle | None = None
    motion: Motion | None = None
    velocity: tuple[float, ...] | None = None
    size: Size = ()
    origin: Size = ()
    diverged: str = ""
    moments: list[State] = field(default_factory=list, repr=False)
    frames: list[State] = field(default_factory=list, repr=False)
    plane: PlaneStates | None = field(default=None, repr=False)

    def sentences(self) -> Iterator[str]:
        """Yield what was found, a sentence each."""
        last = self.steps[-1]
        first, final = self.population[0], self.population[-1]
        most = max(self.population)
        when = self.steps[self.population.index(most)]
        beyond = f" beyond {LIVE}" if self._is_continuous else ""
        yield (
            f"{final:,} cells{beyond} at step {last:,}, {first:,} at step {self.steps[0]:,}, "
            f"at most {most:,} (step {when:,})"
        )
        if not final:
            alive = [number for number, count in enumerate(self.population) if count]
            gone = self.steps[alive[-1] + 1 if alive else 0]
            none = f"no cell is beyond {LIVE}" if self.mass[-1] else "all cells are 0"
            yield f"{none} from step {gone:,} on"
        elif self.cycle and self.cycle.period == 1:
            yield f"nothing changes from step {self.cycle.first:,} on"
        elif self.cycle:
            yield f"it repeats from step {self.cycle.first:,} on, with period {self.cycle.period:,}"
        if self.motion and any(self.motion.displacement):
            where = ", ".join(f"{by:+d}" for by in self.motion.displacement)
            yield (
                f"from step {self.motion.first:,} on it is the same in another place after "
                f"{self.motion.period} steps: moved by ({where}) cells"
            )
        elif not self.cycle and self.velocity and self._is_continuous:
            speed = math.hypot(*self.velocity)
            yield f"its centre moves {speed:.4f} cells a step, its mass is {self.mass[-1]:,.4f}"
        if self.chance and final:
            yield f"whether it repeats was not looked for: {self.chance}"
        if any(self.origin):
            sides = " x ".join(map(str, self.size))
            yield f"the plane has grown to {sides} cells, from {self.origin} on"
        if self.diverged:
            yield self.diverged

    @property
    def _is_continuous(self) -> bool:
        return any(mass != round(mass) for mass in self.mass)

    def to_json(self) -> dict[str, Any]:
        """Return all of it but the states."""
        cycle, motion = self.cycle, self.motion
        return {
            "steps": self.steps,
            "population": self.population,
            "mass": self.mass,
            "cycle": cycle and {"first": cycle.first, "period": cycle.period},
            "motion": motion
            and {
                "first": motion.first,
                "period": motion.period,
                "displacement": list(motion.displacement),
            },
            "velocity": self.velocity and list(self.velocity),
            "size": list(self.size),
            "origin": list(self.origin),
            "chance": self.chance or None,
            "diverged": self.diverged or None,
        }


@torch.no_grad()
def observe(
    trained: Trained, steps: int, progress: Progress = SILENT, *, plane: bool = False
) -> Observation:
    """Let steps pass from the task's first state, and look at each.

    Args:
        trained: The automaton, its task prepared.
        steps: How many; fewer if the progress asks to stop.
        progress: Where it is reported how far it is.
        plane: Whether the grid grows before a pattern reaches its edge.

    Raises:
        ShapeError: A plane was asked for, and cells of 0 do not stay 0 on it.
    """
    state = trained.task.first_evaluation_batch("test", 1).state
    progress.begin("steps", steps, unit="steps")
    with asked_beside_cells() as asked:
        if plane:
            found = _on_a_plane(trained, state, steps, progress)
        else:
            found = _on_its_grid(trained, state, steps, progress)
    found.chance = _by_chance(trained.automaton, asked)
    if found.chance:
        found.cycle = found.motion = None
    return found


def _on_its_grid(trained: Trained, state: State, steps: int, progress: Progress) -> Observation:
    watcher = _Watcher(trained, state, steps)
    watcher.look(state)
    for done in range(1, steps + 1):
        if progress.stopped():
            break
        state = trained.automaton.step(state)
        watcher.look(state)
        progress.advance(done)
        if watcher.found.diverged:
            break
    return watcher.finished(state)


def _on_a_plane(trained: Trained, state: State, steps: int, progress: Progress) -> Observation:
    found = Observation(origin=(0,) * state.axes)
    automaton, begun = trained.automaton, state.step
    name = automaton.writable_levels[0]
    orbits = None if _by_chance(automaton, ()) else PlaneOrbitWatch()
    last, every = state, -(-steps // FRAMES) or 1
    film = found.plane = PlaneStates()
    shown = itertools.chain([(state, found.origin)], states_on_plane(automaton, state, steps, 1))
    for last, found.origin in shown:
        _note(found, last, name)
        found.diverged = divergence([last], [*automaton.writable_levels])
        if orbits:
            orbits.show(last.step, _changing(automaton, last), found.origin)
        if (last.step - begun) % every == 0:
            film.keep(last, found.origin)
        while film.bytes_kept > MOST_BYTES and len(film) > 1:
            film.halve()
            every *= 2
        progress.advance(last.step - begun)
        if found.diverged or progress.stopped():
            break
    if orbits:
        found.cycle, found.motion = orbits.cycle, orbits.motion
    film.widen(hexagonal=False)
    found.size, found.moments = last.size(name), [last]
    return found


def _by_chance(automaton: Automaton, asked: Collection[str]) -> str:
    """Return why equal states may be followed by others, or nothing.

    Args:
        automaton: Whose states they are.
        asked: What its rules have asked for beside cells.
    """
    if automaton.fire_rate < 1:
        return "cells fire by chance"
    if automaton.spec.noise is not None:
        return "noise is added"
    if not asked:
        return ""
    goes = "draws random numbers" if RANDOM in asked else f"goes by {min(asked)}"
    return f"a rule {goes}"


def _changing(automaton: Automaton, state: State) -> Tensor:
    """Return all levels that rules write to, one sample, as `(C, *space)`: what comes next."""
    levels = [on_grid(state[n], state.scale(n))[0] for n in automaton.writable_levels]
    return levels[0] if len(levels) == 1 else torch.cat(levels)


class _Watcher:
    """Looks at one state after the other.

    Args:
        trained: Whose they are.
        state: The first.
        steps: How many will follow.
    """

    def __init__(self, trained: Trained, state: State, steps: int) -> None:
        automaton = trained.automaton
        self.automaton = automaton
        self.name = automaton.writable_levels[0]
        self.wraps = {*automaton.topology.of(state.axes)} == {"torus"}
        self.orbits = None if _by_chance(automaton, ()) else OrbitWatch(wraps=self.wraps)
        self.every_moment = -(-steps // (MOMENTS - 1)) or 1
        self.every_frame = -(-steps // FRAMES) or 1
        self.steps, self.begun = steps, state.step
        self.centres: list[tuple[float, ...] | None] = []
        self.found = Observation()

    def look(self, state: State) -> None:
        """Look at a state."""
        level = state[self.name][0]
        passed = state.step - self.begun
        _note(self.found, state, self.name)
        self.found.diverged = divergence([state], [*self.automaton.writable_levels])
        if self.orbits:
            self.orbits.show(state.step, _changing(self.automaton, state))
        if self.wraps and 2 * passed >= self.steps:
            self.centres.append(_centre(level))
        if passed % self.every_moment == 0 or passed == self.steps:
            self.found.moments.append(state)
        if passed % self.every_frame == 0:
            self.found.frames.append(state)

    def finished(self, state: State) -> Observation:
        """Return what was found."""
        found = self.found
        if self.orbits:
            found.cycle, found.motion = self.orbits.cycle, self.orbits.motion
        found.size, found.origin = state.size(self.name), (0,) * state.axes
        found.velocity = _velocity(self.centres, found.size)
        return found


def _note(found: Observation, state: State, name: str) -> None:
    level = state[name][0]
    found.steps.append(state.step)
    found.population.append(population(level, LIVE))
    found.mass.append(float(wide(level).sum()))


def _centre(level: Tensor) -> tuple[float, ...] | None:
    """Return the centre of mass of `(C, *space)` on a torus, as an angle along each axis.

    None: what fills the torus all around has none.
    """
    angles = []
    for axis in range(1, level.ndim):
        others = [dim for dim in range(level.ndim) if dim != axis]
        line = wide(level).abs().sum(dim=others)
        turns = torch.arange(len(line), device=line.device) * (2 * math.pi / len(line))
        sine, cosine = ((line * part).sum() for part in (turns.sin(), turns.cos()))
        if not math.hypot(float(sine), float(cosine)) >= CENTRED * float(line.sum()) > 0:
            return None
        angles.append(math.atan2(float(sine), float(cosine)))
    return tuple(angles)


def _velocity(centres: list[tuple[float, ...] | None], size: Size) -> tuple[float, ...] | None:
    """Return how far a centre has moved in a step, along each axis, the shorter way round."""
    there = [centre for centre in centres if centre is not None]
    if len(there) < max(len(centres), 2):
        return None
    moved = []
    for axis, side in enumerate(size):
        angles = [centre[axis] for centre in there]
        turned = sum(
            math.remainder(after - before, 2 * math.pi)
            for before, after in itertools.pairwise(angles)
        )
        moved.append(turned * side / (2 * math.pi) / (len(there) - 1))
    return tuple(moved)

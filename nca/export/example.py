"""The example that an export is tried on: a state in which something happens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.resample import on_grid
from nca.engine.state import State
from nca.errors import ExportError
from nca.export.verify import GREAT, ROUNDING, NotCompared, scale_of, walk
from nca.tasks.display import Canvas, Display

CLEAR = 10.0
"""How many times as great as what rounding may be off by a change must be, to be compared."""
RANDOM_SEEDS = 3


@dataclass(frozen=True)
class Begin:
    """Where trials begin.

    Attributes:
        state: One sample; a step from it is finite, and changes it.
        notes: What is to be known of it, a sentence without a full stop each.
    """

    state: State
    notes: tuple[str, ...] = ()


def example_state(display: Display, number: int = 0) -> State:
    """Return the first state with an example drawn, or chance, where one may draw."""
    canvas = display.drawing
    if canvas is None:
        return display.first
    level = display.first[canvas.level]
    if len(canvas.examples):
        pixels = canvas.examples[number].to(level)
    else:
        sides = [side * canvas.patch for side in level.shape[2:]]
        pixels = display.first.rng.uniform("export", canvas.colours, sides)[0].to(level)
    return display.first.replace({canvas.level: _cells(pixels, canvas, level)})


def _cells(pixels: Tensor, canvas: Canvas, level: Tensor) -> Tensor:
    pixels = pixels.view(1, canvas.colours, *pixels.shape[-2:])
    cut = torch.nn.functional.pixel_unshuffle(pixels, canvas.patch)
    shown = (cut - canvas.mean) / canvas.deviation
    return shown.repeat(1, level.shape[1] // shown.shape[1], 1, 1)


@torch.no_grad()
def lively_state(automaton: Automaton, first: State, steps: int) -> Begin | NotCompared:
    """Return a state in which every level that has rules changes, as far as there is one.

    It is the example after some steps, or a random state if the example stays as it is. It is
    moved so that most happens at the edge of the grid, since that is where exports go wrong.

    Args:
        automaton: On the CPU.
        first: The example before any step.
        steps: Steps of the example, for hidden channels to be at work.

    Raises:
        ExportError: A rule fails in torch already.
    """
    _check_steps(automaton, first)
    ruled = [name for name in automaton.writable_levels if _changed_by_step(automaton, name)]
    best: tuple[list[str], Begin] | None = None
    for begin in _candidates(automaton, first, steps):
        moving = _moving(automaton, begin.state)
        if len(moving) > (len(best[0]) if best else 0):
            best = (moving, begin)
        if len(moving) == len(ruled):
            break
    if best is None:
        return NotCompared(_why_nothing(automaton, first))
    moving, begin = best
    still = [name for name in ruled if name not in moving]
    notes = begin.notes + ((f"nothing moved in {_levels(still)}",) if still else ())
    return Begin(_busy_at_edge(automaton, begin.state), notes)


def _check_steps(automaton: Automaton, first: State) -> None:
    try:
        automaton.step(first, fire_rate=1.0)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as fault:
        first_line = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
        raise ExportError(
            f"a step fails before anything is exported: {first_line}",
            where="the rules in torch, on the grid " + "x".join(map(str, first.grid_size)),
            to_do="let the rule compute on this grid, or give [grid] size another",
        ) from fault


def _candidates(automaton: Automaton, first: State, steps: int) -> Iterator[Begin]:
    length = walk(automaton, first, steps, ()).length
    way = walk(automaton, first, steps, {length, length // 2, min(length, 1), 0})
    notes = ()
    if way.lost:
        lasting = scale_of(way.lost) < torch.inf
        how = "grows beyond a million times its first" if lasting else "leaves the finite"
        notes = (f"the example {how} numbers at step {way.lost.step}",)
    kept = [state for _, state in sorted(way.kept.items(), reverse=True)]
    for state in kept:
        yield Begin(state, notes)
    for random_seed in range(RANDOM_SEEDS):
        yield Begin(_random(first, kept, random_seed), (*notes, "tried on random states"))


def _random(first: State, path: Sequence[State], random_seed: int) -> State:
    """Return random numbers from the range that each level keeps to, denser to one side.

    Somewhere between none and many is what a rule that counts its neighbours needs to be alive.
    """
    rng = first.replace(random_seed=random_seed).rng
    levels = {}
    for name, level in first.items():
        numbers = torch.stack([state[name] for state in path])
        low, high = numbers.amin().item(), numbers.amax().item()
        if not -torch.inf < low < high < torch.inf:
            low, high = 0.0, 1.0
        size = first.size(name)
        ramp = (torch.arange(size[-1]) + 1) / size[-1]
        drawn = rng.uniform(f"export/{name}", level.shape[1], size) * ramp
        levels[name] = (low + (high - low) * drawn).to(level.dtype)
    return first.replace(levels)


def _changed_by_step(automaton: Automaton, name: str) -> bool:
    noise = automaton.spec.noise
    return bool(automaton.rules_of(name) or (noise and noise.scale))


def _moving(automaton: Automaton, state: State) -> list[str]:
    """Return the levels that a step of all cells changes by more than rounding explains."""
    after = automaton.step(state, fire_rate=1.0)
    if not scale_of(after) <= GREAT * max(scale_of(state), 1.0):
        return []
    found = []
    for name in automaton.writable_levels:
        least = CLEAR * ROUNDING * max(state[name].abs().max().item(), 1e-30)
        if (after[name] - state[name]).abs().max().item() > least:
            found.append(name)
    return found


def _busy_at_edge(automaton: Automaton, state: State) -> State:
    """Return the state moved so that the cell that changes most is the first on each axis.

    It moves by cells of the coarsest level, so that all levels can.
    """
    after, layout = automaton.step(state, fire_rate=1.0), automaton.layout
    changes: Tensor | float = 0.0
    for name in automaton.writable_levels:
        change = (after[name] - state[name]).abs().sum(dim=1, keepdim=True)
        changes = changes + on_grid(change, layout[name].scale)[0, 0]
    assert isinstance(changes, Tensor)
    place = [int(at) for at in torch.unravel_index(changes.argmax(), changes.shape)]
    axes = tuple(range(2, 2 + state.axes))
    levels = {}
    for name, level in layout.items():
        by = [-(at // layout.coarsest * layout.coarsest // level.scale) for at in place]
        levels[name] = state[name].roll(by, axes).contiguous()
    moved = state.replace(levels)
    return moved if _moving(automaton, moved) else state


def _why_nothing(automaton: Automaton, first: State) -> str:
    after = automaton.step(first, fire_rate=1.0)
    if not scale_of(after) < torch.inf:
        return f"it leaves the finite numbers at step {after.step}, from random states too"
    return "no step changes its cells, neither the example's nor random ones"


def _levels(names: list[str]) -> str:
    return f"level{'s' if len(names) > 1 else ''} {', '.join(names)}"

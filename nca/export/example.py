"""The example that an export is tried on: a first state with a sample drawn, warmed up."""

import torch

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.tasks.display import Canvas, Display


def example_state(portrait: Display, number: int = 0) -> State:
    """Return the first state with an example drawn, or chance, where one may draw."""
    pen = portrait.drawing
    if pen is None:
        return portrait.first
    level = portrait.first[pen.level]
    if len(pen.examples):
        pixels = pen.examples[number].to(level)
    else:
        sides = [side * pen.patch for side in level.shape[2:]]
        pixels = portrait.first.rng.uniform("export", 1, sides)[0, 0].to(level)
    return portrait.first.replace({pen.level: _cells(pixels, pen, level)})


def _cells(pixels: torch.Tensor, pen: Canvas, level: torch.Tensor) -> torch.Tensor:
    cut = torch.nn.functional.pixel_unshuffle(pixels[None, None], pen.patch)
    shown = (cut - pen.mean) / pen.deviation
    return shown.repeat(1, level.shape[1] // shown.shape[1], 1, 1)


@torch.no_grad()
def warmed_up(automaton: Automaton, first: State, steps: int) -> State:
    """Return the state after some steps, for a trial to begin with."""
    return automaton.rollout(first, steps)

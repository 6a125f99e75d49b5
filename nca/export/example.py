"""The example that an export is tried on: a first state with a sample drawn, warmed up."""

import torch

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.tasks.display import Canvas, Display


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
        pixels = display.first.rng.uniform("export", 1, sides)[0, 0].to(level)
    return display.first.replace({canvas.level: _cells(pixels, canvas, level)})


def _cells(pixels: torch.Tensor, canvas: Canvas, level: torch.Tensor) -> torch.Tensor:
    cut = torch.nn.functional.pixel_unshuffle(pixels[None, None], canvas.patch)
    shown = (cut - canvas.mean) / canvas.deviation
    return shown.repeat(1, level.shape[1] // shown.shape[1], 1, 1)


@torch.no_grad()
def warmed_up(automaton: Automaton, first: State, steps: int) -> State:
    """Return the state after some steps, for a trial to begin with."""
    return automaton.rollout(first, steps)

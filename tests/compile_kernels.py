"""Compile all programs of the fused step for a Hopper card, without a card; print what came out.

A line for each program: its name, the kind of its products, the target, and how many times it uses
tensor cores. Launches go through Triton's own door up to the point where a device is needed.
"""

import re
from typing import Any, Literal

import torch
import triton
from triton.backends.compiler import GPUTarget

import nca
import nca.backends.fused
from nca.backends.triton import mask, step
from nca_plugins.glom.mean import Fade
from nca_plugins.glom.nets import BottomUp, Lateral


class Nowhere:
    """What Triton asks of a driver before it compiles."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


def compile_only(program: Any, grid: tuple[int, ...], *given: Any, **options: Any) -> None:
    made = program.run(*given, grid=grid, warmup=True, **options)
    text = made.asm["ptx"]
    target = re.search(r"\.target (\w+)", text)
    products = len(re.findall(r"wgmma\.mma_async|mma\.sync", text))
    print(program.__name__, options.get("PRODUCTS", "none"), target and target[1], products)


def automaton(dead: Literal["cleared", "frozen"], nets: int) -> nca.Automaton:
    """Return all that a step can hold, in small, with one or two nets."""
    layout = nca.Layout([nca.Level("image", 1, True), nca.Level("body", 16)])
    place = nca.RuleContext(layout, "body")
    both = Lateral(place, hidden=9), BottomUp(place, hidden=9)
    rules = [*both[:nets], Fade(learned=True)]
    return nca.Automaton(
        layout,
        {"body": rules},
        fused=True,
        fire_rate=0.5,
        noise=nca.Noise(0.1),
        alive=nca.Alive("image", 0, 0.1, dead=dead),
    )


def main() -> None:
    triton.runtime.driver.set_active(Nowhere())
    step.launch = mask.launch = compile_only
    nca.backends.fused.interpreted = lambda: True  # let the host pass for a device
    for reduced, dead, nets in ((True, "cleared", 2), (False, "frozen", 1)):
        cells = automaton(dead, nets)
        state = cells.seed(2, (5, 7))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
            end = cells.step(state.map(torch.Tensor.requires_grad_))
        sum(level.sum() for level in end.values()).backward()


if __name__ == "__main__":
    main()

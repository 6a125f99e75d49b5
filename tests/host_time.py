"""Measure the host's time of fused steps, with no card: everything but the device.

    python tests/host_time.py [CASE ...]

For each case of `nca bench`: microseconds of processor time and launches of a step, forward and
backward, in a rollout of some length, and of what a rollout prepares. Programs are compiled for
sm_90a, and their launches end where the driver would begin. The grid is so small that the host's
own tensor operations take the time of their launch.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget

import nca
import nca.backends.fused
from nca.backends.fused import FusedStepper, why_not_fused
from nca.checkpoint.find import benchmarks
from nca.checkpoint.read import read_recipe
from nca.registry.discovery import discover

CASES = {"growing_72": 32, "texture_128": 32, "glom_large": 20}
"""Cases and how many steps their rollouts have."""

LAUNCHES = [0]


class Launcher:
    """What stands where the driver would start a program."""

    def __init__(self, source: Any, metadata: Any) -> None:
        del source, metadata

    def __call__(self, *given: Any) -> None:
        del given
        LAUNCHES[0] += 1


class Utilities:
    """What Triton asks of a driver to load what it has compiled."""

    def load_binary(self, *given: Any) -> tuple[int, int, int, int, int]:
        del given
        return 1, 1, 64, 0, 1024

    def unload_module(self, module: int) -> None:
        pass

    def get_device_properties(self, device: int) -> dict[str, int]:
        return {"max_shared_mem": 232448}


class Nowhere:
    """A driver of no card."""

    launcher_cls = Launcher
    utils = Utilities()

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


def timed(call: Callable[[], Any], times: int = 9) -> tuple[float, int, Any]:
    """Return the least seconds of a call, its launches, and what it returned last."""
    seconds, found = [], None
    for _ in range(times):
        LAUNCHES[0] = 0
        began = time.process_time()
        found = call()
        seconds.append(time.process_time() - began)
    return min(seconds), LAUNCHES[0], found


def measure(name: str, steps: int) -> None:
    """Print a case's times."""
    automaton = read_recipe(str(benchmarks()[name])).automaton()
    automaton.fused, automaton.memory = True, nca.ActivationMemory("store")
    state = automaton.seed(2, (4, 4))
    levels = automaton.writable_levels

    def forward(count: int) -> nca.State:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return automaton.rollout(state, count)

    def both(count: int) -> tuple[float, float, int, int]:
        began = time.process_time()
        LAUNCHES[0] = 0
        end = forward(count)
        ahead, launches = time.process_time() - began, LAUNCHES[0]
        loss = torch.stack([end[level].square().sum() for level in levels]).sum()
        LAUNCHES[0] = 0
        began = time.process_time()
        loss.backward()
        return ahead, time.process_time() - began, launches, LAUNCHES[0]

    both(steps)
    once = [both(1) for _ in range(9)]
    whole = [both(steps) for _ in range(9)]
    for part, what in enumerate(("forward", "backward")):
        few, many = (min(run[part] for run in runs) for runs in (once, whole))
        launches = (whole[0][part + 2] - once[0][part + 2]) / (steps - 1)
        each = 1e6 * (many - few) / (steps - 1)
        print(
            f"{name} {what}: {each:.0f} us a further step, {1e6 * many / steps:.0f} us a step of "
            f"{steps} with all that a rollout takes; {launches:.2f} launches a step",
            flush=True,
        )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        asked, *_ = timed(lambda: why_not_fused(automaton, state))
        made, *_ = timed(lambda: FusedStepper(automaton.spec, state))
    print(f"{name} once a rollout: asked {1e6 * asked:.0f} us, laid out {1e6 * made:.0f} us")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    asked.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE")
    given = asked.parse_args()
    torch.set_num_threads(1)
    discover()
    nca.backends.fused.interpreted = lambda: True  # let the host pass for a device
    triton.runtime.driver.set_active(Nowhere())
    for name in given.cases:
        measure(name, CASES[name])


if __name__ == "__main__":
    main()

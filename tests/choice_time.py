"""Time all ways of stepping on a CPU beside the one that is chosen.

    python tests/choice_time.py [CASE ...] [--alive SHARE ...] [--rounds N]

For each case of `nca bench`, or a recipe's file, with some shares of its cells alive, in float32
and in bfloat16: milliseconds of processor time of a training iteration (rollout, loss, gradient) on
one thread, by the dense step, by lists of cells, in tiles, and as `nca.backends.choose` has it; the
least of some rounds in which the ways take turns. Lists and random numbers differ from round to
round. `ratio` is the chosen way's time over that of the fastest: 1 within noise, or the choice is
at fault.
"""

import argparse
import itertools
import time
from collections.abc import Callable

import torch

from nca import Automaton, State
from nca.bench import Case, cases
from nca.bench.case import ALIVE, loss_of
from nca.checkpoint.read import read_recipe
from nca.registry.discovery import discover

CPU = torch.device("cpu")
WAYS: dict[str, dict[str, bool | None]] = {
    "dense": {"sparse": False, "tiled": False},
    "lists": {"sparse": True, "tiled": False},
    "tiles": {"sparse": False, "tiled": True},
    "chosen": {"sparse": None, "tiled": None},
}


def iteration(automaton: Automaton, steps: int, products: torch.dtype) -> Callable[[State], None]:
    """Return a training iteration without an optimiser."""

    def run(state: State) -> None:
        automaton.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=products == torch.bfloat16):
            loss = loss_of(automaton, automaton.rollout(state, steps))
        loss.backward()

    return run


def ways_of(case: Case, products: torch.dtype) -> dict[str, Callable[[State], None]]:
    """Return an iteration in each way."""
    found = {}
    for name, settings in WAYS.items():
        automaton = case.automaton()
        for key, setting in settings.items():
            setattr(automaton, key, setting)
        found[name] = iteration(automaton, case.steps, products)
    return found


def measure(case: Case, products: torch.dtype, rounds: int) -> None:
    """Print a case's times."""
    ways, first = ways_of(case, products), case.first()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        state = first.replace(random_seed=number)
        for name, run in ways.items():
            began = time.process_time()
            run(state)
            seconds[name].append(time.process_time() - began)
    least = {name: min(own[1:]) for name, own in seconds.items()}  # the first builds and warms up
    ratio = least["chosen"] / min(least.values())
    times = "".join(f"{1e3 * least[name]:9.0f}" for name in WAYS)
    kind = str(products).removeprefix("torch.")
    print(f"{case.name:20} {kind:9} {case.alive:6.0%}{times}{ratio:8.2f}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    asked.add_argument("cases", nargs="*", default=["self_classifying_28"], metavar="CASE")
    asked.add_argument("--alive", nargs="+", type=float, default=[ALIVE], metavar="SHARE")
    asked.add_argument("--rounds", type=int, default=5)
    given = asked.parse_args()
    torch.set_num_threads(1)
    discover()
    print(f"{'ms':20} {'products':9} {'alive':>6}{''.join(f'{w:>9}' for w in WAYS)}{'ratio':>8}")
    every = itertools.product(given.cases, given.alive, (torch.float32, torch.bfloat16))
    for name, alive, products in every:
        recipe = read_recipe(name) if name.endswith(".toml") else cases([name], CPU)[0].recipe
        measure(Case(recipe, CPU, alive), products, given.rounds)


if __name__ == "__main__":
    main()

"""Time training on one thread and on all, alone and beside busy processes.

    python tests/threads_time.py [RECIPE] [--seconds S]

Samples a second of training iterations (rollout, loss, gradient; random states, float32), each way
in a process of its own: with one thread, with as many as there are cores, and with those left to
spin where they wait for each other, as they do unless `nca` is what sets the process up. Beside it
run as many processes that only count as the column says.
"""

import argparse
import os
import subprocess
import sys
import time

from nca.spinning import SPINNING

CORES = os.cpu_count() or 1
WAYS = {"one thread": 1, "all threads": CORES, "all threads, spinning": CORES}
SETTINGS = {*SPINNING, "OMP_NUM_THREADS"}
BUSY = (0, 1, 2)
COUNTING = "while True: pass"


def rate(recipe: str, threads: int, seconds: float) -> float:
    """Return the samples a second of this process."""
    import torch
    from choice_time import iteration

    from nca.bench import Case
    from nca.checkpoint.read import read_recipe
    from nca.registry.discovery import discover

    torch.set_num_threads(threads)
    discover()
    case = Case(read_recipe(recipe), torch.device("cpu"))
    run, state = iteration(case.automaton(), case.steps, torch.float32), case.first()
    run(state)
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        run(state.replace(random_seed=count))
        count += 1
    return count * case.batch / (time.monotonic() - began)


def apart(recipe: str, way: str, seconds: float) -> float:
    """Return the samples a second of a process of its own, set up as the way says."""
    environment = {name: of for name, of in os.environ.items() if name not in SETTINGS}
    environment |= {} if "spinning" in way else SPINNING
    asked = [sys.executable, __file__, recipe, "--seconds", str(seconds)]
    asked += ["--threads", str(WAYS[way])]
    return float(subprocess.check_output(asked, env=environment, text=True))


def table(recipe: str, seconds: float) -> None:
    """Print the rate of each way beside each number of busy processes."""
    print(f"{'samples a second':24}{'alone':>9}{'one busy':>10}{'two busy':>10}")
    for way in WAYS:
        rates = []
        for count in BUSY:
            busy = [subprocess.Popen([sys.executable, "-c", COUNTING]) for _ in range(count)]
            try:
                rates.append(apart(recipe, way, seconds))
            finally:
                for one in busy:
                    one.kill()
        print(f"{way:24}{rates[0]:9.0f}{rates[1]:10.0f}{rates[2]:10.0f}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    asked.add_argument("recipe", nargs="?", default="glom_mnist")
    asked.add_argument("--seconds", type=float, default=6.0)
    asked.add_argument("--threads", type=int, help="time this process, and print its rate alone")
    given = asked.parse_args()
    if given.threads:
        print(rate(given.recipe, given.threads, given.seconds))
    else:
        table(given.recipe, given.seconds)


if __name__ == "__main__":
    main()

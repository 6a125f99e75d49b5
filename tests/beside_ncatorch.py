"""NCAtorch (arXiv 2604.24990, github.com/mspitzna/NCAtorch), another library, beside us.

`python tests/beside_ncatorch.py CHECKOUT 3` times three rounds of cases of `nca bench` by the parts
of NCAtorch in the folder `CHECKOUT`, which are called `nca` too and have a process of their own, by
our plain step and by the engine; in turn, on one core of Linux and one thread, in float32, by the
processor's time, and prints the least. A round of training is a rollout, its loss, gradient and
optimiser. NCAtorch's parts stand as they are: ReLUs are leaky, the alive mask sees no torus, noise
comes before perception, and Sobel perception has a Laplacian: `growing_72` is timed with it too.
"""

# pyright: reportMissingImports=false

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from multiprocessing import get_context

import numpy as np
import torch

os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
torch.set_num_threads(1)
CPU = torch.device("cpu")
HIDDEN = {"growing_72": 128, "texture_128": 96, "self_classifying_28": 80}
LAPLACIAN = 'levels.body.rules=[{name = "growing", hidden = 128, laplacian = true}]'
Calls = list[Callable[[], object]]
THEIRS: Calls = []  # in NCAtorch's process


def calls_of(model: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Calls:
    """Return a forward rollout with its loss, and an iteration of training."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return [torch.no_grad()(loss), train]


def timed(calls: Calls | None = None) -> list[float]:
    """Return the milliseconds of each call; of NCAtorch's if none are given."""
    moments = [time.process_time()]
    for call in calls or THEIRS:
        call()
        moments.append(time.process_time())
    return (1e3 * np.diff(moments)).tolist()


def build(checkout: str, name: str, first: np.ndarray, steps: int) -> None:
    """Build a case in NCAtorch's own parts, in a process that has not imported our `nca`."""
    sys.path.insert(0, checkout)
    from nca.core.models.ca import perceptions, state_updates
    from nca.core.models.ca.ca_model import CAModel
    from nca.core.models.ca.update_models import SimpleMLPUpdate

    channels, frozen, perception = first.shape[1], 0, perceptions.SobelPerception(first.shape[1])
    updates = [state_updates.FireRateMask(0.5), state_updates.ApplyDelta()]
    if name == "growing_72":
        updates.append(state_updates.LivingMask(0.1, 3, 3))  # above, pooled, channel
    elif name == "self_classifying_28":
        frozen = 1  # the picture is the first channel, and says who lives
        perception = perceptions.ConvPerception(channels, 80)
        updates += [state_updates.LivingMask(0.1, 1, 0), state_updates.NoiseInjection(0.02)]
    update = SimpleMLPUpdate(perception.get_out_channel(), channels, [HIDDEN[name]])
    with redirect_stdout(sys.stderr):
        pipeline = state_updates.StateUpdatePipeline(updates)
        model = CAModel("cpu", False, *first.shape[2:], perception, update, pipeline)

    def loss() -> torch.Tensor:
        state = torch.from_numpy(first)
        for _ in range(steps):
            state, _ = model(state, freeze_channels=frozen)
        return state[:, frozen:].square().mean()

    THEIRS[:] = calls_of(model, loss)


def ways_of(name: str, pool: ProcessPoolExecutor) -> Iterator[tuple[str, Callable]]:
    """Yield what each way is called, and what times it."""
    from nca.bench import cases
    from nca.bench.backends import PLAIN
    from nca.bench.case import Case, loss_of

    def ours(case: Case, plain: bool) -> Callable:
        automaton, state = case.automaton(), case.first()
        rollout = PLAIN.made(automaton) if plain else automaton.rollout
        calls = calls_of(automaton, lambda: loss_of(automaton, rollout(state, case.steps)))
        return lambda: timed(calls)

    (case,) = cases([name], CPU)
    first = torch.cat(list(case.first().values()), dim=1).numpy()
    pool.submit(build, sys.argv[1], name, first, case.steps).result()
    yield "NCAtorch", lambda: pool.submit(timed).result()
    for plain, way in ((True, "plain step"), (False, "nca")):
        yield way, ours(case, plain)
        if name == "growing_72":
            yield f"{way}, Laplacian", ours(cases([name], CPU, [LAPLACIAN])[0], plain)


def main() -> None:
    from nca.registry.discovery import discover

    discover()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for name in sys.argv[3:] or HIDDEN:
            ways = dict(ways_of(name, pool))
            rounds = [[run() for run in ways.values()] for _ in range(1 + int(sys.argv[2]))][1:]
            print(f"{name:24} forward  training  (ms, torch {torch.__version__})")
            for way, (forward, training) in zip(ways, np.min(rounds, axis=0), strict=True):
                print(f"  {way:22} {forward:7,.0f} {training:9,.0f}", flush=True)


if __name__ == "__main__":
    main()

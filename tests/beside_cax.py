"""CAX (Faldor and Cully 2025, arXiv 2410.02651), another library for cellular automata, beside us.

`python -m pip install cax==0.3.3`, then `python tests/beside_cax.py 2` times two rounds of the
growing automaton at the paper's size (72x72 cells, 16 channels, 128 hidden units, batch 8, 64
steps), first by CAX on JAX, then by `nca bench`, in one process and on one thread, by the
processor's time. A round of training is a rollout, its loss, gradient and optimiser. A round of
CAX takes more than a minute.
"""

# pyright: reportMissingImports=false

import os
import sys
from collections.abc import Callable

# before either library reads them
os.environ |= {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import optax
import torch
from cax.core import ComplexSystem
from cax.core.perceive import ConvPerceive
from cax.core.update import NCAUpdate
from flax import nnx

from nca.bench import BACKENDS, BenchPlan, bench, cases
from nca.bench.timing import Clock
from nca.cli.bench_table import show_machine, show_measured
from nca.registry.discovery import discover

BATCH, SIDE, CHANNELS, HIDDEN, STEPS = 8, 72, 16, 128, 64
CPU = torch.device("cpu")
CLOCK = Clock(CPU, by_work=True)


class Growing(ComplexSystem):
    """The growing automaton in CAX's own parts: three fixed kernels, one hidden layer."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        seen = 3 * CHANNELS
        self.perceive = ConvPerceive(CHANNELS, seen, feature_group_count=CHANNELS, rngs=rngs)
        self.update = NCAUpdate(CHANNELS, seen, (HIDDEN,), cell_dropout_rate=0.5, rngs=rngs)

    def _step(self, state, input=None, *, sow=False):
        return self.update(state, self.perceive(state), input)


def rounds(count: int) -> tuple[list[float], list[float]]:
    """Return the seconds of forward rollouts and of training iterations by CAX."""
    system = Growing(nnx.Rngs(0))
    optimiser = nnx.Optimizer(system, optax.adam(1e-3), wrt=nnx.Param)
    state = 0.1 * jax.random.normal(jax.random.key(0), (BATCH, SIDE, SIDE, CHANNELS))

    @nnx.jit
    def forward(system, state):
        return system(state, num_steps=STEPS)

    @nnx.jit
    def train(system, optimiser, state):
        def loss(system):
            return jnp.square(system(state, num_steps=STEPS)).mean()

        optimiser.update(system, nnx.grad(loss)(system))
        return nnx.state(system, nnx.Param)

    calls: list[Callable[[], object]] = [
        lambda: jax.block_until_ready(forward(system, state)),
        lambda: jax.block_until_ready(train(system, optimiser, state)),
    ]
    for call in calls:
        call()  # is compiled
    told = [[CLOCK.seconds(call) for _ in range(count)] for call in calls]
    return told[0], told[1]


if __name__ == "__main__":
    torch.set_num_threads(1)
    discover()
    count = int(sys.argv[1])
    for what, seconds in zip(("forward", "training"), rounds(count), strict=True):
        print(f"CAX, {what}: {', '.join(f'{each:.3g} s' for each in sorted(seconds))}")
    asked = cases(["growing_72"], CPU, [f"rollout.steps={STEPS}", f"evaluate.batch={BATCH}"])
    chosen = [way for way in BACKENDS if way.name in ("plain", "engine", "bfloat16")]
    report = bench(BenchPlan(asked, chosen, count, 1e6, CLOCK))
    show_measured(report.measured[0])
    show_machine(report)

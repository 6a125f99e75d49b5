"""CAX (Faldor and Cully 2025, arXiv 2410.02651), another library for cellular automata, beside us.

`python -m pip install cax==0.4.4`, which needs Python 3.12, then `python tests/beside_cax.py 5`
times five rounds of each case of `nca bench` that CAX has the parts for: by CAX on JAX, by plain
PyTorch with `torch.compile` of the step, and by the engine; in one process, on one core and one
thread, in turn, in float32, by the processor's time. A round of training is a rollout, its loss,
gradient and optimiser. What is printed are the least and the median of the rounds.
"""

# pyright: reportMissingImports=false

import os
import statistics
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version

# before either library reads them
os.environ |= {"OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax
import jax.numpy as jnp
import optax
import torch
import torch.nn.functional as F
from cax.core import ComplexSystem
from cax.core.perceive import ConvPerceive
from cax.core.update import NCAUpdate
from cax.core.update.residual_update import ResidualUpdate
from flax import nnx
from straightforward import growing
from torch import Tensor

from nca import State
from nca.bench import Case, cases
from nca.bench.backends import PLAIN, Rollout
from nca.bench.case import loss_of
from nca.bench.timing import Clock
from nca.device import hardware
from nca.engine.automaton import Automaton
from nca.registry.discovery import discover
from nca_plugins.self_classifying import SelfClassifying

CPU = torch.device("cpu")
CLOCK = Clock(CPU, by_work=True)
CASES = ("growing_72", "texture_128", "self_classifying_28")


class Growing(ComplexSystem):
    """A growing automaton in CAX's own parts: fixed kernels, one hidden layer."""

    def __init__(self, channels: int, kernels: int, hidden: int, alive: bool, remat: bool) -> None:
        seen, rngs = kernels * channels, nnx.Rngs(0)
        self.remat = remat
        self.perceive = ConvPerceive(
            channel_size=channels,
            perception_size=seen,
            padding="CIRCULAR",
            feature_group_count=channels,
            rngs=rngs,
        )
        given = {
            "channel_size": channels,
            "perception_size": seen,
            "hidden_layer_sizes": (hidden,),
            "cell_dropout_rate": 0.5,
            "rngs": rngs,
        }
        self.update = NCAUpdate(**given) if alive else ResidualUpdate(num_spatial_dims=2, **given)

    def _step(self, state, input=None):
        return self.update(state, self.perceive(state), input)


class Classifying(ComplexSystem):
    """A self-classifying automaton in CAX's own parts; the picture is the first channel."""

    def __init__(self, remat: bool) -> None:
        rngs = nnx.Rngs(0)
        self.remat = remat
        self.perceive = ConvPerceive(
            channel_size=20,
            perception_size=80,
            padding="CIRCULAR",
            use_bias=True,
            activation_fn=nnx.relu,
            rngs=rngs,
        )
        self.update = ResidualUpdate(
            num_spatial_dims=2,
            channel_size=20,
            perception_size=80,
            hidden_layer_sizes=(80,),
            cell_dropout_rate=0.5,
            rngs=rngs,
        )

    def _step(self, state, input=None):
        after = self.update(state, self.perceive(state), input)
        image = state[..., :1]
        after = jnp.where(image > 0.1, after, state)
        return jnp.concatenate([image, after[..., 1:]], axis=-1)


def system_of(name: str, remat: bool) -> ComplexSystem:
    """Return a case's automaton in CAX."""
    if name == "growing_72":
        return Growing(16, 3, 128, alive=True, remat=remat)
    if name == "texture_128":
        return Growing(12, 4, 96, alive=False, remat=remat)
    return Classifying(remat)


def by_cax(case: Case, state: State, remat: bool) -> tuple[Callable[[], object], ...]:
    """Return a forward rollout and an iteration of training by CAX."""
    system = system_of(case.name, remat)
    optimiser = nnx.Optimizer(system, optax.adam(1e-3), wrt=nnx.Param)
    first = torch.cat(list(state.values()), dim=1)
    if case.name == "growing_72":
        first = first.roll(-4, dims=1)  # CAX has the alive channel last
    first = jnp.asarray(first.movedim(1, -1).numpy())

    @nnx.jit
    def forward(system, state):
        return system(state, num_steps=case.steps)

    @nnx.jit
    def train(system, optimiser, state):
        def loss(system):
            return jnp.square(system(state, num_steps=case.steps)).mean()

        optimiser.update(system, nnx.grad(loss)(system))
        return nnx.state(system, nnx.Param)

    return (
        lambda: jax.block_until_ready(forward(system, first)),
        lambda: jax.block_until_ready(train(system, optimiser, first)),
    )


def by_torch(case: Case, state: State, made: Callable[[Automaton], Rollout]):
    """Return a forward rollout and an iteration of training by PyTorch."""
    automaton = case.automaton()
    rollout = made(automaton)
    optimiser = torch.optim.Adam(automaton.parameters(), lr=1e-3)

    @torch.no_grad
    def forward() -> State:
        return rollout(state, case.steps)

    def train() -> None:
        optimiser.zero_grad()
        loss_of(automaton, rollout(state, case.steps)).backward()
        optimiser.step()

    return forward, train


def compiled(automaton: Automaton) -> Rollout:
    """Return a rollout in plain PyTorch, channels last, with `torch.compile` of the step."""
    if "body" in automaton.layout:
        return growing(automaton, True)
    (rule,) = automaton.rules_of("cells")
    assert isinstance(rule, SelfClassifying)
    assert automaton.noise
    rate, scale = automaton.fire_rate, automaton.noise.scale

    @torch.compile
    def step(image: Tensor, cells: Tensor) -> Tensor:
        padded = F.pad(torch.cat([image, cells], dim=1), (1, 1, 1, 1), mode="circular")
        seen = F.relu(F.conv2d(padded, rule.perceive.weight, rule.perceive.bias))
        hidden = F.relu(F.conv2d(seen, rule.hidden.weight[..., None, None], rule.hidden.bias))
        change = F.conv2d(hidden, rule.change.weight[..., None, None], rule.change.bias)
        change = change + scale * torch.randn_like(change)
        fires = (torch.rand_like(image) < rate) & (image > 0.1)
        return cells + change * fires

    def rollout(state: State, steps: int) -> State:
        laid_out = state.map(lambda level: level.contiguous(memory_format=torch.channels_last))
        image, cells = laid_out.values()
        if torch.is_grad_enabled():
            cells = cells.clone().requires_grad_()  # or the first step would be compiled apart
        for _ in range(steps):
            cells = step(image, cells)
        return state.replace({"cells": cells}, step=state.step + steps)

    return rollout


def calls_of(case: Case) -> Iterator[tuple[str, tuple[Callable[[], object], ...]]]:
    """Yield what each way is called, with its forward rollout and its iteration of training."""
    state = case.first()
    yield "CAX", by_cax(case, state, remat=False)
    yield "CAX, remat", by_cax(case, state, remat=True)
    yield "torch.compile by hand", by_torch(case, state, compiled)
    yield "plain step", by_torch(case, state, PLAIN.made)
    yield "nca", by_torch(case, state, lambda automaton: automaton.rollout)


def measure(case: Case, rounds: int) -> None:
    """Print the times of a case."""
    size = "x".join(map(str, case.size))
    print(f"{case.name}: {size} cells, batch {case.batch}, {case.steps} steps; ms", flush=True)
    ways = dict(calls_of(case))
    for name, calls in ways.items():
        for call in calls:
            print(f"  {name}: {CLOCK.seconds(call):.1f} s at first", file=sys.stderr, flush=True)
    taken = {name: ([], []) for name in ways}
    for _ in range(rounds):
        for name, calls in ways.items():
            for call, seconds in zip(calls, taken[name], strict=True):
                seconds.append(1e3 * CLOCK.seconds(call))
    print(f"  {'':22} {'forward':>9} {'median':>9} {'training':>9} {'median':>9}")
    for name, columns in taken.items():
        numbers = [n for c in columns for n in (min(c), statistics.median(c))]
        print(f"  {name:22} " + " ".join(f"{n:9,.0f}" for n in numbers), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    discover()
    names = ("cax", "jax", "flax", "torch")
    print(", ".join(f"{name} {version(name)}" for name in names), f"on {hardware(CPU)}")
    for case in cases(sys.argv[2:] or CASES, CPU):
        measure(case, int(sys.argv[1]))


if __name__ == "__main__":
    main()

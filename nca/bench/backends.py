"""The backends that are timed: the ways in which the engine can run one automaton.

Each gets an automaton of its own, which it may change, and returns what lets many steps pass. The
first, `plain`, is what all others are held against, for time and for result. A new one is one
more entry in `BACKENDS`.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias, get_args

import torch

from nca.bench.captured import CapturedRollout
from nca.engine.activation_memory import ActivationMemory
from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.engine.stepper import DenseStepper
from nca.suggest import select_named

What: TypeAlias = Literal["forward", "training"]
"""A rollout without gradient; or one iteration: rollout, loss, gradient and optimiser."""

WHATS: tuple[What, ...] = get_args(What)

STORE = ActivationMemory("store")

Rollout: TypeAlias = Callable[[State, int], State]
"""Lets so many steps pass."""


@dataclass(frozen=True)
class Backend:
    """One way to run an automaton.

    Attributes:
        name: What the table calls it.
        summary: What it does, in a few words.
        made: Returns the rollout of an automaton that it may change.
        whats: What it is a way to do.
        dtype: Of its products: which of the device's ceilings it runs under.
        compiles: Whether its first call builds what the later ones use.
        lacks: Returns what it misses on a device, in words, or nothing.
    """

    name: str
    summary: str
    made: Callable[[Automaton], Rollout]
    whats: tuple[What, ...] = WHATS
    dtype: torch.dtype = torch.float32
    compiles: bool = False
    lacks: Callable[[torch.device], str] = lambda _: ""


def _plain(automaton: Automaton) -> Rollout:
    automaton.memory = STORE

    def rollout(state: State, steps: int) -> State:
        stepper = DenseStepper(automaton.spec, share=False)
        state = stepper.prepare(state)
        for _ in range(steps):
            state = stepper.step(state, automaton.fire_rate)
        return state

    return rollout


def _engine(automaton: Automaton) -> Rollout:
    return automaton.rollout


def _bfloat16(automaton: Automaton) -> Rollout:
    def rollout(state: State, steps: int) -> State:
        with torch.autocast(state.samples.device.type, dtype=torch.bfloat16):
            return automaton.rollout(state, steps)

    return rollout


def _compiled(automaton: Automaton) -> Rollout:
    automaton.memory, automaton.compiled, automaton.fused = STORE, "always", False
    return automaton.rollout


def _fused(automaton: Automaton) -> Rollout:
    automaton.fused = True
    return automaton.rollout


def _captured(made: Callable[[Automaton], Rollout]) -> Callable[[Automaton], Rollout]:
    def made_and_captured(automaton: Automaton) -> Rollout:
        automaton.memory = STORE
        return CapturedRollout(automaton, made(automaton))

    return made_and_captured


def _only_on_cuda(why: str) -> Callable[[torch.device], str]:
    return lambda device: "" if device.type == "cuda" else why


def _keeping(memory: ActivationMemory) -> Callable[[Automaton], Rollout]:
    def made(automaton: Automaton) -> Rollout:
        automaton.memory = memory
        return automaton.rollout

    return made


BACKENDS: tuple[Backend, ...] = (
    Backend(
        "plain",
        "the whole grid, every rule its own convolution, eager, float32, all states kept",
        _plain,
    ),
    Backend("engine", "as the recipe stands: bits, sparse, tiled or dense, as is faster", _engine),
    Backend("bfloat16", "the engine, its products in bfloat16", _bfloat16, dtype=torch.bfloat16),
    Backend("compiled", "torch.compile of one step of the whole grid", _compiled, compiles=True),
    Backend(
        "compiled_graph",
        "the same, a rollout captured as one CUDA graph",
        _captured(_compiled),
        compiles=True,
        lacks=_only_on_cuda("graphs are captured on CUDA devices"),
    ),
    Backend(
        "fused",
        "a step in one launch or two, demanded, replayed as graphs",
        _fused,
        compiles=True,
        lacks=_only_on_cuda("Triton's programs run on CUDA devices"),
    ),
    Backend(
        "fused_graph",
        "the same, a whole rollout captured as one CUDA graph",
        _captured(_fused),
        compiles=True,
        lacks=_only_on_cuda("graphs are captured on CUDA devices"),
    ),
    Backend(
        "segments",
        "the engine, keeping about two roots of the states for the gradient",
        _keeping(ActivationMemory("segments")),
        whats=("training",),
    ),
    Backend(
        "recompute",
        "the engine, keeping nothing but the states for the gradient",
        _keeping(ActivationMemory("recompute")),
        whats=("training",),
    ),
)
"""The plain way first; all others in the order of the table."""

PLAIN = BACKENDS[0]


def select_backends(names: Sequence[str]) -> list[Backend]:
    """Return the ways of these names, all if none are given; the plain one always comes along.

    Raises:
        NCAError: There is no such way; the nearest is suggested.
    """
    known = {way.name: way for way in BACKENDS}
    chosen = select_named("way to run an automaton", names, known, "--way")
    return chosen if PLAIN in chosen else [PLAIN, *chosen]


@contextmanager
def compiled_afresh() -> Iterator[None]:
    """Let compilers begin with nothing kept, inside the block and after it."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    torch.compiler.reset()
    with TemporaryDirectory(prefix="nca-bench-", ignore_cleanup_errors=True) as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            torch.compiler.reset()
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before

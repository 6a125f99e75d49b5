"""Which way a rollout takes its steps: the first of these that it asks for and that can be had.

Sharded among processes; as bits, where that is possible; fused, where that is demanded; compiled;
fused, where that is possible and right; sparse; in tiles, where that is faster; or else dense. A
new way is a file beside this one, and a line here.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch

from nca.backends.bits.stepper import BitStepper, bits_obstacle
from nca.backends.compiled import CompiledSteppers
from nca.backends.device_check import matches_plain_step
from nca.backends.fused import FusedStepper, fusion_obstacle
from nca.backends.sparse import SparseStepper, spares_cells
from nca.backends.tiled.stepper import TiledStepper, tiles_pay, tiling_obstacle
from nca.backends.triton import RolloutGraphs
from nca.distributed.block_stepper import BlockStepper, block_halo
from nca.distributed.sharded import ShardedStepper
from nca.distributed.sharding import Sharding
from nca.engine.rim import transformed
from nca.engine.state import State
from nca.engine.stepper import DenseStepper, Stepper, StepSpec
from nca.errors import ShapeError

CompileMode: TypeAlias = Literal["never", "training", "always"]
"""Where `torch.compile` makes the program of a step: nowhere, under gradients, everywhere."""


@dataclass(frozen=True)
class Execution:
    """How steps are wanted to be executed; see the arguments of `nca.Automaton`.

    Attributes:
        sparse: Whether cells that cannot change are left out; None: where that is faster.
        tiled: Whether steps are taken in tiles; None: where that is faster, on a CPU.
        bits: Whether cells of few states are stepped as bits; None: where that is possible.
        fused: Whether a step is one launch; None: where that is possible, on a CUDA device.
        compiled: Where `torch.compile` makes the program of a step; there, steps are fused only if
            that is demanded.
        sharding: How steps are divided among processes, or None.
    """

    sparse: bool | None = None
    tiled: bool | None = None
    bits: bool | None = None
    fused: bool | None = None
    compiled: CompileMode = "never"
    sharding: Sharding | None = None


def choose_stepper(
    spec: StepSpec,
    how: Execution,
    state: State,
    fire_rate: float,
    compiled: CompiledSteppers,
    graphs: RolloutGraphs | None = None,
) -> Stepper:
    """Return the way to take the steps of a rollout.

    Args:
        spec: What a step is.
        how: What is wanted.
        state: Where the rollout starts.
        fire_rate: Chance that a cell fires in it.
        compiled: Keeps what was compiled for earlier rollouts.
        graphs: Keeps the fused rollouts that are recorded on a CUDA device; None: none are.

    Raises:
        ShapeError: Steps of bits, fused steps or steps in tiles are demanded and impossible.
    """
    if how.sharding:
        sharding, kept = how.sharding, (fire_rate, compiled, graphs)
        alone = replace(how, sharding=None)

        def choose(part: State) -> Stepper:
            found = block_halo(spec, sharding, part)
            if found is None:
                around = replace(spec, topology=sharding.topology(spec.topology))
                return choose_stepper(around, alone, part, *kept)
            halo, pays = found
            regions = replace(alone, bits=False)  # to which each step would be packed anew
            # a program is compiled for one size
            pays = pays and how.compiled == "never"
            return BlockStepper(
                halo, pays, lambda region: choose_stepper(spec, regions, region, *kept)
            )

        return ShardedStepper(sharding, choose)
    if _bits(spec, how, state, fire_rate):
        return BitStepper(spec, state)
    compiles = how.compiled == "always" or (how.compiled == "training" and torch.is_grad_enabled())
    if (how.fused or not compiles) and _fused(spec, how, state, fire_rate):
        return FusedStepper(spec, state, graphs if state.samples.is_cuda else None)
    if compiles:
        return compiled.stepper(spec)
    tiled = TiledStepper(spec, state) if _tiled(spec, how, state, fire_rate) else None
    lists = tiled is not None and tiled.lists and not how.sparse
    spares = spares_cells(spec) and not lists and not transformed()
    if spares and how.sparse is not False and not how.tiled:
        return SparseStepper(spec, tiled, always=bool(how.sparse))
    return tiled or DenseStepper(spec)


def _bits(spec: StepSpec, how: Execution, state: State, fire_rate: float) -> bool:
    if how.bits is False or torch.compiler.is_compiling():
        return False
    if how.bits is None and (how.sparse or how.tiled or how.fused or how.compiled == "always"):
        return False
    obstacle = bits_obstacle(spec, state, fire_rate)
    if how.bits and obstacle:
        raise ShapeError(
            f"this automaton cannot be stepped as bits: {obstacle}.",
            where="Automaton(..., bits=True)",
            to_do="leave `bits` at None, to take steps of bits wherever they are possible",
        )
    return obstacle is None


def _tiled(spec: StepSpec, how: Execution, state: State, fire_rate: float) -> bool:
    if how.tiled is False:
        return False
    if not how.tiled:
        return tiling_obstacle(spec, state) is None and tiles_pay(spec, state, fire_rate)
    obstacle = tiling_obstacle(spec, state)
    if obstacle is None and how.sparse:
        obstacle = "sparse steps are demanded (sparse=True)"
    if obstacle is None:
        return True
    raise ShapeError(
        f"this automaton cannot take steps in tiles: {obstacle}.",
        where="Automaton(..., tiled=True)",
        to_do="leave `tiled` at None, to take them wherever they are faster",
    )


def _fused(spec: StepSpec, how: Execution, state: State, fire_rate: float) -> bool:
    if how.fused is False or torch.compiler.is_compiling():  # which makes programs of its own
        return False
    if how.fused is None and next(iter(state.values())).device.type != "cuda":
        return False
    obstacle = fusion_obstacle(spec, state)
    if obstacle is None and how.sparse:
        obstacle = "sparse steps are demanded (sparse=True)"
    if obstacle is None and (how.fused or matches_plain_step(spec, state, fire_rate)):
        return True
    if how.fused:
        raise ShapeError(
            f"this automaton cannot take fused steps: {obstacle}.",
            where="Automaton(..., fused=True)",
            to_do="leave `fused` at None, to take them wherever they are possible",
        )
    return False

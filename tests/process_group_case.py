"""A run that processes of a test share."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from nca import SILENT, ActivationMemory, CellRNG
from nca.checkpoint.read import read_recipe
from nca.distributed.group import ProcessGroup
from nca.evaluation.finish_run import finish_run
from nca.registry.discovery import discover, load_file
from nca.registry.registry import registry
from nca.training import probe
from nca.training.loop import train
from nca.training.memory_planner import IterationProbe, choose_memory
from nca.training.run import Run
from nca.types import Size

CPU = torch.device("cpu")


def shake(run: Run) -> None:
    """Move all weights: at a bias of zero, empty cells are on the kink of relu.

    There rounding, which is another for batches of another size, picks the slope.
    """
    drawn = CellRNG(1, 0, torch.arange(1))
    with torch.no_grad():
        for name, weight in run.modules.named_parameters():
            weight += 0.1 * drawn.normal(name, 1, (weight.numel(),)).view(weight.shape)


def settled(
    here: Path, name: str, free: int, shard: Size | None = None
) -> tuple[ActivationMemory, bool]:
    """Return what `auto` takes where the last process has less room than the others.

    And whether two iterations then peak at what was predicted, within 15 %.
    """
    group = ProcessGroup(dist.get_rank(), dist.get_world_size(), None, shard)
    discover()
    if "blobs" not in registry.names("dataset"):
        load_file(here / "blobs.py")
    # a validation would hold more at once than so small a batch
    keys = ["rollout.steps=24", "train.memory=auto", "train.iterations=2", "train.validate_every=0"]
    recipe = read_recipe(str(here / "tiny.toml"), keys)
    run = Run.start(recipe, here / name, CPU, None, SILENT, group)
    left = free if group.rank < group.count - 1 else free // 4
    with patch.object(probe, "free", lambda device: left):
        choose_memory(run, SILENT)
    predicted = {need.memory.mode: need.peak for need in IterationProbe(run).needs()}
    measured = probe.peak(lambda: train(run), CPU)
    memory = run.automaton.memory
    return memory, abs(measured / predicted[memory.mode] - 1) < 0.15


def averaged(here: Path, name: str) -> int:
    """Return how often the processes average gradients in two iterations."""
    group = ProcessGroup(dist.get_rank(), dist.get_world_size())
    discover()
    if "blobs" not in registry.names("dataset"):
        load_file(here / "blobs.py")
    recipe = read_recipe(str(here / "tiny.toml"), ["train.iterations=2", "train.validate_every=0"])
    run = Run.start(recipe, here / name, CPU, None, SILENT, group)
    wrap_ddp, count = ProcessGroup.wrap_ddp, 0

    def counted(state: Any, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
        nonlocal count
        count += 1
        return allreduce_hook(state, bucket)

    def counting(self: ProcessGroup, module: nn.Module) -> nn.Module:
        made = wrap_ddp(self, module)
        assert isinstance(made, DistributedDataParallel)
        made.register_comm_hook(None, counted)
        return made

    with patch.object(ProcessGroup, "wrap_ddp", counting):
        train(run)
    return count


def trained(
    here: Path,
    name: str,
    overrides: tuple[str, ...] = (),
    shard: Size | None = None,
    going_on: bool = False,
    dtype: torch.dtype = torch.float64,
) -> list[dict[str, Any]]:
    """Train the tiny recipe, or go on with it, and return what was measured.

    Its weights are moved first; in float32 it is the run that the command line starts.
    """
    group = ProcessGroup(dist.get_rank(), dist.get_world_size(), None, shard)
    torch.set_default_dtype(dtype)
    try:
        discover()
        if "blobs" not in registry.names("dataset"):
            load_file(here / "blobs.py")
        if going_on:
            run = Run.resume(here / name, CPU, None, SILENT, overrides, group)
        else:
            recipe = read_recipe(str(here / "tiny.toml"), overrides)
            run = Run.start(recipe, here / name, CPU, None, SILENT, group)
            if dtype == torch.float64:
                shake(run)
        train(run)
        rows = finish_run(run, None)
        if run.lock:
            run.lock.release()  # another of the processes may lead when it goes on
        return [row.to_json() for row in rows]
    finally:
        torch.set_default_dtype(torch.float32)

"""A run that processes of a test share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from nca import SILENT, ActivationMemory, Batch, CellRNG, HostRNG, State
from nca.checkpoint.read import read_recipe
from nca.distributed.common import in_common
from nca.distributed.group import ProcessGroup
from nca.distributed.halo import Transfer
from nca.distributed.shares import SampleShares
from nca.evaluation.finish_run import evaluate_trained, finish_run, load_best
from nca.registry.discovery import discover, load_file
from nca.registry.registry import registry
from nca.tasks.task import Task
from nca.training import probe
from nca.training.gradient_descent import GradientDescent
from nca.training.loop import train
from nca.training.memory_planner import IterationProbe, choose_memory
from nca.training.run import Run
from nca.types import Size, Split

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
    keys += ["train.batch=16", "pool.size=16"]
    recipe = read_recipe(str(here / "tiny.toml"), keys)
    run = Run.start(recipe, here / name, CPU, None, SILENT, group)
    left = free if group.rank < group.count - 1 else free // 4
    with patch.object(probe, "free", lambda device: left):
        choose_memory(run, SILENT)
    predicted = {need.memory.mode: need.peak for need in IterationProbe(run).needs()}
    measured = probe.peak(lambda: train(run), CPU)
    memory = run.automaton.memory
    return memory, abs(measured / predicted[memory.mode] - 1) < 0.15


def shares(here: Path, name: str, shard: Size | None = None) -> dict[str, Any]:
    """Train the tiny recipe, and return what this process held, and what came out of it.

    Returns:
        `pool`: numbers in the pool; `drawn` and `judged`: the most samples of a batch that the
        task made, and whose loss it returned; `evaluated`: how many it made to evaluate on;
        `rows`: what was measured; `weights`: by name.
    """
    group = ProcessGroup(dist.get_rank(), dist.get_world_size(), None, shard)
    torch.set_default_dtype(torch.float64)
    try:
        discover()
        if "blobs" not in registry.names("dataset"):
            load_file(here / "blobs.py")
        recipe = read_recipe(str(here / "tiny.toml"), ())
        run = Run.start(recipe, here / name, CPU, None, SILENT, group)
        shake(run)
        drawn, judged, evaluated, task = [], [], [], run.task
        make, judge, evaluate = task.training_batch, task.loss, type(task).evaluation_batch

        def evaluation_batch(self: Task, split: Split, index: torch.Tensor) -> Batch:
            evaluated.append(len(index))
            return evaluate(self, split, index)

        def training_batch(draw: HostRNG, samples: torch.Tensor) -> Batch:
            drawn.append(len(samples))
            return make(draw, samples)

        def loss(states: Sequence[State], batch: Batch) -> dict[str, torch.Tensor]:
            judged.append(batch.state.batch)
            return judge(states, batch)

        with patch.object(task, "training_batch", training_batch), patch.object(task, "loss", loss):
            train(run)
        with patch.object(type(task), "evaluation_batch", evaluation_batch):
            trained = load_best(run)
            trained.prepare(None, SILENT)
            evaluate_trained(trained, "test", shares=group.samples)
        rows = [row.to_json() for row in finish_run(run, None)]
        pool = sum(tensor.numel() for tensor in run.pool.tensors().values()) if run.pool else 0
        weights = {n: weight.detach().clone() for n, weight in run.modules.named_parameters()}
        most = {"drawn": max(drawn), "judged": max(judged), "evaluated": evaluated}
        return {"pool": pool, **most, "rows": rows, "weights": weights}
    finally:
        torch.set_default_dtype(torch.float32)


def moved(size: int, index: torch.Tensor) -> list[torch.Tensor]:
    """Return what `SampleShares` fetches, leaves behind and shows in pieces, of numbered rows."""
    share = SampleShares(dist.get_rank(), dist.get_world_size())
    own, found = share.own(size), []
    for dtype in (torch.float64, torch.int64, torch.bool):
        table = torch.arange(2.0 * size).view(size, 2).remainder(7).gt(2)
        table = table if dtype == torch.bool else torch.arange(2 * size).view(size, 2).to(dtype)
        rows = table[own].clone()
        fetched = share.fetch(rows, index, size)
        assert fetched.equal(table[index[share.own(len(index))]])
        given = ~fetched if dtype == torch.bool else -fetched
        share.store(rows, index, size, given)
        found.append(torch.cat(list(share.pieces(rows, size))))
    return found


def held_in_common(alike: bool) -> tuple[list[float], bool]:
    """Return what a tensor holds after the last process has written to it, and if it is its own."""
    group = ProcessGroup(dist.get_rank(), dist.get_world_size())
    own = torch.arange(1 << 18, dtype=torch.float32) + (0 if alike else group.rank)
    found = in_common(own.view(2, -1), group)
    assert found.equal(own.view(2, -1))
    group.wait()
    if alike and group.rank == group.count - 1:
        found[1, 0] = -5
    group.wait()
    return found[1, :2].tolist(), found.data_ptr() == own.data_ptr()


def images_in_common(here: Path, name: str) -> tuple[int, bool]:
    """Return how many tensors a task holds in common with others, and if they are as they were."""
    group = ProcessGroup(dist.get_rank(), dist.get_world_size())
    discover()
    if "blobs" not in registry.names("dataset"):
        load_file(here / "blobs.py")
    recipe = read_recipe(str(here / "tiny.toml"), ())
    with patch("nca.distributed.common.LEAST", 1):
        task: Any = Run.start(recipe, here / name, CPU, None, SILENT, group).task
    alone: Any = recipe.task()
    alone.prepare(CPU)
    mapped = [
        line for line in Path("/proc/self/maps").read_text().splitlines() if "/tensor" in line
    ]
    return len(mapped), all(task.images[split].equal(alone.images[split]) for split in task.images)


def two_iterations(here: Path, name: str) -> Run:
    """Return a new run of two iterations in all processes."""
    group = ProcessGroup(dist.get_rank(), dist.get_world_size())
    discover()
    if "blobs" not in registry.names("dataset"):
        load_file(here / "blobs.py")
    recipe = read_recipe(str(here / "tiny.toml"), ["train.iterations=2", "train.validate_every=0"])
    return Run.start(recipe, here / name, CPU, None, SILENT, group)


def averaged(here: Path, name: str) -> int:
    """Return how often the processes average gradients in two iterations."""
    run = two_iterations(here, name)
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


def order_of_events(here: Path, name: str) -> list[str]:
    """Return when rows are sent and awaited, and when gradients come back, in two iterations."""
    run = two_iterations(here, name)
    events, backward = list[str](), torch.Tensor.backward

    class Noted(Transfer):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            events.append("send")

        def wait(self) -> dict[int, torch.Tensor]:
            events.append("wait")
            return super().wait()

    def noted(loss: torch.Tensor) -> None:
        events.append("back")
        backward(loss)
        events.append("done")

    descent = GradientDescent(run)
    with (
        patch("nca.distributed.shares.Transfer", Noted),
        patch.object(torch.Tensor, "backward", noted),
    ):
        for _ in range(2):
            descent.move(descent.look())
            run.iteration += 1
    return events


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

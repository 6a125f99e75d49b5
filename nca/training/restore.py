"""What is wrong with the training part of a checkpoint: asked before any of it is used.

The optimiser's moments, the averaged weights and the pool come out of a file as the weights do:
shapes that do not fit would be read and written outside of their memory.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from nca.checkpoint.file import Checkpoint, lost_weights
from nca.checkpoint.fit import misfits
from nca.distributed.pieces import TensorPieces
from nca.tasks.task import Task

MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""What the optimiser keeps of each weight: means of its gradient and of the square, and a count."""


def restore_faults(
    checkpoint: Checkpoint,
    modules: nn.ModuleDict,
    iterations: int,
    average: Mapping[str, Tensor] | None,
    pool: Mapping[str, TensorPieces] | None,
    *,
    copied: bool = False,
) -> list[str]:
    """Return in words all that keeps a run from going on from a checkpoint.

    Args:
        checkpoint: What was read.
        modules: Those of the run, with their first weights.
        iterations: The last iteration of the recipe.
        average: What the averaged weights are to be like, if there are any.
        pool: What the pool is to hold, if there is one.
        copied: Whether its weights were once those of another member of a population.
    """
    given = checkpoint.part
    return [
        *_iteration(checkpoint.iteration, iterations),
        *(f"{at}: {what}" for at in modules for what in _weights(given(at), modules[at])),
        *(f"optimiser: {what}" for what in _moments(checkpoint, modules, copied)),
        *(f"average: {what}" for what in _average(given("average"), average)),
        *(f"pool: {what}" for what in _pool(given("pool"), pool, _ranges(modules))),
    ]


def _iteration(iteration: int, last: int) -> Iterator[str]:
    if iteration > last:
        yield f"it is from iteration {iteration:,}, beyond the recipe's last, {last:,}"


def _weights(given: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    found = misfits(given, module.state_dict())
    return found or [f"{name} is not finite" for name in lost_weights(given, module)]


def _average(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor] | None) -> list[str]:
    if wanted is None:
        return []
    found = misfits(given, wanted, exact=True)
    return found or [f"{name} is not finite" for name in sorted(given) if not _finite(given[name])]


def _pool(
    given: Mapping[str, Tensor],
    wanted: Mapping[str, TensorPieces] | None,
    ranges: Mapping[str, tuple[int, int]],
) -> list[str]:
    if wanted is None:
        return []
    return misfits(given, wanted, exact=True) or list(_out_of_ranges(given, ranges))


def _ranges(modules: nn.ModuleDict) -> dict[str, tuple[int, int]]:
    task = modules["task"]
    assert isinstance(task, Task)
    return {f"truth.{name}": bounds for name, bounds in task.truth_ranges().items()}


def _out_of_ranges(
    given: Mapping[str, Tensor], ranges: Mapping[str, tuple[int, int]]
) -> Iterator[str]:
    for name in sorted(given.keys() & ranges.keys()):
        least, greatest = (int(bound) for bound in given[name].aminmax())
        low, high = ranges[name]
        if least < low or greatest > high:
            yield f"{name} has numbers from {least} to {greatest}, not within {low} to {high}"


def _moments(checkpoint: Checkpoint, modules: nn.ModuleDict, copied: bool) -> list[str]:
    given = checkpoint.part("optimiser")
    wanted: dict[str, Tensor] = {}
    for number, (name, weight) in enumerate(modules.named_parameters()):
        names = [f"{number}.{moment}" for moment in MOMENTS]
        kept = any(each in given for each in names)
        # a weight that no gradient has reached has no moments, and is what it was at first: in
        # this member, or in one that it was copied from
        trained = checkpoint.iteration and not copied
        if kept or (trained and _moved(checkpoint.tensors.get(name), weight)):
            count = torch.zeros((), dtype=torch.float32)  # whatever the weights are
            wanted |= zip(names, (weight, weight, count), strict=True)
    found = misfits(given, wanted, exact=True)
    return found or list(_out_of_range(given, checkpoint.iteration))


def _moved(given: Tensor | None, first: Tensor) -> bool:
    if given is None or given.shape != first.shape:
        return False  # which is said of the weight itself
    return not torch.equal(given.to(first.dtype), first.detach().cpu())


def _out_of_range(given: Mapping[str, Tensor], iteration: int) -> Iterator[str]:
    for name, tensor in sorted(given.items()):
        if not _finite(tensor):
            yield f"{name} is not finite"
        elif name.endswith(".step"):
            count = tensor.item()
            if count != int(count) or not 1 <= count <= iteration:
                yield f"{name} is {count:g}, not a whole number from 1 to {iteration:,}"
        elif name.endswith(".exp_avg_sq") and (tensor < 0).any():
            yield f"{name} has numbers below 0"


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())

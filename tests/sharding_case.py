"""What processes do together in tests of split states: functions that can be sent to them."""

from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nca import (
    ActivationMemory,
    Alive,
    Automaton,
    CellRNG,
    Correlation,
    Layout,
    Level,
    Noise,
    RuleContext,
    Skip,
    State,
    Topology,
    UpdateRule,
    View,
)
from nca.distributed import block_stepper
from nca.distributed.block_stepper import BlockStepper
from nca.distributed.sharding import BatchSharding, GridSharding, Sharding
from nca.types import Size

LAYOUT = Layout([Level("ground", 2, input=True), Level("body", 4), Level("top", 3)])
PYRAMID = Layout(
    [
        Level("ground", 2, input=True, refine="bilinear"),
        Level("body", 4, scale=2, coarsen="stack", refine="bilinear"),
        Level("top", 3, scale=4, refine="bilinear"),
    ]
)
BATCH = 3


class Blend(UpdateRule):
    """Weights over a neighbourhood of a level, through a shared kernel or a wide look around."""

    def __init__(
        self, place: RuleContext, source: str, radius: int, *, declared: bool = False
    ) -> None:
        super().__init__()
        self.reads = ("own", source)
        self.source, self.radius, self.declared = source, radius, declared
        shape = (place.own.channels, place.level(source).channels, *[2 * radius + 1] * place.axes)
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(place.own.channels))

    def forward(self, view: View) -> Tensor:
        if self.declared:
            seen = view.perceive(Correlation(self.source, self.weight, self.bias))
            return seen.tanh() + 0.1 * view.neighbours(view.own).square().mean(1)
        where = view.coordinates.sum(1, keepdim=True)
        kept = view.chance(0.8, 1, "kept")
        return kept * (
            where + view.correlate(view.level(self.source), self.weight, self.bias).sin()
        )


def automaton(
    radius: int,
    boundary: Any,
    dead: Any,
    every: int | None,
    layout: Layout = LAYOUT,
    axes: int = 2,
) -> Automaton:
    """Return an automaton of two levels over an input, with all that time can do to them."""
    body, top = RuleContext(layout, "body", axes), RuleContext(layout, "top", axes)
    made = Automaton(
        layout,
        {
            "body": [Blend(body, "ground", 1, declared=True), Blend(body, "top", radius)],
            "top": [Blend(top, "body", 1, declared=True), Blend(top, "top", 0)],
        },
        topology=Topology(boundary),
        fire_rate=0.6,
        noise=Noise(0.05),
        alive=Alive("body", 3, 0.2, 2, dead) if dead else None,
        skips=[Skip(2, 0.3, at_end=True)],
        step_size=0.3,
        coordinates=True,
        memory=ActivationMemory("segments", every=every) if every else ActivationMemory("store"),
    ).double()
    drawn = CellRNG(5, 0, torch.arange(1))
    with torch.no_grad():
        for name, weight in made.named_parameters():
            numbers = drawn.normal(name, 1, (weight.numel(),)).view(weight.shape)
            weight.copy_(numbers / max(weight[0].numel(), 1) ** 0.5)
    return made


def first(size: Size, batch: int = BATCH, layout: Layout = LAYOUT) -> State:
    """Return a random state, far from the beginning of its life."""
    empty = layout.zeros(batch, size, random_seed=9, dtype=torch.float64)
    drawn = {n: empty.rng.normal(n, t.shape[1], empty.size(n)).double() for n, t in empty.items()}
    state = empty.replace(drawn, samples=torch.arange(batch) + 70, step=3)
    return state.map(lambda tensor: tensor.requires_grad_())


def parts_of(kind: str, shape: Size, size: Size, coarsest: int = 1) -> Sharding:
    rank = dist.get_rank()
    return (
        GridSharding(rank, shape, size, coarsest)
        if kind == "cells"
        else BatchSharding(rank, dist.get_world_size())
    )


def future(made: Automaton, state: State) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Return a state two rollouts later, and what a loss over both says of weights and start."""
    middle = made.rollout(state, 3)
    end = made.finish(made.step(made.rollout(middle, 2)))
    coupled = end["top"].mean(0).square().sum() + middle["body"].cos().mean()
    loss = coupled + sum(end[name].pow(3).mean() for name in made.writable_levels)
    sources = [*made.parameters(), *state.values()]
    gradients = torch.autograd.grad(loss, sources, materialize_grads=True)
    return {n: t.detach() for n, t in end.items()}, list(gradients)


def split_future(kind: str, shape: Size, size: Size, options: tuple[Any, ...]) -> Any:
    """Return the same of processes, gradients averaged over them as PyTorch's engine does."""
    made = automaton(*options)
    made.sharding = parts_of(kind, shape, size, made.layout.coarsest)
    levels, gradients = future(made, first(size, layout=made.layout))
    # of cells alone in their block, each process may lay out the numbers another way
    gradients = [gradient.contiguous() for gradient in gradients]
    for gradient in gradients:
        dist.all_reduce(gradient)
        gradient /= dist.get_world_size()
    return levels, gradients


def future_by_blocks(
    shape: Size, size: Size, options: tuple[Any, ...], overlaps: bool
) -> tuple[Any, int]:
    """Return the same of blocks with one exchange a step, and how many steps had one."""
    steps, plain = 0, BlockStepper.step

    def counted(self: BlockStepper, state: State, fire_rate: float) -> State:
        nonlocal steps
        steps += self.overlaps == overlaps
        return plain(self, state, fire_rate)

    bounds = {"STRIPS": float("inf") if overlaps else 0, "MARGINS": float("inf")}
    with patch.multiple(block_stepper, **bounds), patch.object(BlockStepper, "step", counted):
        return split_future("cells", shape, size, options), steps


def own_block(shape: Size, size: Size, options: tuple[Any, ...]) -> Any:
    """Return the future of a block that was made by its process, and where it lies."""
    cells = GridSharding(dist.get_rank(), shape, size)
    whole = first(size).detach()
    start, block = cells.window.start, cells.block
    own = whole.map(
        lambda t: t[:, :, start[0] : start[0] + block[0], start[1] : start[1] + block[1]]
    )
    made = automaton(*options)
    made.topology = cells.topology(made.topology)
    with torch.no_grad():
        end = made.rollout(own.replace(window=cells.window), 3)
    return start, block, dict(end.levels)


def padded(boundary: Any, shape: Size, size: Size, radii: Size) -> Any:
    """Return numbered cells with those beyond the edge of each block, and truth values too."""
    cells = GridSharding(dist.get_rank(), shape, size)
    numbers = torch.arange(1.0, size[0] * size[1] + 1).view(1, 1, *size)
    topology = cells.topology(Topology(boundary))
    start, (height, width) = cells.window.start, cells.block
    own = numbers[:, :, start[0] : start[0] + height, start[1] : start[1] + width]
    truths = topology.pad(own % 2 > 0, radii)
    moved = topology.shift(own, (-2, 3))
    return start, (height, width), topology.pad(own, radii), truths, moved

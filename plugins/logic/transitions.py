"""Learn what a rule does to its neighbourhoods."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from torch import Tensor

from nca import (
    Automaton,
    Batch,
    ChannelColours,
    Display,
    Fault,
    HostRNG,
    OptionError,
    RuleContext,
    Share,
    State,
    Task,
    TaskContext,
    named_rule,
    register,
    to_device,
)
from nca.metrics import wide
from nca.types import Fraction, RuleSpec, Samples, Size, Split
from nca_plugins.logic.neighbourhoods import SIDES, every_neighbourhood


@register.task("transitions")
class Transitions(Task):
    """Do with every cell what another rule does, step by step, on a torus.

    Args:
        setting: The run that the task belongs to.
        teacher: The other rule: its name, or `{ name = "life", rule = "B36/S23" }`. It may have
            no weights.
        cells: What the grid begins with: `every` neighbourhood of radius 1 once, on 8 cells or on
            8 x 64, or repeated on sides that are multiples of these; or cells that are on at
            `random`.
        density: The share of random cells that are on.
        share: The share of the cells that an iteration learns from, drawn anew for each; less than
            all keeps gates from settling where a few cells stay wrong.
        level: The level that learns; the top level unless named.
        trials: How many random grids an evaluation looks at.
    """

    headline = "cells right"
    better = "more"

    def __init__(
        self,
        setting: TaskContext,
        *,
        teacher: RuleSpec,
        cells: Literal["every", "random"] = "every",
        density: Fraction = 0.5,
        share: Annotated[float, Gt(0), Le(1)] = 1.0,
        level: str = "",
        trials: Samples = 8,
    ) -> None:
        super().__init__(setting)
        self.level = setting.grid_level(level or list(setting.layout)[-1], "level")
        self.cells, self.density, self.trials = cells, density, trials
        self.share = share
        context = RuleContext(setting.layout, self.level.name, len(setting.size))
        rule = named_rule(teacher, "teacher", context, setting.files)
        faults = []
        if list(rule.parameters()):
            faults.append(Fault(("teacher",), "has weights of its own", "name a rule without"))
        if rule.reads != ("own",):
            to_do = "name a rule that reads its own level alone"
            faults.append(Fault(("teacher",), f"reads {', '.join(rule.reads)}", to_do))
        if self.level.input:
            faults.append(Fault(("level",), "is an input", "name a level that rules write to"))
        if cells == "every":
            faults += _misfits(setting.size, self.level.channels, rule.radius)
        if faults:
            raise OptionError(faults, "Transitions(...)")
        self.teacher = Automaton(setting.layout, {self.level.name: [rule]})

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return a first grid for each sample number: the same, or random ones."""
        size, layout = self.context.size, self.context.layout
        state = layout.zeros(
            len(samples), size, random_seed=draw.random_seed, device=samples.device
        ).replace({}, samples=samples)
        if self.cells == "every":
            grid = to_device(_repeated(every_neighbourhood(len(size)), size), samples.device)
            cells = grid.expand(len(samples), self.level.channels, *size)
        else:
            source = draw.cells(samples)
            cells = source.chance("transitions", self.density, self.level.channels, size)
        first = state[self.level.name]
        return Batch(state.replace({self.level.name: cells.to(first.dtype).clone()}))

    def evaluation_count(self, split: Split) -> int:
        """Return how many first grids a split has."""
        return 1 if self.cells == "every" else self.trials

    def evaluation_batch(self, split: Split, index: Tensor) -> Batch:
        """Return first grids; their sample numbers count down from -1, or from below those."""
        samples = -1 - index - (self.evaluation_count(split) if split == "test" else 0)
        return self.training_batch(HostRNG(self.context.random_seed, 0), samples)

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return the squared differences from what the teacher makes of the same cells, summed."""
        learnt = self._learnt(batch)
        errors = []
        for state in states:
            away = (state[self.level.name] - self._truth(state, batch)).square()
            errors.append((away if learnt is None else away * learnt).flatten(1).sum(dim=1))
        return {"squared": torch.stack(errors).mean(dim=0)}

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return the share of cells that are right, and of grids whose cells all are."""
        wrong = (state[self.level.name] - self._truth(state, batch)).abs() >= 0.5
        right = wide((~wrong).flatten(1))
        whole = torch.full_like(right[:, 0], right.shape[1])
        return {
            "cells right": Share(right.sum(dim=1), whole),
            "grids right": Share.of(right.amin(dim=1)),
        }

    def display(self) -> Display:
        """Return the first grid, in black and white."""
        first = self.training_batch(HostRNG(self.context.random_seed, 0), -1 - torch.arange(1))
        return Display(first.state, ChannelColours(self.level.name, channels=(0, 0, 0)))

    def picture(self, state: State) -> Tensor:
        """Return the first channel as grey, a row of cells as a row of pixels."""
        grey = state[self.level.name][:, :1].float().clamp(0, 1)
        grey = grey if grey.ndim == 4 else grey.unsqueeze(2)
        return grey.expand(-1, 3, -1, -1)

    def _learnt(self, batch: Batch) -> Tensor | None:
        """Return which cells this iteration learns from, `(B, 1, *space)`, or None: all."""
        if self.share == 1:
            return None
        source = batch.draw.cells(batch.state.samples)
        return source.chance("transitions/learnt", self.share, 1, self.context.size)

    @torch.no_grad()
    def _truth(self, state: State, batch: Batch) -> Tensor:
        """Return what the teacher makes of a batch in as many steps as a state has taken."""
        steps = state.step - batch.state.step
        device = state[self.level.name].device
        self.teacher.to(device)
        # steps of bits ask first whether all numbers are states, and a GPU would be waited for
        self.teacher.bits = None if device.type == "cpu" else False
        return self.teacher.rollout(batch.state, steps)[self.level.name]


def _misfits(size: Size, channels: int, radius: int) -> Iterator[Fault]:
    """Yield why not every neighbourhood can stand in a grid."""
    to_do = 'cells = "random" takes any'
    sides = SIDES.get(len(size))
    if sides is None or any(have % side for have, side in zip(size, sides, strict=True)):
        words = "[grid] size = [8], or [8, 64], or multiples of them; " + to_do
        yield Fault(("cells",), f"do not fit a grid of {list(size)} cells", words)
    if channels != 1:
        yield Fault(("cells",), f"do not fit {channels} channels", f"one channel; {to_do}")
    if radius > 1:
        yield Fault(("teacher",), f"sees {radius} cells far", f"a rule of radius 1; {to_do}")


def _repeated(grid: Tensor, size: Size) -> Tensor:
    """Return a grid repeated over another size, cut where it ends."""
    for axis, side in enumerate(size):
        grid = grid.index_select(axis, torch.arange(side) % grid.shape[axis])
    return grid

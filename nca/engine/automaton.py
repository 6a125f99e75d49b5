"""The automaton: every rule reads the same old state, then time passes for all levels at once.

One step, in this order:
1. the rules of each level propose changes, which are summed and scaled by the step size;
2. noise is added to the change;
3. the change is kept where the cell fires, and, where an alive mask freezes the dead, lives;
4. it is added to the level;
5. where an alive mask clears the dead, cells not alive both before and after become zero;
6. temporal skip connections add a remembered state, and remember this one.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from nca.backends.fused import Fused, fuse
from nca.backends.sparse import SparseInputs, select_cells
from nca.engine.activation_memory import ActivationMemory
from nca.engine.conditions import Alive, Noise, Skip, remember
from nca.engine.layout import Layout
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs, Kernels
from nca.engine.topology import TORUS, Topology
from nca.engine.view import RuleContext, View
from nca.errors import ShapeError
from nca.types import Count, Fraction, Natural, Positive, Size
from nca.validation.checked import checked, checked_value
from nca.validation.faults import refuse


class Automaton(nn.Module):
    """Levels, their rules, and the passing of time.

    Args:
        layout: The levels, bottom level first.
        rules: The rules of each level; levels without rules may be left out.
        topology: What lies beyond the edge of the grid.
        fire_rate: Chance that a cell updates in a step; all channels of a level fire together.
        noise: Added to every change, or None.
        alive: Which cells live, or None: all do.
        skips: Temporal skip connections, in the order in which they are added.
        step_size: Factor of every change.
        coordinates: Whether rules may ask where in the grid a cell is.
        memory: What a rollout keeps for its gradient; everything, unless it says otherwise.
        sparse: Whether steps work on a list of the cells that can change, where an alive mask
            spares the others and all rules of a level are cellwise; None: where it is faster.
        fused: Whether a step is one launch of a program made for it (`nca.why_not_fused`); None:
            where it is possible, on a CUDA device.

    Raises:
        ShapeError: A rule on an input or missing level, or one that reads a missing level.
        OptionError: A number out of its range; an alive mask or skip that names a missing level
            or channel.
    """

    @checked
    def __init__(
        self,
        layout: Layout,
        rules: Mapping[str, Sequence[UpdateRule]],
        *,
        topology: Topology = TORUS,
        fire_rate: Fraction = 1.0,
        noise: Noise | None = None,
        alive: Alive | None = None,
        skips: Sequence[Skip] = (),
        step_size: Positive = 1.0,
        coordinates: bool = False,
        memory: ActivationMemory = ActivationMemory(),  # noqa: B008, it is frozen
        sparse: bool | None = None,
        fused: bool | None = None,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.topology = topology
        self.fire_rate: Fraction = fire_rate
        self.noise = noise
        self.alive = alive
        self.skips = tuple(skips)
        self.step_size = step_size
        self.coordinates = coordinates
        self.memory = memory
        self.sparse = sparse
        self.fused = fused
        for name in rules:
            if hasattr(nn.ModuleDict, name) or name in ("own", "below", "above", "training"):
                raise ShapeError(
                    f'a level with rules cannot be named "{name}": torch or views use that word.',
                    where=f"levels: {', '.join(layout)}",
                    to_do="give the level another name",
                )
        self.rules = nn.ModuleDict({name: nn.ModuleList(own) for name, own in rules.items()})
        self._check()

    @property
    def writable_levels(self) -> list[str]:
        """The levels that may change: all but the input."""
        return [name for name, level in self.layout.items() if not level.input]

    def rules_of(self, name: str) -> list[UpdateRule]:
        """Return the rules of a level, in the order in which their changes are summed."""
        return list(cast(Iterable[UpdateRule], self.rules[name])) if name in self.rules else []

    def seed(self, batch: int, size: Size, *, random_seed: int = 0) -> State:
        """Return an empty state on the automaton's device, in its dtype."""
        like = next(itertools.chain(self.parameters(), self.buffers()), torch.empty(0))
        return self.layout.zeros(
            batch,
            size,
            random_seed=random_seed,
            device=like.device,
            dtype=like.dtype if like.is_floating_point() else None,
        )

    def step(self, state: State, *, fire_rate: float | None = None) -> State:
        """Let one step pass.

        Args:
            state: The old state; it is left untouched.
            fire_rate: Use this chance instead of the automaton's own.

        Raises:
            ShapeError: The state does not fit the layout, or a rule's change does not fit its
                level.
            OptionError: A chance that is none.
        """
        self.layout.check(state, "step(state)")
        rate = self._rate(fire_rate, "step(state, fire_rate=...)")
        return self._advance_by(state, 1, rate, self._kernels(), fuse(self, state))

    def rollout(self, state: State, steps: int, *, fire_rate: float | None = None) -> State:
        """Let many steps pass and return the last state; see `step`."""
        self.layout.check(state, "rollout(state)")
        steps = checked_value(Natural, "steps", steps, "rollout(state, steps)")
        rate = self._rate(fire_rate, "rollout(state, steps, fire_rate=...)")
        advance = partial(
            self._advance_by, fire_rate=rate, kernels=self._kernels(), fused=fuse(self, state)
        )
        return self.memory.run(advance, state, steps)

    def trajectory(
        self, state: State, steps: int, every: int = 1, *, fire_rate: float | None = None
    ) -> list[State]:
        """Return the first state, every so many steps another, and the last; see `step`."""
        steps = checked_value(Natural, "steps", steps, "trajectory(state, steps)")
        every = checked_value(Count, "every", every, "trajectory(state, steps, every)")
        states = [state]
        for start in range(0, steps, every):
            count = min(every, steps - start)
            states.append(self.rollout(states[-1], count, fire_rate=fire_rate))
        return states

    def finish(self, state: State) -> State:
        """Return the state to read results from: with what skips add at the end of a rollout."""
        if not state.remembered:
            return state
        pairs = zip(self.skips, state.remembered, strict=True)
        ending = [(skip, old) for skip, old in pairs if skip.at_end]
        levels = dict(state.levels)
        for skip, old in ending:
            levels.update({name: skip.add(levels[name], kept) for name, kept in old.items()})
        return state.replace(levels)

    def alive_mask(self, state: State) -> Tensor | None:
        """Return which cells live, bool `(B, 1, *space)`, or None without an alive mask."""
        if self.alive is None:
            return None
        channel = state[self.alive.level].narrow(1, self.alive.channel, 1)
        return self.topology.maximum(channel, self.alive.radius) > self.alive.above

    def clear_dead(self, state: State, lived: Tensor | None = None) -> State:
        """Return the state with zeros wherever no cell lives, on every level but the input.

        Args:
            state: The state to clear.
            lived: Which cells lived before, bool `(B, 1, *space)`; the others are cleared too.
        """
        living = self.alive_mask(state)
        if living is None:
            return state
        if lived is not None:
            living = living & lived
        return state.replace({name: state[name] * living for name in self.writable_levels})

    def _advance_by(
        self, state: State, steps: int, fire_rate: float, kernels: Kernels, fused: Fused | None
    ) -> State:
        state = state.map(channels_last)
        for _ in range(steps):
            state = self._advance(DenseInputs(state, self.topology, kernels), fire_rate, fused)
        return state

    def _rate(self, fire_rate: float | None, where: str) -> float:
        if fire_rate is None:
            return self.fire_rate
        return checked_value(Fraction, "fire_rate", fire_rate, where)

    def _kernels(self) -> Kernels:
        kernels = {}
        for name in self.rules:
            place = RuleContext(self.layout, name, topology=self.topology)
            for number, rule in enumerate(self.rules_of(name)):
                kernel = rule.kernel()
                if kernel:
                    level = place.level(kernel.level).name
                    kernels[_stream(name, number)] = replace(kernel, level=level)
        return Kernels(kernels)

    def _advance(self, scene: DenseInputs, fire_rate: float, fused: Fused | None = None) -> State:
        state = scene.state
        before = (fused or self).alive_mask(state)
        levels = fused.step(state, before, fire_rate) if fused else {}
        for name in [] if fused else self.writable_levels:
            few = self._few(scene, name, before, fire_rate)
            change = self._change(few or scene, name)
            if change is None:
                continue
            if few:
                levels[name] = few.changed(name, change)
                continue
            if fire_rate < 1:
                change = change * state.rng.chance(f"fire/{name}", fire_rate, 1, state.size(name))
            if before is not None and self.alive and self.alive.dead == "frozen":
                change = change * before
            levels[name] = (state[name] + change).to(state[name].dtype)
        after = state.replace(levels, step=state.step + 1)
        if before is not None and self.alive and self.alive.dead == "cleared":
            after = (fused or self).clear_dead(after, before)
        return remember(self.skips, self.writable_levels, state, after)

    def _few(
        self, scene: DenseInputs, name: str, before: Tensor | None, fire_rate: float
    ) -> SparseInputs | None:
        """Return the cells of a level that can change as a list, if that is worth it."""
        if before is None or self.alive is None or self.sparse is False:
            return None
        if not all(rule.cellwise for rule in self.rules_of(name)):
            return None
        if self.alive.dead == "cleared" and name == self.alive.level:
            # next to the living, a cell that comes alive keeps them alive before it is cleared
            before = self.topology.maximum(before, self.alive.radius)
        return select_cells(scene, before, f"fire/{name}", fire_rate, always=bool(self.sparse))

    def _change(self, scene: DenseInputs | SparseInputs, name: str) -> Tensor | None:
        state = scene.state
        change: Tensor | None = None
        for number, rule in enumerate(self.rules_of(name)):
            place = RuleContext(self.layout, name, state.axes, self.topology, self.coordinates)
            reads = frozenset(place.level(read).name for read in rule.reads)
            proposed = rule(View(scene, place, reads, _stream(name, number)))
            if proposed.shape != scene.level(name).shape:
                raise ShapeError(
                    f'a change of "{name}" has shape {tuple(proposed.shape)}, '
                    f"but the level {tuple(scene.level(name).shape)}.",
                    where=f"{type(rule).__name__}, rule {number} of level {name!r}",
                    to_do="return the change in the shape of `view.own`",
                )
            change = proposed if change is None else change + proposed
        if change is not None and self.step_size != 1:
            change = change * self.step_size
        noise = self.noise
        if noise and noise.scale and (self.training or noise.when == "always"):
            draw = scene.rng.normal if noise.kind == "normal" else scene.rng.uniform
            drawn = draw(f"noise/{name}", self.layout[name].channels, state.size(name))
            drawn = noise.scale * drawn.to(state[name].dtype)
            change = drawn if change is None else change + drawn
        return change

    def _check(self) -> None:
        for name in self.rules:
            rules = self.rules_of(name)
            if self.layout[name].input:
                raise ShapeError(
                    f'level "{name}" holds the input, so that nothing may write to it.',
                    where=f"its rules: {', '.join(type(rule).__name__ for rule in rules)}",
                    to_do="move the rules to a level above, or let the level be no input",
                )
            place = RuleContext(self.layout, name, 2, self.topology)
            for rule in rules:
                for read in rule.reads:
                    place.level(read)
        for skip in self.skips:
            refuse(skip.misfits(self.layout), f"{skip}")
        if self.alive:
            refuse(self.alive.misfits(self.layout), f"{self.alive}")


def _stream(name: str, number: int) -> str:
    return f"rule/{name}/{number}"


def channels_last(tensor: Tensor) -> Tensor:
    """Lay the channels of a cell side by side, as convolutions like it best (two axes only)."""
    if tensor.ndim != 4:
        return tensor
    return tensor.contiguous(memory_format=torch.channels_last)

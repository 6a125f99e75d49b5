"""The automaton: levels, their rules, and the passing of time.

What one step consists of is in `nca.engine.stepper`; how it is executed is chosen for each
rollout by `nca.backends.choose`.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from nca.backends.choose import CompileMode, Execution, choose_stepper
from nca.backends.compiled import CompiledSteppers
from nca.backends.triton import RolloutGraphs
from nca.distributed.sharding import Sharding
from nca.engine.activation_memory import ActivationMemory
from nca.engine.conditions import Alive, Noise, Skip
from nca.engine.context import RuleContext
from nca.engine.layout import Layout
from nca.engine.rule import UpdateRule, check_declarations
from nca.engine.state import State
from nca.engine.stepper import Stepper, StepSpec
from nca.engine.topology import TORUS, Topology
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
        tiled: Whether the cells of a CPU step in tiles that stay in its cache
            (`nca.why_not_tiled`); None: where that is faster.
        bits: Whether cells of few states are stepped as bits, 64 to a word (`nca.why_not_bits`);
            None: where that is possible.
        fused: Whether a step is one launch of a program made for it (`nca.why_not_fused`); None:
            where it is possible, on a CUDA device.
        compiled: Whether `torch.compile` makes a program of the step of the whole grid: `never`,
            in `training` (where gradients are asked for), or `always`.
        sharding: How steps are divided among processes, or None: this process takes them alone.

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
        tiled: bool | None = None,
        bits: bool | None = None,
        fused: bool | None = None,
        compiled: CompileMode = "never",
        sharding: Sharding | None = None,
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
        self.tiled = tiled
        self.bits = bits
        self.fused = fused
        self.compiled: CompileMode = compiled
        self.sharding = sharding
        self._compiled_steppers = CompiledSteppers()
        self._rollout_graphs = RolloutGraphs()
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
    def spec(self) -> StepSpec:
        """What a step is as the automaton stands now."""
        noise = self.noise
        if noise and noise.when == "training" and not self.training:
            noise = None
        return StepSpec(
            self.layout,
            {name: tuple(self.rules_of(name)) for name in self.rules},
            self.topology,
            self.alive,
            noise,
            self.skips,
            self.step_size,
            self.coordinates,
        )

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
        stepper = self._stepper(state, rate)
        return stepper.restore(stepper.step(stepper.prepare(state), rate), state)

    def rollout(self, state: State, steps: int, *, fire_rate: float | None = None) -> State:
        """Let many steps pass and return the last state; see `step`."""
        self.layout.check(state, "rollout(state)")
        steps = checked_value(Natural, "steps", steps, "rollout(state, steps)")
        rate = self._rate(fire_rate, "rollout(state, steps, fire_rate=...)")
        stepper = self._stepper(state, rate)

        advance = partial(stepper.advance, fire_rate=rate)  # a function would hold on to the state
        return stepper.restore(self.memory.run(advance, stepper.prepare(state), steps), state)

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

    def way(self, state: State, *, fire_rate: float | None = None) -> str:
        """Return how a rollout from a state would take its steps; none passes.

        Returns:
            `dense`, `sparse`, `tiled`, `bits`, `fused`, `compiled` or `sharded`
            (`nca help speed`); sparse steps take tiles, or the whole grid, where they are faster.
        """
        self.layout.check(state, "way(state)")
        return self._stepper(state, self._rate(fire_rate, "way(state, fire_rate=...)")).way

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
        return self.spec.alive_mask(state)

    def clear_dead(self, state: State) -> State:
        """Return the state with zeros wherever no cell lives, on every level but the input."""
        return self.spec.clear_dead(state)

    def _stepper(self, state: State, fire_rate: float) -> Stepper:
        how = Execution(
            self.sparse, self.tiled, self.bits, self.fused, self.compiled, self.sharding
        )
        kept = self._compiled_steppers, self._rollout_graphs
        return choose_stepper(self.spec, how, state, fire_rate, *kept)

    def _rate(self, fire_rate: float | None, where: str) -> float:
        if fire_rate is None:
            return self.fire_rate
        return checked_value(Fraction, "fire_rate", fire_rate, where)

    def _check(self) -> None:
        for name in self.rules:
            rules = self.rules_of(name)
            if self.layout[name].input:
                raise ShapeError(
                    f'level "{name}" holds the input, so that nothing may write to it.',
                    where=f"its rules: {', '.join(type(rule).__name__ for rule in rules)}",
                    to_do="move the rules to a level above, or let the level be no input",
                )
            context = RuleContext(self.layout, name, 2, self.topology)
            for rule in rules:
                check_declarations(rule)
                for read in rule.reads:
                    context.level(read)
        for skip in self.skips:
            refuse(skip.misfits(self.layout), f"{skip}")
        if self.alive:
            refuse(self.alive.misfits(self.layout), f"{self.alive}")

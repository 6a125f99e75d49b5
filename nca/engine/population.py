"""A population: automata of one shape that differ in their weights, stepped in one call.

P members take P x B states a step further, and each ends where it would end alone. The members
are automata like any other and own their weights, so that gradients reach each of them and an
optimiser may give each a learning rate of its own; `weights` stacks them, `(P, ...)`. Where it
is possible and faster, all members step as one (`nca.backends.joint`); otherwise one after the
other, which is what a joint step is judged by.

Legend: P member, B batch of one member, C channel.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nca.backends.choose import Execution
from nca.backends.joint import joint_pays, joint_spec
from nca.engine.automaton import Automaton
from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.engine.stepper import DenseStepper, StepSpec
from nca.errors import ShapeError
from nca.types import Count, Fraction, Natural, NonNegative, Size
from nca.validation.checked import checked_value
from nca.validation.faults import Fault, OptionError


class Population(nn.Module):
    """Automata of one shape, each with weights of its own.

    Args:
        automata: The members; they are kept as they are, not copied. None may appear twice.
        batched: Whether members step as one; None: where that is possible and faster.

    Raises:
        ShapeError: No member, one that is there twice, or members whose weights differ in name
            or shape.
    """

    def __init__(self, automata: Sequence[Automaton], *, batched: bool | None = None) -> None:
        super().__init__()
        self.batched = batched
        self.automata = nn.ModuleList(automata)
        self._check()

    @classmethod
    def of(cls, automata: Sequence[Automaton], *, batched: bool | None = None) -> "Population":
        """Return the population of these automata, which are kept as they are."""
        return cls(automata, batched=batched)

    @classmethod
    def clones(
        cls, automaton: Automaton, count: int, *, batched: bool | None = None
    ) -> "Population":
        """Return a population of so many copies of an automaton, which share nothing with it.

        Raises:
            OptionError: Not even one.
        """
        count = checked_value(Count, "count", count, "Population.clones(automaton, count)")
        return cls([copy.deepcopy(automaton) for _ in range(count)], batched=batched)

    @property
    def members(self) -> list[Automaton]:
        """The automata themselves, in their order; to change their weights is to change these."""
        return [cast(Automaton, each) for each in self.automata]

    def __len__(self) -> int:
        """Return how many members there are."""
        return len(self.automata)

    def __iter__(self) -> Iterator[Automaton]:
        """Iterate over the members."""
        return iter(self.members)

    def __getitem__(self, index: int) -> Automaton:
        """Return a member.

        Raises:
            OptionError: There is no such member.
        """
        return self.members[self._index("index", index, "population[index]")]

    def weights(self) -> dict[str, Tensor]:
        """Return the members' weights stacked, `(P, ...)` by name; gradients flow to each."""
        return {name: torch.stack(each) for name, each in self._by_name()}

    @torch.no_grad()
    def take_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Write stacked weights, `(P, ...)` by name, into the members.

        Raises:
            ShapeError: A name that no weight has, or a shape that does not fit.
        """
        own = dict(self._by_name())
        for name, stack in weights.items():
            fits = name in own and stack.shape == (len(self), *own[name][0].shape)
            if not fits:
                raise ShapeError(
                    f"the weights {name!r}, {tuple(stack.shape)}, fit no weights of the members.",
                    where=f"take_weights(weights), {len(self)} members",
                    to_do="give them as weights() returns them: (members, *shape) by name",
                )
        for name, stack in weights.items():
            for weight, row in zip(own[name], stack, strict=True):
                weight.copy_(row)

    def seed(self, batch: int, size: Size, *, random_seed: int = 0) -> list[State]:
        """Return an empty state for each member; see `Automaton.seed`."""
        return [each.seed(batch, size, random_seed=random_seed) for each in self.members]

    def step(self, states: Sequence[State], *, fire_rate: float | None = None) -> list[State]:
        """Let one step pass for each member; see `rollout`."""
        return self.rollout(states, 1, fire_rate=fire_rate)

    def rollout(
        self, states: Sequence[State], steps: int, *, fire_rate: float | None = None
    ) -> list[State]:
        """Let many steps pass for each member, and return its last state.

        Every sample draws the random numbers that it draws when its member steps alone.

        Args:
            states: One for each member; they are left untouched.
            steps: How many steps pass.
            fire_rate: Use this chance instead of the members' own.

        Raises:
            ShapeError: Another number of states than of members; a state that does not fit; joint
                steps are demanded and impossible.
            OptionError: A number out of its range.
        """
        where = "rollout(states, steps)"
        steps = checked_value(Natural, "steps", steps, where)
        if fire_rate is not None:
            fire_rate = checked_value(Fraction, "fire_rate", fire_rate, where)
        self._check_states(states, where)
        first = self.members[0]
        rate = first.fire_rate if fire_rate is None else fire_rate
        joint = self._joint(states, fire_rate, rate)
        if joint is None:
            pairs = zip(self.members, states, strict=True)
            return [each.rollout(state, steps, fire_rate=fire_rate) for each, state in pairs]
        stepper = DenseStepper(joint)

        def advance(state: State, steps: int) -> State:
            for _ in range(steps):
                state = stepper.step(state, rate)
            return state

        together = stepper.prepare(State.cat(states))
        after = first.memory.run(advance, together, steps)
        batch = states[0].batch
        return [
            after.select(slice(number * batch, (number + 1) * batch)) for number in range(len(self))
        ]

    def way(self, states: Sequence[State], *, fire_rate: float | None = None) -> str:
        """Return how a rollout from states would take its steps; none passes.

        Returns:
            `joint`, or what `Automaton.way` returns for the first member.
        """
        self._check_states(states, "way(states)")
        first = self.members[0]
        rate = first.fire_rate if fire_rate is None else fire_rate
        if self._joint(states, fire_rate, rate) is not None:
            return "joint"
        return first.way(states[0], fire_rate=fire_rate)

    def why_not_batched(
        self, states: Sequence[State], *, fire_rate: float | None = None
    ) -> str | None:
        """Return the first reason why members cannot step as one from states, or None: they can.

        Raises:
            ShapeError: Another number of states than of members.
        """
        self._check_states(states, "why_not_batched(states)")
        found = self._joint_spec(states, fire_rate)
        return found if isinstance(found, str) else None

    @torch.no_grad()
    def replace(self, index: int, by: int) -> None:
        """Give a member the weights and buffers of another.

        Args:
            index: The member that changes.
            by: The member that it becomes like.

        Raises:
            OptionError: There is no such member.
        """
        where = "replace(index, by)"
        changed = self.members[self._index("index", index, where)]
        source = self.members[self._index("by", by, where)]
        for part in ("parameters", "buffers"):
            for own, other in zip(getattr(changed, part)(), getattr(source, part)(), strict=True):
                own.copy_(other)

    @torch.no_grad()
    def mutate(self, index: int, scale: float, key: HostRNG) -> None:
        """Add normal noise to all weights of a member; see `weight_noise`.

        Args:
            index: The member.
            scale: Standard deviation of what is added.
            key: The same key and index, the same noise, on any device.

        Raises:
            OptionError: There is no such member, or a scale below 0.
        """
        where = "mutate(index, scale, key)"
        number = self._index("index", index, where)
        scale = checked_value(NonNegative, "scale", scale, where)
        own = dict(self.members[number].named_parameters())
        noise = weight_noise(own, key, torch.tensor([number]))
        for name, weight in own.items():
            weight.add_(scale * noise[name][0])

    def _joint(
        self, states: Sequence[State], fire_rate: float | None, rate: float
    ) -> StepSpec | None:
        """Return the joint step if it is to be taken, or None: one member after the other."""
        first, wanted = self.members[0], self.batched
        if wanted is None and len(self) > 1:
            how = Execution(first.sparse, first.tiled, first.bits, first.fused, first.compiled)
            wanted = joint_pays(first.spec, how, states[0], rate)
        if not wanted:
            return None
        found = self._joint_spec(states, fire_rate)
        if not isinstance(found, str):
            return found
        if self.batched:
            raise ShapeError(
                f"these members cannot step as one: {found}.",
                where="Population(..., batched=True)",
                to_do="leave `batched` at None, to let them do so wherever it is possible",
            )
        return None

    def _joint_spec(self, states: Sequence[State], fire_rate: float | None) -> StepSpec | str:
        members = self.members
        if fire_rate is None and len({each.fire_rate for each in members}) > 1:
            return "members differ in their fire rate"
        if len({each.memory for each in members}) > 1:
            return "members differ in what they keep for the gradient"
        if any(each.sharding for each in members):
            return "steps are divided among processes"
        if len({_kind(state) for state in states}) > 1:
            return "states differ in shape, dtype, device, random seed or step"
        if not states[0].batch:
            return "states hold no sample"
        return joint_spec([each.spec for each in members], states[0])

    def _by_name(self) -> Iterator[tuple[str, list[Tensor]]]:
        every = [dict(each.named_parameters()) for each in self.members]
        for name in every[0]:
            yield name, [own[name] for own in every]

    def _index(self, name: str, index: int, where: str) -> int:
        index = checked_value(Natural, name, index, where)
        if index >= len(self):
            to_do = f"members are counted from 0 to {len(self) - 1}"
            raise OptionError([Fault((name,), f"is {index}", to_do)], where)
        return index

    def _check(self) -> None:
        members, where = self.members, "Population(automata)"
        if not members:
            raise ShapeError(
                "a population needs a member.", where=where, to_do="give at least one automaton"
            )
        if len({id(each) for each in members}) < len(members):
            raise ShapeError(
                "an automaton is there twice, so that two members would share their weights.",
                where=where,
                to_do="copy it: copy.deepcopy(automaton), or Population.clones(automaton, count)",
            )
        first = _shapes(members[0])
        for number, each in enumerate(members):
            other = sorted(dict(first.items() ^ _shapes(each).items()))
            if other:
                raise ShapeError(
                    f"member {number} has other weights than member 0: {', '.join(other[:4])}.",
                    where=where,
                    to_do="give automata with the same levels, rules and options",
                )

    def _check_states(self, states: Sequence[State], where: str) -> None:
        if len(states) != len(self):
            raise ShapeError(
                f"{len(states)} states are given, but there are {len(self)} members.",
                where=where,
                to_do="give one state for each member",
            )
        for number, (each, state) in enumerate(zip(self.members, states, strict=True)):
            each.layout.check(state, f"{where}, states[{number}]")


def weight_noise(weights: Mapping[str, Tensor], key: HostRNG, numbers: Tensor) -> dict[str, Tensor]:
    """Return normal numbers of mean 0 and variance 1 for weights, `(S, *shape)` by name.

    Args:
        weights: The shape, dtype and device of each.
        key: What they follow from: the same key, the same numbers, on any device.
        numbers: `(S,)`, int64: each draw's own number.
    """
    found = {}
    for name, weight in weights.items():
        source = key.cells(numbers.to(weight.device))
        drawn = source.normal(f"weights/{name}", 1, (max(weight.numel(), 1),))
        drawn = drawn.reshape(len(numbers), -1)[:, : weight.numel()]
        found[name] = drawn.reshape(len(numbers), *weight.shape).to(weight.dtype)
    return found


def _shapes(automaton: Automaton) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in automaton.state_dict().items()}


def _kind(state: State) -> tuple[object, ...]:
    """Return what states have in common that are stepped as one."""
    levels = tuple((name, t.shape, t.dtype, t.device) for name, t in state.items())
    remembered = tuple(tuple(old) for old in state.remembered)
    return (levels, remembered, state.random_seed, state.step, state.window)

"""A population: members end where they end alone, with their own random numbers and gradients."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from simple import Add, Ask, Scale, one_level, row
from strategies import normal
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from nca import (
    ActivationMemory,
    Alive,
    Automaton,
    HostRNG,
    Layout,
    Level,
    Noise,
    OptionError,
    Population,
    RuleContext,
    ShapeError,
    Skip,
    State,
    Topology,
)
from nca.backends.choose import Execution
from nca.backends.joint import joint_pays
from nca_plugins.glom.attention import Attention
from nca_plugins.glom.mean import ConsensusStep, Fade, WeightedMean
from nca_plugins.glom.nets import BottomUp, Lateral, TopDown
from nca_plugins.growing import Growing

LEVELS = Layout([Level("image", 2, input=True), Level("part", 3), Level("whole", 4)])


def growing(axes: int = 2, **settings: object) -> Automaton:
    layout = Layout([Level("body", 5)])
    rules = {"body": [Growing(RuleContext(layout, "body", axes), hidden=6), Fade(learned=True)]}
    return Automaton(layout, rules, **settings)  # pyright: ignore


def steered(**settings: object) -> Automaton:
    layout = Layout([Level("goal", 2, input=True), Level("body", 4)])
    rule = Growing(RuleContext(layout, "body"), hidden=6, condition="below", slopes="length")
    return Automaton(layout, {"body": [rule]}, **settings)  # pyright: ignore


def columns(dropout: float = 0.0, **settings: object) -> Automaton:
    part, whole = RuleContext(LEVELS, "part"), RuleContext(LEVELS, "whole")
    rules = {
        "part": [
            BottomUp(part, hidden=5, shown="normalised", dropout=dropout),
            Lateral(part, hidden=5, shown="squashed", activation="gelu"),
            TopDown(part, hidden=4),
            ConsensusStep(part),
        ],
        # which share a convolution
        "whole": [BottomUp(whole, hidden=5), Lateral(whole, hidden=5), Fade(rate=0.3)],
    }
    return Automaton(LEVELS, rules, **settings)  # pyright: ignore


def means(**settings: object) -> Automaton:
    rules = {
        name: [WeightedMean(RuleContext(LEVELS, name), hidden=4, attention=Attention())]
        for name in ("part", "whole")
    }
    return Automaton(LEVELS, rules, **settings)  # pyright: ignore


ALIVE = Alive("body", 3, above=0.1)
KINDS: dict[str, Callable[[], Automaton]] = {
    "growing": lambda: growing(alive=ALIVE, fire_rate=0.5),
    "noisy": lambda: growing(noise=Noise(0.1), fire_rate=0.7, step_size=0.5),
    "uniform": lambda: growing(noise=Noise(0.1, "uniform", "training")),
    "frozen": lambda: growing(alive=Alive("body", 0, above=0.2, radius=0, dead="frozen")),
    "zeros": lambda: growing(topology=Topology("zeros"), fire_rate=0.5),
    "line": lambda: growing(axes=1),
    "cube": lambda: growing(axes=3, fire_rate=0.5),
    "steered": steered,
    "columns": lambda: columns(skips=[Skip(2, 0.5)], fire_rate=0.6),
    "dropout": lambda: columns(0.3, noise=Noise(0.01, when="training")),
    "means": means,
    "again": lambda: columns(memory=ActivationMemory("recompute"), fire_rate=0.5),
    "segments": lambda: growing(memory=ActivationMemory("segments", 2), alive=ALIVE),
}


def members(kind: Callable[[], Automaton], count: int = 3) -> list[Automaton]:
    found = [kind().double() for _ in range(count)]
    for number, automaton in enumerate(found):
        with torch.no_grad():
            for name, weight in automaton.named_parameters():
                weight.copy_(
                    0.3 * normal(tuple(weight.shape) or (1,), number, name).view_as(weight)
                )
    return found


def first_states(automata: list[Automaton], axes: int = 2, batch: int = 2) -> list[State]:
    states = []
    for number, automaton in enumerate(automata):
        state = automaton.seed(batch, (5, 4, 3)[:axes], random_seed=7)
        drawn = {n: normal(tuple(level.shape), number, n) for n, level in state.items()}
        # members may start from samples of the same numbers, or of others
        samples = torch.arange(batch) + 10 * (number // 2)
        states.append(state.replace(drawn, samples=samples, step=3))
    return states


def axes_of(name: str) -> int:
    return {"line": 1, "cube": 3}.get(name, 2)


@pytest.mark.parametrize("batched", [True, None, False])
@pytest.mark.parametrize("name", KINDS)
def test_members_end_where_they_end_alone_and_have_their_own_gradients(name, batched):
    ours = members(KINDS[name])
    alone = copy.deepcopy(ours)
    for each in alone:
        each.sparse = each.tiled = False
    states = first_states(ours, axes_of(name))

    ends = Population.of(ours, batched=batched).rollout(states, 5)
    wanted = [each.rollout(state, 5) for each, state in zip(alone, states, strict=True)]

    for number, (end, right) in enumerate(zip(ends, wanted, strict=True)):
        assert end != states[number]
        assert (end.step, end.random_seed) == (right.step, right.random_seed)
        assert_close(end.samples, right.samples)
        assert_close(dict(end.levels), dict(right.levels), rtol=1e-10, atol=1e-10)
        for kept, memory in zip(end.remembered, right.remembered, strict=True):
            assert_close(dict(kept), dict(memory), rtol=1e-10, atol=1e-10)
    for each in (ends, wanted):
        torch.stack([e[n].square().mean() for e in each for n in e]).sum().backward()
    for one, other in zip(ours, alone, strict=True):
        for (weight, grad), (_, right) in zip(gradients(one), gradients(other), strict=True):
            assert_close(grad, right, rtol=1e-9, atol=1e-12, msg=weight)


def gradients(automaton: Automaton) -> list[tuple[str, Tensor | None]]:
    return [(name, weight.grad) for name, weight in automaton.named_parameters()]


@pytest.mark.parametrize("name", KINDS)
def test_all_of_these_can_step_as_one(name):
    automata = members(KINDS[name])
    states = first_states(automata, axes_of(name))
    assert Population.of(automata).why_not_batched(states) is None


CPU = {"sparse": None, "tiled": None}


@pytest.mark.parametrize(
    ("make", "size", "how", "pays"),
    [
        (growing, (16, 16), CPU, True),
        (lambda **how: growing(alive=ALIVE, **how), (64, 64), CPU, False),
        (growing, (64, 64), {"sparse": False, "tiled": False}, True),
        (columns, (64, 64), CPU, True),
        (columns, (16, 16), {"tiled": True}, False),
        (columns, (16, 16), {"compiled": "always"}, False),
    ],
)
def test_members_step_as_one_where_that_was_measured_to_be_faster(make, size, how, pays):
    automaton = make(**how)
    found = Execution(
        automaton.sparse,
        automaton.tiled,
        automaton.bits,
        automaton.fused,
        automaton.compiled,
    )
    state = automaton.seed(1, size)
    assert joint_pays(automaton.spec, found, state, 1.0) is pays


def test_one_step_is_a_rollout_of_one_step_and_takes_another_fire_rate():
    automata = members(KINDS["growing"])
    states, population = first_states(automata), Population.of(automata, batched=True)
    for each, state, end in zip(
        automata, states, population.step(states, fire_rate=1.0), strict=True
    ):
        wanted = each.step(state, fire_rate=1.0)
        assert_close(end["body"], wanted["body"], rtol=1e-10, atol=1e-10)


def test_samples_of_equal_numbers_draw_equal_numbers():
    population = Population.clones(members(KINDS["noisy"])[0], 2, batched=True)
    state = first_states(population.members)[0]
    one, other = population.rollout([state, state], 4)
    assert one == other


WHY = {
    "has a forward": ("does not declare", lambda number: one_level(Add(number + 1.0))),
    "asks for numbers": ("does not declare", lambda number: one_level(Ask())),
    "noise": ("noise", lambda number: growing(noise=Noise(0.1 * number))),
    "fire rate": ("fire rate", lambda number: growing(fire_rate=1 - 0.1 * number)),
    "memory": (
        "gradient",
        lambda number: growing(memory=ActivationMemory(("store", "recompute", "auto")[number])),
    ),
    "angle": ("stencils of its own", lambda number: turned(0.3 * number)),
    "attention": ("attention has scaled", lambda _: looking(attention=Attention())),
}


def turned(angle: float) -> Automaton:
    automaton = growing()
    automaton.rules_of("body")[0].angle = angle  # pyright: ignore
    return automaton


def looking(**options: object) -> Automaton:
    rule = Lateral(RuleContext(LEVELS, "part"), hidden=4, **options)  # pyright: ignore
    return Automaton(LEVELS, {"part": [rule]})


@pytest.mark.parametrize("name", WHY)
def test_what_cannot_step_as_one_says_why_and_steps_one_after_the_other(name):
    words, make = WHY[name]
    automata = [make(number).double() for number in range(3)]
    states, population = first_states(automata), Population.of(automata)
    assert words in (population.why_not_batched(states) or "")
    for each, state, end in zip(automata, states, population.rollout(states, 3), strict=True):
        assert end == each.rollout(state, 3)
    with pytest.raises(ShapeError, match=f"cannot step as one: .*{words}"):
        Population.of(automata, batched=True).rollout(states, 1)


def test_states_that_differ_step_one_after_the_other():
    automata = members(KINDS["growing"])
    states, population = first_states(automata), Population.of(automata)
    states[1] = states[1].replace(step=8)
    assert "step" in (population.why_not_batched(states) or "")
    assert [end.step for end in population.rollout(states, 2)] == [5, 10, 5]


def test_states_without_samples_stay_so():
    automata = members(KINDS["columns"])
    population = Population.of(automata)
    states = [state.select(slice(0, 0)) for state in first_states(automata)]
    assert population.why_not_batched(states) == "states hold no sample"
    assert [end.batch for end in population.rollout(states, 2)] == [0, 0, 0]


def test_the_weights_are_stacked_and_can_be_written():
    population = Population.of(members(KINDS["columns"]))
    stacked = population.weights()
    for name, stack in stacked.items():
        for row_of, member in zip(stack, population.members, strict=True):
            assert torch.equal(row_of, member.get_parameter(name))
    stacked["rules.part.0.net.change.bias"].sum().backward()
    assert all(member.rules_of("part")[0].net.change.bias.grad is not None for member in population)  # pyright: ignore
    population.take_weights({name: stack.detach() + 1 for name, stack in stacked.items()})
    assert_close(population.weights(), {name: stack + 1 for name, stack in stacked.items()})
    with pytest.raises(ShapeError, match="fit no weights of the members"):
        population.take_weights({"rules.part.0.net.change.bias": torch.zeros(3, 2)})


def test_the_members_are_the_automata_that_were_given_and_clones_are_not():
    automata = members(KINDS["growing"])
    population = Population.of(automata)
    assert all(one is other for one, other in zip(population.members, automata, strict=True))
    assert len(list(population.parameters())) == 3 * len(list(automata[0].parameters()))
    clones = Population.clones(automata[0], 4)
    assert len(clones) == 4
    clones.mutate(1, 0.5, HostRNG(0, 0))
    first, second, third, _ = (list(each.parameters()) for each in clones.members)
    assert all(map(torch.equal, first, third))
    assert all(map(torch.equal, first, automata[0].parameters()))
    assert not any(map(torch.equal, first, second))


def test_a_replaced_member_is_a_copy_that_goes_its_own_way():
    population = Population.of(members(KINDS["growing"]))
    population.replace(2, by=0)
    kept, copied = population[0], population[2]
    assert all(map(torch.equal, kept.state_dict().values(), copied.state_dict().values()))
    population.mutate(2, 0.1, HostRNG(3, 4))
    assert not any(map(torch.equal, kept.parameters(), copied.parameters()))


def test_a_mutation_follows_from_its_key_alone():
    def mutated(index: int, key: HostRNG, scale: float = 0.5) -> Tensor:
        population = Population.clones(members(KINDS["growing"])[0], 3)
        before = population.weights()
        population.mutate(index, scale, key)
        after = population.weights()
        left = [number for number in range(3) if number != index]
        for name, stack in before.items():
            assert torch.equal(stack[left], after[name][left])
        return torch.cat([(after[n] - before[n])[index].flatten() for n in before])

    first = mutated(1, HostRNG(5, 6))
    assert torch.equal(first, mutated(1, HostRNG(5, 6)))
    others = [mutated(2, HostRNG(5, 6)), mutated(1, HostRNG(5, 7)), mutated(1, HostRNG(6, 6))]
    assert not any(torch.equal(first, other) for other in others)
    assert_close(mutated(1, HostRNG(5, 6), 0.25), first / 2)
    assert mutated(1, HostRNG(5, 6), 0.0).count_nonzero() == 0
    assert abs(first.mean()) < 0.1
    assert 0.4 < first.std() < 0.6


def test_what_is_no_population_is_refused():
    with pytest.raises(ShapeError, match="needs a member"):
        Population.of([])
    automaton = growing()
    with pytest.raises(ShapeError, match="is there twice"):
        Population.of([automaton, automaton])
    with pytest.raises(ShapeError, match="member 1 has other weights than member 0: rules"):
        Population.of([automaton, columns()])
    with pytest.raises(OptionError, match="count is 0"):
        Population.clones(automaton, 0)


def test_bad_calls_are_refused():
    population = Population.clones(one_level(Scale(0.5)), 2)
    with pytest.raises(ShapeError, match="1 states are given, but there are 2 members"):
        population.rollout([row(1.0)], 1)
    with pytest.raises(ShapeError, match="the state's levels are low"):
        population.step([row(1.0), State({"low": torch.zeros(1, 1, 3)})])
    with pytest.raises(OptionError, match="steps is -1"):
        population.rollout([row(1.0)] * 2, -1)
    with pytest.raises(OptionError, match="fire_rate is 2"):
        population.step([row(1.0)] * 2, fire_rate=2.0)
    with pytest.raises(OptionError, match="by is 2"):
        population.replace(0, by=2)
    with pytest.raises(OptionError, match="scale is -1"):
        population.mutate(0, -1.0, HostRNG(0, 0))
    with pytest.raises(OptionError, match="index is 5"):
        population[5]


class _Asked(TorchDispatchMode):
    """Counts what a device would be waited for."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        asked = {"aten::equal", "aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero"}
        self.count += func.name() in asked
        return func(*args, **(kwargs or {}))


def test_members_are_compared_once_and_again_when_one_of_them_changes():
    population = Population([growing() for _ in range(3)], batched=True)
    states = [each.seed(2, (4, 5)) for each in population.members]

    def asked() -> int:
        with _Asked() as found:
            population.rollout(states, 2)
        return found.count

    assert asked() == 2, "two members are held against the first"
    assert asked() == 0
    population.replace(2, 1)
    assert asked() == 1
    rule = population.members[1].rules_of("body")[0]
    rule.perception.angle = 0.5
    with pytest.raises(ShapeError, match="has stencils of its own in each member"):
        population.rollout(states, 2)

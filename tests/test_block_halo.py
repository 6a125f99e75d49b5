"""The halo of a block is under way while its inside is stepped, forward and backward."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sharding_case import automaton, first
from torch import Tensor

from nca import Alive
from nca.backends.choose import Execution, choose_stepper
from nca.backends.compiled import CompiledSteppers
from nca.distributed import block_halo as module
from nca.distributed.block_stepper import BlockStepper, block_halo
from nca.distributed.sharded import ShardedStepper
from nca.distributed.sharding import BatchSharding, GridSharding
from nca.engine.reach import looks_further, reach
from nca.engine.state import State
from nca.engine.stepper import Stepper

OPTIONS = (1, "torus", None, None)


@pytest.fixture
def events(monkeypatch) -> list[str]:
    """What happens, of a group in which the others send zeros, and await nothing."""
    happened: list[str] = []

    class Transfer:
        def __init__(
            self, sent: Mapping[int, Tensor], shapes: Mapping[int, Sequence[int]], like: Tensor
        ) -> None:
            happened.append("begin")
            self.come = {rank: like.new_zeros(*shape) for rank, shape in shapes.items()}

        def wait(self) -> dict[int, Tensor]:
            happened.append("wait")
            return self.come

    monkeypatch.setattr(module, "Transfer", Transfer)
    return happened


class Noted(Stepper):
    """Doubles a state, and notes of which size it is, on the way back too."""

    def __init__(self, happened: list[str]) -> None:
        self.happened = happened

    def prepare(self, state: State) -> State:
        return state

    def step(self, state: State, fire_rate: float) -> State:
        rows = state.grid_size[0]
        self.happened.append(f"{rows} rows")

        def noted(tensor: Tensor) -> Tensor:
            doubled = 2 * tensor
            doubled.register_hook(lambda _: self.happened.append(f"{rows} rows back"))
            return doubled

        return state.map(noted)

    def restore(self, state: State, whole: State) -> State:
        return state


def part_of(sharding: GridSharding, state: State) -> State:
    cuts = [slice(s, s + n) for s, n in zip(sharding.window.start, sharding.block, strict=True)]
    return state.map(lambda t: t[:, :, *cuts].detach().requires_grad_()).replace(
        window=sharding.window
    )


@pytest.mark.parametrize("overlaps", [True, False])
def test_the_exchange_is_under_way_while_the_inside_is_stepped(events, overlaps):
    spec, sharding = automaton(*OPTIONS).spec, GridSharding(0, (2, 1), (40, 3))
    part = part_of(sharding, first((40, 3)))
    halo = sharding.halo(reach(spec), spec.topology)
    stepper = BlockStepper(halo, overlaps, lambda state: Noted(events))
    after = stepper.step(stepper.prepare(part), 1.0)
    assert after["body"].equal(2 * part["body"])
    assert after.window == part.window
    forth, _ = list(dict.fromkeys(events)), events.clear()
    after["body"].sum().backward()
    back = list(dict.fromkeys(events))
    if overlaps:
        assert forth == ["begin", "20 rows", "wait", "3 rows"]
        assert back == ["3 rows back", "begin", "20 rows back", "wait"]
    else:
        assert forth == ["begin", "wait", "22 rows"]
        assert back == ["22 rows back", "begin", "wait"]


def test_an_exchange_that_a_fault_interrupts_is_ended(events):
    spec, sharding = automaton(*OPTIONS).spec, GridSharding(0, (2, 1), (40, 3))
    halo = sharding.halo(reach(spec), spec.topology)

    def fail(state: State) -> Stepper:
        raise KeyError

    with pytest.raises(KeyError):
        BlockStepper(halo, True, fail).step(part_of(sharding, first((40, 3))), 1.0)
    assert events == ["begin", "wait"]


def chosen(side: int, **how: Any) -> str:
    """Return how a block of half a grid exchanges its halo."""
    sharding, state = GridSharding(0, (2, 1), (side, 3)), first((side, 3), 1)
    kept = Execution(sharding=sharding, **how), state, 1.0, CompiledSteppers()
    sharded = choose_stepper(automaton(*OPTIONS).spec, *kept)
    assert isinstance(sharded, ShardedStepper)
    inner = sharded._choose(sharding.scatter(state))
    if not isinstance(inner, BlockStepper):
        return "as it looks"
    return "overlapped" if inner.overlaps else "at once"


def test_large_blocks_overlap_smaller_ones_wait_and_small_ones_ask_as_they_look():
    assert [chosen(side) for side in (160, 60, 12)] == ["overlapped", "at once", "as it looks"]
    assert chosen(160, compiled="always") == "at once"  # strips are of other sizes


@pytest.mark.parametrize("size", [(22, 3), (61, 3), (160, 3), (181, 3)])
def test_all_processes_decide_alike_whatever_their_blocks(size):
    made, state, found = automaton(1, "zeros", "cleared", None), first(size, 1), []
    for rank in range(3):
        sharding = GridSharding(rank, (3, 1), size)
        halo = block_halo(made.spec, sharding, sharding.scatter(state))
        found.append(halo and halo[1])
    assert len(set(found)) == 1


def test_a_rule_that_looks_further_than_it_says_exchanges_as_it_looks():
    made, sharding = automaton(3, "torus", None, None), GridSharding(0, (2, 1), (160, 3))
    part = sharding.scatter(first((160, 3), 1))
    assert reach(made.spec) == 3
    assert looks_further(made.spec, part) is None
    assert block_halo(made.spec, sharding, part)
    for rule in made.rules_of("body"):
        rule.radius = 1
    assert reach(made.spec) == 1
    assert looks_further(made.spec, part) == 'Blend of level "body" sees 3, not 1'
    assert block_halo(made.spec, sharding, part) is None
    # the alive mask's own reach is no room for a rule to look further
    made.alive = Alive("body", 3, 0.2, 2)
    assert reach(made.spec) == 3
    assert block_halo(made.spec, sharding, part) is None


def test_samples_and_whole_numbers_have_no_halo():
    made, state = automaton(*OPTIONS), first((160, 3), 2).detach()
    assert block_halo(made.spec, BatchSharding(0, 2), state) is None
    sharding = GridSharding(0, (2, 1), (160, 3))
    part = sharding.scatter(state)
    assert block_halo(made.spec, sharding, part)
    mixed = part.replace({"ground": part["ground"].float()})
    assert block_halo(made.spec, sharding, mixed) is None

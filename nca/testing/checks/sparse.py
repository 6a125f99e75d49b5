"""A list of the cells that can change has the future, and the gradients, of the whole grid."""

from collections.abc import Callable, Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor

from nca.backends.sparse_inputs import SparseInputs
from nca.engine.automaton import Automaton
from nca.engine.conditions import Alive, Noise
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.engine.topology import TORUS, Topology
from nca.testing.compare import OWN, demand, demand_close, demand_states_close
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import grid_sizes, masks, random_seeds, topologies
from nca.types import Size

STEPS = 2


def check_listed_cells_have_the_future_of_the_grid(
    place_rule: PlaceRule,
    size: Size = (4, 5, 3),
    topology: Topology = TORUS,
    alive: Alive = Alive(OWN, 0, 0.5),  # noqa: B008
    fire_rate: float = 0.5,
    random_seed: int = 0,
) -> None:
    """Demand the same future and gradients of sparse steps and dense ones."""
    harness = Harness(place_rule)
    state = harness.state(random_seed, size)
    room = harness.state(random_seed, harness.roomy)
    harness.demand_awake(harness.automaton(random_seed), room)

    def future(sparse: bool) -> tuple[State, dict[str, Tensor]]:
        automaton = harness.automaton(
            random_seed,
            topology=topology,
            alive=alive,
            fire_rate=fire_rate,
            noise=Noise(0.1),
            sparse=sparse,
            tiled=False,
        ).train()
        first = automaton.clear_dead(state) if alive.dead == "cleared" else state
        promised = all(rule.cellwise for rule in automaton.rules_of(OWN))
        views = _seen_by(automaton.rules_of(OWN), lambda: automaton.step(first))
        expected = all(listed == (sparse and promised) for listed in views)
        demand(expected, "the rule is not shown listed cells where it promises to be cellwise")
        return end_and_gradients(automaton, first)

    (whole, wanted), (listed, gradients) = future(False), future(True)
    demand_states_close(listed, whole)
    demand_gradients_close(gradients, wanted)


def _seen_by(rules: Sequence[UpdateRule], act: Callable[[], object]) -> list[bool]:
    """Return whether each rule was shown listed cells while something was done."""
    views: list[bool] = []
    hooks = [
        rule.register_forward_pre_hook(
            lambda _, views_given: views.append(isinstance(views_given[0]._inputs, SparseInputs))
        )
        for rule in rules
    ]
    try:
        act()
    finally:
        for hook in hooks:
            hook.remove()
    demand(len(views) == len(rules), "a rule was not asked once in a step")
    return views


def end_and_gradients(automaton: Automaton, state: State) -> tuple[State, dict[str, Tensor]]:
    """Return the state after some steps, and how it depends on weights and the first state."""
    first = state.map(lambda level: level.detach().clone().requires_grad_())
    end = automaton.rollout(first, STEPS)
    total = torch.stack([end[name].square().sum() for name in automaton.writable_levels]).sum()
    sources = {**dict(automaton.named_parameters()), **first}
    found = torch.autograd.grad(total, list(sources.values()), materialize_grads=True)
    return end.detach(), dict(zip(sources, found, strict=True))


def demand_gradients_close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Demand nearly the same gradients of weights and first state."""
    for name, gradient in wanted.items():
        demand_close(found[name], gradient, f'the gradient of "{name}"')


def _no_promise(harness: Harness) -> str:
    return "" if harness.rule().cellwise else "the rule does not promise to be cellwise"


SPARSE = Law(
    "sparse",
    "a sparse step is the dense step, gradients too",
    check_listed_cells_have_the_future_of_the_grid,
    lambda harness: {
        "size": grid_sizes(high=5),
        "topology": topologies(harness.axes),
        "alive": masks(),
        "fire_rate": st.sampled_from([0.5, 1.0]),
        "random_seed": random_seeds(),
    },
    _no_promise,
    share=1,
)

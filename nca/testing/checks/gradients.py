"""What has weights can learn: every one gets a gradient, and the same one if recomputed."""

from hypothesis import strategies as st
from torch import Tensor

from nca.engine.activation_memory import ActivationMemory
from nca.engine.conditions import Alive, Noise, Skip
from nca.testing.compare import OWN, NothingTestedError, demand, demand_same
from nca.testing.harness import Harness, PlaceRule
from nca.testing.law import Law
from nca.testing.strategies import fire_rates, grid_sizes, memories, random_seeds
from nca.types import Size


def check_every_parameter_gets_gradient(
    place_rule: PlaceRule, size: Size = (4, 5, 3), random_seed: int = 0
) -> None:
    """Demand a finite gradient of every weight that is not zero everywhere."""
    harness = Harness(place_rule)
    automaton = harness.automaton(random_seed, fire_rate=0.9).train()
    state = harness.state(random_seed, size)

    after = automaton.rollout(state, 2)
    loss = (after[OWN] * harness.drawn(state, OWN, "wish")).sum()
    demand(loss.requires_grad, "nothing that has a gradient comes out")
    loss.backward()

    for name, weight in automaton.rules_of(OWN)[0].named_parameters():
        demand(weight.grad is not None, f"the weight {name} takes no part")
        gradient = weight.grad if weight.grad is not None else weight
        demand(gradient.isfinite().all(), f"the gradient of {name} is not finite")
        demand(gradient.any(), f"the gradient of {name} is zero everywhere")


def check_recomputed_gradients_are_the_same(
    place_rule: PlaceRule,
    steps: int = 5,
    memory: ActivationMemory = ActivationMemory("segments", 2),  # noqa: B008, it is frozen
    fire_rate: float = 0.5,
    random_seed: int = 0,
) -> None:
    """Demand the same bits of gradients whose steps are computed a second time."""
    harness = Harness(place_rule)

    def learn(memory: ActivationMemory) -> tuple[Tensor, dict[str, Tensor]]:
        automaton = harness.automaton(
            random_seed,
            fire_rate=fire_rate,
            noise=Noise(0.02),
            alive=Alive(OWN, 0, 0.1, dead="frozen"),
            skips=[Skip(2, 0.1)],
            memory=memory,
        ).train()
        start = harness.state(random_seed, harness.roomy).map(lambda t: t.requires_grad_())
        harness.demand_awake(automaton, start)
        state = automaton.rollout(start, steps)
        loss = (state[OWN] * harness.drawn(start, OWN, "wish")).sum()
        loss.backward()
        asked = {**dict(automaton.named_parameters()), OWN: start[OWN]}
        gradients = {name: t.grad for name, t in asked.items() if t.grad is not None}
        return loss.detach(), gradients

    loss, gradients = learn(ActivationMemory("store"))
    again, recomputed = learn(memory)

    if not any(gradient.any() for gradient in gradients.values()):
        raise NothingTestedError("there is no gradient, so that nothing was tested")
    demand_same(again, loss, "the loss")
    demand(recomputed.keys() == gradients.keys(), "other weights have a gradient")
    for name, gradient in gradients.items():
        demand_same(recomputed[name], gradient, f"the gradient of {name}")


def _no_weights(harness: Harness) -> str:
    return "" if harness.has_weights else "the rule has no weights"


GRADIENT = Law(
    "gradient",
    "every weight gets a gradient",
    check_every_parameter_gets_gradient,
    lambda _: {"size": grid_sizes(low=3, high=5), "random_seed": random_seeds()},
    _no_weights,
)
RECOMPUTATION = Law(
    "recomputation",
    "recomputed gradients have the same bits",
    check_recomputed_gradients_are_the_same,
    lambda _: {
        "steps": st.integers(1, 6),
        "memory": memories(),
        "fire_rate": fire_rates(),
        "random_seed": random_seeds(),
    },
)

"""To compute a segment again for its gradient is to compute the same segment."""

import pytest
from bench import OWN, Bench, PlaceRule, few, placed, rule_names
from hypothesis import given
from hypothesis import strategies as st
from strategies import fire_rates, memories, random_seeds
from torch import Tensor
from torch.testing import assert_close

from nca import ActivationMemory, Alive, Noise, Skip


def check_recomputed_gradients_are_the_same(
    place_rule: PlaceRule,
    steps: int = 5,
    memory: ActivationMemory = ActivationMemory("segments", 2),  # noqa: B008, it is frozen
    fire_rate: float = 0.5,
    random_seed: int = 0,
) -> None:
    bench = Bench(place_rule)

    def learn(memory: ActivationMemory) -> tuple[Tensor, dict[str, Tensor]]:
        automaton = bench.automaton(
            random_seed,
            fire_rate=fire_rate,
            noise=Noise(0.02),
            alive=Alive(OWN, 0, 0.1, dead="frozen"),
            skips=[Skip(2, 0.1)],
            memory=memory,
        ).train()
        start = bench.state(random_seed, bench.roomy).map(lambda t: t.requires_grad_())
        bench.assert_awake(automaton, start)
        state = automaton.rollout(start, steps)
        loss = (state[OWN] * bench.drawn(start, OWN, "wish")).sum()
        loss.backward()
        asked = {**dict(automaton.named_parameters()), OWN: start[OWN]}
        gradients = {name: t.grad for name, t in asked.items() if t.grad is not None}
        return loss.detach(), gradients

    loss, gradients = learn(ActivationMemory("store"))
    again, recomputed = learn(memory)

    assert any(gradient.any() for gradient in gradients.values()), "there is no gradient"
    assert_close(again, loss, rtol=0, atol=0)
    assert_close(recomputed, gradients, rtol=0, atol=0)


@pytest.mark.parametrize("name", rule_names())
@few()
@given(
    steps=st.integers(1, 6), memory=memories(), fire_rate=fire_rates(), random_seed=random_seeds()
)
def test_recomputed_gradients_are_the_same_bits(name, steps, memory, fire_rate, random_seed):
    check_recomputed_gradients_are_the_same(placed(name), steps, memory, fire_rate, random_seed)

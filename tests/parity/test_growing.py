"""The published lizard steps, grows and heals in our engine as it did in its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.testing import assert_close

from nca import HostRNG, State, losses
from nca.checkpoint.trained import Trained

FILE = "growing_lizard.safetensors"


@pytest.fixture(scope="module")
def lizard(published: Callable[[str], Path], brought_in: Callable[..., Trained]) -> Trained:
    return brought_in("growing", published(FILE))


@pytest.fixture(scope="module")
def seen(checks: Callable[[str], dict[str, Tensor]]) -> dict[str, Tensor]:
    return checks(FILE)


def error(state: State, seen: dict[str, Tensor]) -> float:
    return losses.squared_error(state["body"][:, :4], seen["target"]).max().item()


def test_the_recipe_has_the_published_number_of_parameters(lizard: Trained) -> None:
    assert lizard.recipe.name == "growing_lizard"
    assert lizard.recipe.overrides == ()
    assert sum(p.numel() for p in lizard.automaton.parameters()) == 8_336


@pytest.mark.parametrize(
    ("steps", "check"),
    [(1, "check.state_after_1_synchronous_step"), (10, "check.state_after_10_synchronous_steps")],
)
@torch.no_grad()
def test_synchronous_steps_end_where_the_published_ones_do(
    lizard: Trained, seen: dict[str, Tensor], steps: int, check: str
) -> None:
    start = State({"body": seen["check.state"]})

    after = lizard.automaton.rollout(start, steps, fire_rate=1.0)

    assert not torch.allclose(seen[check], seen["check.state"], atol=1e-3), "it stood still"
    assert_close(after["body"], seen[check], atol=1e-5, rtol=0)


@torch.no_grad()
def test_one_cell_grows_into_the_target_and_keeps_its_shape(
    lizard: Trained, seen: dict[str, Tensor]
) -> None:
    seed = lizard.task.training_batch(HostRNG(0, 0), torch.arange(1)).state
    empty = error(seed.map(torch.zeros_like), seen)

    grown = lizard.automaton.rollout(seed, 200)

    assert lizard.automaton.fire_rate == 0.5
    assert empty > 0.03, "an empty grid is already like the target, so nothing is tested"
    assert error(grown, seen) < 1e-3


def test_other_widths_are_written_into_the_recipe(
    brought_in: Callable[..., Trained], tmp_path: Path
) -> None:
    shapes = {"hidden.weight": (20, 36), "hidden.bias": (20,)}
    shapes |= {"change.weight": (12, 20), "change.bias": (12,)}
    weights = {name: torch.randn(shape) for name, shape in shapes.items()}
    save_file(weights, tmp_path / "narrow.safetensors")

    narrow = brought_in("growing", tmp_path / "narrow.safetensors")

    assert narrow.recipe.layout["body"].channels == 12
    for name, tensor in weights.items():
        assert torch.equal(narrow.automaton.state_dict()[f"rules.body.0.{name}"], tensor)

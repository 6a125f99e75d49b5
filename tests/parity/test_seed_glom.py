"""The first GLOM automaton's published weights do what they did in its notebook."""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.testing import assert_close

from nca import State
from nca.checkpoint.trained import Trained
from nca_plugins.importers.importers import SEED_LAYERS, SEED_NETS

FILE = "seed_glom.safetensors"
LEVELS = ("image", "part", "object", "scene")


def write_pickled(net: dict[str, Tensor], path: Path, patch: pytest.MonkeyPatch) -> None:
    """Write one net as the notebook did: a whole module of the class `__main__.model`."""
    kind = type("model", (nn.Module,), {"__module__": "__main__"})
    patch.setattr(sys.modules["__main__"], "model", kind, raising=False)
    module = kind()
    for layer, (rows, columns) in SEED_LAYERS.items():
        linear = nn.Linear(columns, rows)
        linear.load_state_dict({part: net[f"{layer}.{part}"] for part in ("weight", "bias")})
        module.add_module(f"{layer.upper()}1", linear)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch looks for the source of a class of __main__
        torch.save(module, path)


def state_of(notebook: Tensor, step: int = 0) -> State:
    """Take the notebook's one tensor apart into levels."""
    levels = rearrange(notebook, "b h w l c -> l b c h w")
    return State(dict(zip(LEVELS, levels.contiguous(), strict=True)), step=step)


@pytest.fixture(scope="module")
def seen(checks: Callable[[str], dict[str, Tensor]]) -> dict[str, Tensor]:
    return checks(FILE)


@pytest.fixture(scope="module")
def final(published: Callable[[str], Path], brought_in: Callable[..., Trained]) -> State:
    automaton = brought_in("seed-glom", published(FILE)).automaton
    start = state_of(load_file(published(FILE))["check.state0"])
    with torch.no_grad():
        return automaton.finish(automaton.rollout(start, 30))


def test_the_recipe_has_the_published_number_of_parameters(
    published: Callable[[str], Path], brought_in: Callable[..., Trained]
) -> None:
    trained = brought_in("seed-glom", published(FILE))

    assert trained.recipe.name == "glom_seed"
    assert sum(p.numel() for p in trained.automaton.parameters()) == 9_040
    assert list(trained.task.parameters()) == []


@torch.no_grad()
def test_the_change_of_one_step_is_the_notebooks(
    published: Callable[[str], Path],
    brought_in: Callable[..., Trained],
    seen: dict[str, Tensor],
) -> None:
    automaton = brought_in("seed-glom", published(FILE), "rollout.skips=[]").automaton
    start = state_of(seen["check.state0"])
    wanted = state_of(seen["check.change_after_1_step"])

    after = automaton.step(start)

    assert wanted["scene"].abs().max() > 0.005, "the notebook stood still, so nothing is tested"
    for name in LEVELS:
        assert_close(after[name] - start[name], wanted[name], atol=1e-5, rtol=0)
    assert torch.equal(after["image"], start["image"])


def test_thirty_steps_with_skips_end_where_the_notebook_does(
    final: State, seen: dict[str, Tensor]
) -> None:
    wanted = state_of(seen["check.state_after_30_steps_with_skips"])

    for name in LEVELS:
        assert_close(final[name], wanted[name], atol=1e-5, rtol=0)


def test_the_skips_amplify_the_image_more_than_five_fold(
    final: State, seen: dict[str, Tensor]
) -> None:
    gain = final["image"] / state_of(seen["check.state0"])["image"]

    assert_close(gain, torch.full_like(gain, 5.31), atol=0.01, rtol=0)


def test_most_cells_vote_for_the_digit(final: State, seen: dict[str, Tensor]) -> None:
    ballots = final["scene"].argmax(dim=1).flatten(1)  # (B, H * W)

    assert ballots.mode(dim=1).values.tolist() == seen["check.label"].tolist()


def test_eight_pickled_nets_arrive_as_one_file_does(
    published: Callable[[str], Path],
    brought_in: Callable[..., Trained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, stem in SEED_NETS.items():
        own = {
            tensor.removeprefix(f"{name}."): value
            for tensor, value in load_file(published(FILE)).items()
            if tensor.startswith(f"{name}.")
        }
        write_pickled(own, tmp_path / stem, monkeypatch)

    from_folder = brought_in("seed-glom", tmp_path).automaton.state_dict()
    from_file = brought_in("seed-glom", published(FILE)).automaton.state_dict()

    assert from_folder.keys() == from_file.keys()
    assert all(torch.equal(from_folder[name], from_file[name]) for name in from_file)

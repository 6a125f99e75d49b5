"""Evolution strategies: ranks, mirrored trials, and weights that go downhill without gradients."""

import json
import math
import re

import pytest
import torch
from safetensors.torch import load_file
from simple import one_level
from strategies import normal
from torch import Tensor, nn
from torch.testing import assert_close

from nca import SILENT, HostRNG, OptionError, Progress, State, UpdateRule, View, train
from nca.checkpoint.read import parse_recipe
from nca.recipe.errors import RecipeError
from nca.recipe.overrides import as_toml
from nca.training import loop
from nca.training.evolution import centred_ranks, evolution_slope, mirrored_trials, slope
from nca.training.run import Run


def test_ranks_are_centred_and_losses_that_are_equal_share_theirs():
    def ranks(*losses: float) -> list[float]:
        return centred_ranks(torch.tensor(losses)).tolist()

    assert ranks(30.0, -1.0, 7.0) == [0.5, -0.5, 0.0]
    assert ranks(5.0, 1.0, 5.0, 9.0) == pytest.approx([0, -0.5, 0, 0.5])
    assert ranks(2.0, 2.0) == [0, 0]
    assert ranks(2.0) == [0]


def test_a_trial_that_diverges_is_the_worst():
    losses = torch.tensor([1.0, math.nan, math.inf, -math.inf, 2.0])
    assert centred_ranks(losses).tolist() == pytest.approx([-0.25, 0.375, 0.375, -0.5, 0.0])


def test_trials_are_mirrored_and_the_slope_is_worked_by_hand():
    weights = {"w": torch.tensor([10.0, 20.0])}
    noise = {"w": torch.tensor([[1.0, 0.0], [2.0, -1.0]])}
    trials = mirrored_trials(weights, noise, 0.5)["w"]
    assert trials.tolist() == [[10.5, 20], [11, 19.5], [9.5, 20], [9, 20.5]]
    losses = torch.tensor([4.0, 3.0, 2.0, 1.0])  # ranks 1/2, 1/6, -1/6, -1/2
    found = slope(noise, losses, 0.5)["w"]
    wanted = (2 / 3 * torch.tensor([1.0, 0.0]) + 2 / 3 * torch.tensor([2.0, -1.0])) / (4 * 0.5)
    assert_close(found, wanted)


def test_the_slope_points_where_the_gradient_does_whatever_the_scale_of_the_loss():
    weights = {"a": normal((3, 4), 1), "b": normal((5,), 2)}

    def judge(trials: dict[str, Tensor]) -> Tensor:
        return sum((each.flatten(1) ** 2).sum(dim=1) for each in trials.values())  # pyright: ignore

    key = HostRNG(1, 2)
    found, losses = evolution_slope(weights, judge, pairs=500, sigma=0.01, key=key)
    assert losses.shape == (1000,)
    ours = torch.cat([found[name].flatten() for name in weights])
    gradient = torch.cat([2 * weight.flatten() for weight in weights.values()])
    assert torch.cosine_similarity(ours, gradient, dim=0) > 0.97
    scaled, _ = evolution_slope(
        weights, lambda trials: 1e6 * judge(trials) + 5, pairs=500, sigma=0.01, key=key
    )
    assert_close(scaled, found)


def test_the_noise_follows_from_the_key():
    weights = {"w": torch.zeros(6)}

    def asked(key: HostRNG) -> Tensor:
        seen: list[Tensor] = []

        def judge(trials: dict[str, Tensor]) -> Tensor:
            seen.append(trials["w"])
            return trials["w"].sum(dim=1)

        evolution_slope(weights, judge, pairs=4, sigma=1.0, key=key)
        return seen[0]

    first = asked(HostRNG(3, 4))
    assert torch.equal(first, asked(HostRNG(3, 4)))
    assert torch.equal(first[:4], -first[4:])
    assert not torch.equal(first, asked(HostRNG(3, 5)))
    assert not torch.equal(first, asked(HostRNG(4, 4)))


def test_a_bowl_without_a_derivative_is_descended():
    weight = nn.Parameter(torch.tensor([3.0, -2.0, 1.0]))
    goal = torch.tensor([-1.0, 0.5, 2.0])
    optimiser = torch.optim.Adam([weight], lr=0.1)

    def judge(trials: dict[str, Tensor]) -> Tensor:
        return ((trials["w"] - goal) ** 2).sum(dim=1).mul(50).floor()  # flat almost everywhere

    for iteration in range(150):
        found, _ = evolution_slope(
            {"w": weight}, judge, pairs=8, sigma=0.1, key=HostRNG(0, iteration)
        )
        weight.grad = found["w"]
        optimiser.step()
    assert (weight.detach() - goal).norm() < 0.2


@pytest.mark.parametrize(("pairs", "sigma", "key"), [(0, 0.1, "pairs"), (2, 0.0, "sigma")])
def test_trials_that_tell_nothing_are_refused(pairs, sigma, key):
    with pytest.raises(OptionError, match=f"{key} is 0"):
        evolution_slope(
            {"w": torch.zeros(2)},
            lambda trials: trials["w"].sum(dim=1),
            pairs=pairs,
            sigma=sigma,
            key=HostRNG(0, 0),
        )


RECIPE = {
    "format": 1,
    "grid": {"size": [10, 10]},
    "levels": [{"name": "body", "channels": 6, "rules": [{"name": "growing", "hidden": 6}]}],
    "rollout": {"steps": [5, 6]},
    "task": {"name": "image_growth", "target": "lizard", "side": 8},
    "train": {"batch": 2, "iterations": 40, "learning_rate": 0.01},
    "evolve": {"kind": "strategies", "population": 32, "sigma": 0.05},
    "evaluate": {"steps": [6], "samples": 2},
}


def with_tables(**tables: dict[str, object]) -> dict[str, object]:
    return {**RECIPE, **{name: {**RECIPE.get(name, {}), **own} for name, own in tables.items()}}  # pyright: ignore


def losses_of(folder) -> list[float]:
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [row["loss"] for row in rows if row["kind"] == "train"]


@pytest.fixture
def no_gradients(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was asked for")

    monkeypatch.setattr(Tensor, "backward", refuse)


def test_a_recipe_evolves_an_automaton_without_gradients(tmp_path, no_gradients):
    train(RECIPE, out=tmp_path / "run", device="cpu")
    losses = losses_of(tmp_path / "run")
    assert losses[-1] < 0.9 * losses[0]


def test_the_headline_alone_may_be_judged(tmp_path, no_gradients):
    recipe = with_tables(evolve={"fitness": "headline"}, train={"iterations": 20, "last_states": 2})
    train(recipe, out=tmp_path / "run", device="cpu")
    losses = losses_of(tmp_path / "run")
    assert losses[-1] < losses[0]
    other = with_tables(train={"iterations": 20, "last_states": 2})
    train(other, out=tmp_path / "other", device="cpu")
    assert losses_of(tmp_path / "other") != losses


def test_a_run_that_is_stopped_goes_on_to_the_same_bits(tmp_path):
    disturbed = {
        "rollout": {"fire_rate": 0.8, "noise": 0.01},
        "pool": {"size": 8, "damaged": 1},
        "train": {"iterations": 12, "average": 0.9, "save_every": 5},
    }
    recipe = with_tables(**disturbed)
    train(recipe, out=tmp_path / "whole", device="cpu")
    checked = parse_recipe(as_toml(recipe), "recipe", tmp_path)
    run = Run.start(checked, tmp_path / "cut", torch.device("cpu"), None, SILENT)
    loop.train(run, StoppedAt(run, 7))
    run.close()
    again = Run.resume(tmp_path / "cut", torch.device("cpu"), None, SILENT)
    assert again.iteration == 7
    loop.train(again)
    again.close()
    whole, cut = (load_file(tmp_path / n / "last.safetensors") for n in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert any(name.startswith("optimiser.") for name in whole)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


class StoppedAt(Progress):
    def __init__(self, run: Run, iteration: int) -> None:
        self.run, self.iteration = run, iteration

    def stopped(self) -> bool:
        return self.run.iteration >= self.iteration


FAULTS = {
    "an odd population": (
        {"evolve": {"population": 7}},
        r"\[evolve\] population +is 7 +give an even number",
    ),
    "an empty population": (
        {"evolve": {"population": 0}},
        r"\[evolve\] population +is 0 +give an even number",
    ),
    "no noise": ({"evolve": {"sigma": 0.0}}, r"\[evolve\] sigma +is 0"),
    "another kind": ({"evolve": {"kind": "strategy"}}, r"\[evolve\] kind +is \"strategy\""),
    "parts": ({"train": {"parts": 2}}, r"\[train\] parts +has no effect"),
    "compile": ({"train": {"compile": "always"}}, r"\[train\] compile +has no effect"),
    "memory": ({"train": {"memory": "recompute"}}, r"\[train\] memory +has no effect"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_means_nothing_beside_evolution_is_refused(name, tmp_path):
    tables, words = FAULTS[name]
    with pytest.raises(RecipeError) as refused:
        train(with_tables(**tables), out=tmp_path / "run", device="cpu")
    assert re.search(words, str(refused.value)), refused.value
    assert not (tmp_path / "run").exists()


def test_a_tiny_automaton_learns_what_has_no_derivative():
    class Push(UpdateRule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros((), dtype=torch.float64))

        def forward(self, view: View) -> Tensor:
            return (self.weight - view.own).sign() * 0.25

    automaton = one_level(Push())
    state = State({"body": torch.zeros(1, 1, 4, dtype=torch.float64)})
    weights = dict(automaton.named_parameters())

    def judge(trials: dict[str, Tensor]) -> Tensor:
        losses = []
        for trial in trials["rules.body.0.weight"]:
            weights["rules.body.0.weight"].data.copy_(trial)
            losses.append((automaton.rollout(state, 8)["body"] - 1.5).abs().mean())
        return torch.stack(losses)

    now, rate = {"rules.body.0.weight": torch.tensor(0.0, dtype=torch.float64)}, 0.3
    for iteration in range(40):
        found, _ = evolution_slope(now, judge, pairs=6, sigma=0.3, key=HostRNG(1, iteration))
        now = {name: weight - rate * found[name] for name, weight in now.items()}
    assert 1.25 < now["rules.body.0.weight"].item() < 1.9

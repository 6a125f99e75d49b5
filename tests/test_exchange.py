"""A population that learns by gradients, and whose better members replace the worse."""

import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close
from training_case import Sinking, begun, weight

import nca
from nca import SILENT, HostRNG, Progress
from nca.checkpoint.file import Checkpoint
from nca.checkpoint.read import parse_recipe, read_recipe
from nca.errors import CheckpointError, DivergedError
from nca.evaluation.finish_run import finish_run
from nca.recipe.errors import RecipeError
from nca.recipe.overrides import as_toml
from nca.recipe.tables import EvolveByExchange, Vary
from nca.render.lineage import ancestors, best_individual, tenures
from nca.training.exchange import add_noise, ranked
from nca.training.individual import Individual, first_individual, member_seed
from nca.training.loop import train
from nca.training.memory_planner import IterationProbe
from nca.training.run import Run

CPU = torch.device("cpu")
VARY = {"learning_rate": [1e-3, 1e-1], "steps": [3, 9], "fire_rate": [0.2, 1.0], "noise": [1e-3, 1]}
RECIPE: dict[str, Any] = {
    "format": 1,
    "random_seed": 3,
    "grid": {"size": [8, 8]},
    "levels": [{"name": "body", "channels": 5, "rules": [{"name": "growing", "hidden": 4}]}],
    "rollout": {"steps": [3, 4], "fire_rate": 0.5, "noise": 0.01},
    "task": {"name": "image_growth", "target": "lizard", "side": 6},
    "pool": {"size": 4, "damaged": 1},
    "train": {"batch": 2, "iterations": 6, "learning_rate": 0.01, "average": 0.9, "save_every": 50},
    "evolve": {"kind": "exchange", "population": 4, "every": 2, "replace": 2, "vary": VARY},
    "evaluate": {"steps": [4], "samples": 2},
}
RECIPE["train"]["validate_samples"] = 2


def with_tables(**tables: Mapping[str, object]) -> dict[str, Any]:
    return {**RECIPE, **{name: {**RECIPE.get(name, {}), **own} for name, own in tables.items()}}


def started(folder: Path, recipe: Mapping[str, Any] = RECIPE) -> Run:
    return Run.start(parse_recipe(as_toml(recipe), "recipe", folder), folder, CPU, None, SILENT)


def trained(folder: Path, recipe: Mapping[str, Any] = RECIPE) -> Run:
    run = started(folder, recipe)
    train(run)
    run.close()
    return run


def rows(run: Run, kind: str) -> list[dict[str, Any]]:
    return [row for row in run.log.records() if row["kind"] == kind]


def assert_same_tensors(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


class StoppedAt(Progress):
    def __init__(self, run: Run, iteration: int) -> None:
        self.run, self.iteration = run, iteration

    def stopped(self) -> bool:
        return self.run.iteration >= self.iteration


@pytest.fixture
def double():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def test_without_an_exchange_members_are_runs_of_their_own(tmp_path, double):
    run = trained(tmp_path / "all", with_tables(evolve={"replace": 0}))
    assert len(rows(run, "member")) == 4
    held = Checkpoint.read(tmp_path / "all" / "last.safetensors")
    for number in range(4):
        alone = {**RECIPE, "random_seed": member_seed(3, number)}
        del alone["evolve"]
        trained(tmp_path / f"{number}", alone)
        single = load_file(tmp_path / f"{number}" / "last.safetensors")
        own = held.part(f"member.{number}")
        own = {name: t for name, t in own.items() if not name.startswith("individual.")}
        single = {name: t for name, t in single.items() if not name.startswith("files.")}
        assert own.keys() == single.keys()
        floats = {name for name, t in own.items() if t.dtype == torch.float64}
        assert any(name.startswith("automaton.") for name in floats)
        assert_close(own, single, rtol=0, atol=1e-10)
    seeds = [row["random seed"] for row in rows(run, "member")]
    assert seeds == [member_seed(3, number) for number in range(4)]
    assert len(set(seeds)) == 4


def test_a_run_stopped_between_exchanges_goes_on_to_the_same_bits(tmp_path):
    whole = trained(tmp_path / "whole")
    run = started(tmp_path / "cut")
    for stop in (2, 3, 5):  # right after an exchange, and between two
        train(run, StoppedAt(run, stop))
        run.close()
        assert run.iteration == stop
        run = Run.resume(tmp_path / "cut", CPU, None, SILENT)
        assert [member.iteration for member in run.members] == [stop] * 4
    train(run)
    run.close()
    for name in ("last", "best"):
        one, other = (load_file(tmp_path / n / f"{name}.safetensors") for n in ("whole", "cut"))
        assert_same_tensors(one, other)
    for kind in ("member", "judged", "held_out"):
        assert rows(whole, kind) == rows(run, kind)
    again = trained(tmp_path / "again")
    assert rows(whole, "judged") == rows(again, "judged")


def test_the_better_survive_and_their_copies_differ_by_scaled_noise(tmp_path):
    table = "evolve={kind='exchange', population=4, every=2, replace=2, sigma=0.1}"
    run = begun(tmp_path, table, "train.iterations=3")
    heights = [[1.0, math.nan, 4.0, 3.0], [1.0] * 4]  # measured is height times 1 + weight
    for number, member in enumerate(run.members):
        assert isinstance(member.task, Sinking)
        member.task.tried = [each[number] for each in heights]
    train(run, StoppedAt(run, 2))
    weights = [weight(member) for member in run.members]
    assert weights[2] == weights[3] == pytest.approx(-1.0)
    # the best in the place of the very worst
    parents = {row["member"]: row["parent"] for row in rows(run, "member")[4:]}
    assert parents == {1: 2, 0: 3}
    assert [each.number for each in run.individuals] == [5, 4, 2, 3]
    for copy in (0, 1):
        assert 0 < abs(weights[copy] + 1.0) < 0.6
        (moments,) = run.members[copy].optimiser.state_dict()["state"].values()
        assert moments["step"] == 2
    assert weights[0] != weights[1]
    (own,) = run.members[1].optimiser.state_dict()["state"].values()
    (source,) = run.members[2].optimiser.state_dict()["state"].values()
    assert own["exp_avg"] is not source["exp_avg"]
    assert run.leading == 2
    assert run.modules is run.members[2].modules


def test_members_are_ranked_and_what_is_no_number_is_the_worst():
    assert ranked([1.0, math.nan, 3.0, 3.0], more=True) == [2, 3, 0, 1]
    assert ranked([1.0, math.inf, 3.0, -math.inf], more=False) == [0, 2, 1, 3]


def test_a_member_that_diverges_stays_until_it_is_replaced(tmp_path):
    table = "evolve={kind='exchange', population=2, every=2, sigma=0.0}"
    run = begun(tmp_path, table, begins=lambda iteration: 1.0)
    lost = run.members[1].task
    assert isinstance(lost, Sinking)
    lost.begins, lost.tried = lambda iteration: math.nan, [math.nan]
    train(run, StoppedAt(run, 2))
    assert [row["member"] for row in rows(run, "skipped")] == [1, 1]
    assert weight(run.members[1]) == weight(run.members[0])
    assert all(math.isfinite(row["loss"]) for row in rows(run, "train"))
    for member in run.members:
        assert isinstance(member.task, Sinking)
        member.task.begins = lambda iteration: math.nan
    with pytest.raises(DivergedError, match="the loss is nan"):
        train(run)


def test_mutations_are_counted():
    def noise(iteration: int, number: int, seed: int = 5) -> Tensor:
        weights = {"w": torch.full((50,), 3.0), "still": torch.zeros(4)}
        averages = {"w": torch.zeros(50)}
        add_noise([weights, averages], 0.1, HostRNG(seed, iteration), number)
        assert weights["still"].eq(0).all()
        assert_close(averages["w"], weights["w"] - 3, rtol=1e-5, atol=1e-5)
        return averages["w"]

    first = noise(7, 4)
    assert torch.equal(first, noise(7, 4))
    for other in (noise(8, 4), noise(7, 5), noise(7, 4, seed=6)):
        assert not torch.equal(first, other)
    assert 0.2 < first.std() < 0.4  # a tenth of the root mean square, 3


def test_hyperparameters_stay_within_their_bounds_and_move_both_ways():
    bounds = Vary(learning_rate=(1e-3, 1e-2), steps=(3, 9), dropout=(0.1, 0.9))
    table = EvolveByExchange(kind="exchange", population=4, every=1, factor=1.5, vary=bounds)
    values = {"learning_rate": 2e-3, "steps": 4.0, "dropout": 0.5}
    one, seen = Individual(0, None, values), []
    for number in range(1, 120):
        one = one.copied(number, table, HostRNG(0, number))
        assert one.parent == number - 1
        seen.append(one.values)
    for name, (low, high) in bounds.bounds().items():
        own = [each[name] for each in seen]
        assert (min(own), max(own)) == (low, high)
    rises = [tuple(b[name] > a[name] for name in ("steps", "dropout")) for a, b in pairwise(seen)]
    assert len(set(rises)) == 4


def test_an_individual_learns_by_a_recipe_that_says_its_hyperparameters():
    dropout = [f"levels.{n}.rules.0.dropout=0.1" for n in (1, 2)]
    table = (
        "evolve={kind='exchange', population=2, every=5, vary={dropout=[0.05, 0.5], "
        "learning_rate=[1e-3, 1e-2], steps=[4, 20], fire_rate=[0.1, 1.0], noise=[0.01, 1.0]}}"
    )
    whole = read_recipe(
        "glom_fashion", (*dropout, table, 'rollout.noise={scale=0.02, when="training"}')
    )
    evolve = whole.tables.evolve
    assert isinstance(evolve, EvolveByExchange)
    first = first_individual(whole, evolve, 1)
    assert first.recipe(whole, 1).text == whole.text
    values = {"dropout": 0.3, "learning_rate": 2e-3, "steps": 14.4, "fire_rate": 0.7, "noise": 0.1}
    assert first.values.keys() == values.keys()
    own = Individual(5, 1, values).recipe(whole, 1)
    assert own.tables.evolve is None
    assert own.tables.random_seed == member_seed(0, 1)
    assert own.tables.rollout.steps == (10, 14)
    assert own.tables.rollout.noise == nca.Noise(0.1, when="training")
    assert own.tables.train
    assert own.tables.train.learning_rate == 2e-3
    assert own.automaton().fire_rate == 0.7
    given = [rule.model_extra for level in own.tables.levels for rule in level.rules]
    assert [extra["dropout"] for extra in given if extra and "dropout" in extra] == [0.3, 0.3]
    again = parse_recipe(own.text, own.name, own.folder)
    assert again.tables.rollout == own.tables.rollout


def test_lineage_is_whole_and_the_best_member_is_the_checkpoint(tmp_path):
    recipe = with_tables(train={"iterations": 12}, evaluate={"steps": []})
    run = trained(tmp_path / "run", recipe)
    finish_run(run, None)
    every = tenures(list(run.log.records()))
    assert [tenure.number for tenure in every] == list(range(len(every)))
    assert len(every) == 4 + 5 * 2
    by_number = {tenure.number: tenure for tenure in every}
    for tenure in every:
        if tenure.parent is not None:
            parent = by_number[tenure.parent]
            assert parent.begins < tenure.begins <= parent.ends
            assert parent.member != tenure.member
    for row in rows(run, "judged"):
        at = row["iteration"]
        there = [tenure.number for tenure in every if tenure.begins < at <= tenure.ends]
        assert sorted(row["individuals"]) == sorted(there)
    best = best_individual(list(run.log.records()), "error", more=False)
    assert ancestors(every, best)[-1] < 4
    assert (tmp_path / "run" / "lineage.png").read_bytes().startswith(b"\x89PNG")
    held = Checkpoint.read(tmp_path / "run" / "best.safetensors")
    assert not [name for name in held.tensors if name.startswith("member.")]
    (found,) = re.findall(r"individual (\d+) in member", held.metrics["member"])
    scores = [dict(zip(r["individuals"], r["error"], strict=True)) for r in rows(run, "judged")]
    assert min(score.get(int(found), math.inf) for score in scores) == run.best
    model = nca.load(tmp_path / "run")
    said = float(re.findall(r"fire_rate ([0-9.e-]+)", held.metrics["member"])[0])
    assert model.automaton.fire_rate == pytest.approx(said, rel=1e-5)
    moments = run.recipe.evaluation_steps
    assert [row["steps"] for row in held.metrics["test"]] == list(moments)


def test_the_planner_counts_all_members(tmp_path):
    alone = {name: table for name, table in RECIPE.items() if name != "evolve"}
    one, four = (started(tmp_path / n, r) for n, r in (("one", alone), ("four", RECIPE)))
    moments = [IterationProbe(run)._moments() for run in (one, four)]
    assert moments[1] == 4 * moments[0] > 0


CHANGES: dict[str, tuple[dict[str, Tensor | None], str]] = {
    "a member is missing": (
        {"member.3.": None},
        "it holds 3 members, not 4",
    ),
    "a weight": (
        {"member.1.automaton.rules.body.0.change.bias": torch.zeros(3)},
        "member.1.automaton: rules.body.0.change.bias is [3], not [5]",
    ),
    "a moment": (
        {"member.2.optimiser.0.step": torch.tensor(9.0)},
        "member.2.optimiser: 0.step is 9, not a whole number from 1 to 3",
    ),
    "a pool": ({"member.0.pool.state.body": None}, "member.0.pool: missing state.body"),
    "no hyperparameter": (
        {"member.0.individual.values.steps": None},
        "member.0.individual: missing values.steps []",
    ),
    "beyond its bounds": (
        {"member.0.individual.values.noise": torch.tensor(2.0, dtype=torch.float64)},
        "member.0.individual: values.noise is 2, not within 0.001 to 1",
    ),
    "another type": (
        {"member.0.individual.values.noise": torch.tensor(0.1)},
        "member.0.individual: values.noise is float32, not float64",
    ),
    "a lead that is none": (
        {"population.lead": torch.tensor(4)},
        "population.lead is 4, not within 0 to 3",
    ),
    "unborn": ({"population.born": torch.tensor(1)}, "individual: number is"),
    "a parent from later": (
        {"member.0.individual.parent": torch.tensor(77)},
        "member.0.individual: parent is 77, not a number below its own",
    ),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """A run that was stopped after 3 of 6 iterations."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    run = started(folder)
    train(run, StoppedAt(run, 3))
    run.close()
    return folder


def resumed(folder: Path, change: Callable[[dict[str, Tensor]], object], *overrides: str) -> Run:
    path = folder / "last.safetensors"
    held, before = Checkpoint.read(path), path.read_bytes()
    tensors = dict(held.tensors)
    change(tensors)
    Checkpoint(**{**vars(held), "tensors": tensors}).write(path)
    try:
        return Run.resume(folder, CPU, None, SILENT, overrides)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", CHANGES)
def test_what_of_a_checkpoint_does_not_fit_is_refused_in_words(stopped, name):
    new, words = CHANGES[name]

    def change(tensors: dict[str, Tensor]) -> None:
        for start, value in new.items():
            for key in [key for key in tensors if key.startswith(start)]:
                del tensors[key]
            if value is not None:
                tensors[start] = value

    with pytest.raises(CheckpointError, match=re.escape(words)):
        resumed(stopped, change)


def test_another_population_cannot_go_on(stopped):
    with pytest.raises(CheckpointError, match="it holds 4 members, not 5"):
        resumed(stopped, lambda tensors: None, "evolve.population=5")
    with pytest.raises(CheckpointError, match="fire_rate varies, and each member has its own"):
        resumed(stopped, lambda tensors: None, "rollout.fire_rate=0.6")
    run = resumed(stopped, lambda tensors: None, "evolve.sigma=0.1", "evolve.every=3")
    run.close()
    assert run.iteration == 3


FAULTS: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "one member": (
        {"evolve": {"population": 1}},
        r"\[evolve\] population +is 1 +expected: whole number from 2",
    ),
    "too many": (
        {"evolve": {"replace": 3}},
        r"\[evolve\] replace +is 3 +at most half of the population of 4: 2",
    ),
    "all": ({"evolve": {"replace": 4}}, r"\[evolve\] replace +is 4 +at most half"),
    "never": ({"evolve": {"every": 0}}, r"\[evolve\] every +is 0 +expected: whole number"),
    "another kind": (
        {"evolve": {"kind": "exchanges"}},
        r'\[evolve\] kind +is "exchanges" +did you mean `exchange`\?',
    ),
    "a key of the other kind": (
        {"evolve": {"fitness": "loss"}},
        r"\[evolve\] fitness +unknown key +\[evolve\] knows: every, factor, kind",
    ),
    "a factor of 1": ({"evolve": {"factor": 1.0}}, r"\[evolve\] factor +is 1.0 +expected: number"),
    "negative noise": ({"evolve": {"sigma": -1.0}}, r"\[evolve\] sigma +is -1.0"),
    "bounds reversed": (
        {"evolve": {"vary": {"fire_rate": [0.9, 0.1]}}},
        r"\[evolve.vary\] fire_rate +is \[0.9, 0.1\] +give the smaller bound first: \[0.1, 0.9\]",
    ),
    "bounds alike": (
        {"evolve": {"vary": {"noise": [0.1, 0.1]}}},
        r"\[evolve.vary\] noise +is \[0.1, 0.1\] +give two bounds that differ",
    ),
    "a bound of 0": (
        {"evolve": {"vary": {"noise": [0, 0.1]}}},
        r"\[evolve.vary\] noise\[0\] +is 0",
    ),
    "no such hyperparameter": (
        {"evolve": {"vary": {"learning_rat": [0.1, 0.2]}}},
        r"\[evolve.vary\] learning_rat +unknown key +did you mean `learning_rate`\?",
    ),
    "the recipe beyond": (
        {"evolve": {"vary": {"learning_rate": [0.1, 0.2]}}},
        r"\[evolve.vary\] learning_rate +is \[0.1, 0.2\] +bounds with the recipe's own value "
        r"between them, 0.01",
    ),
    "no noise": (
        {"evolve": {"vary": {"noise": [0.1, 0.2]}}, "rollout": {"noise": 0.0}},
        r"\[evolve.vary\] noise +is not in the recipe +copies vary what there is: "
        r"give \[rollout\] noise a scale above 0",
    ),
    "no dropout": (
        {"evolve": {"vary": {"dropout": [0.1, 0.2]}}},
        r"\[evolve.vary\] dropout +is not in the recipe",
    ),
    "compiled": (
        {"train": {"compile": "always"}},
        r'\[train\] compile +is "always" +every member would be compiled by itself',
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_makes_no_population_is_refused(name, tmp_path):
    tables, words = FAULTS[name]
    with pytest.raises(RecipeError) as refused:
        started(tmp_path / "run", with_tables(**tables))
    assert re.search(words, str(refused.value)), refused.value
    assert str(refused.value).startswith("1 fault in"), refused.value


def test_a_kind_is_needed(tmp_path):
    table = {"population": 4, "every": 2}
    with pytest.raises(RecipeError) as refused:
        started(tmp_path / "run", {**RECIPE, "evolve": table})
    assert re.search(
        r'\[evolve\] kind +is missing +add it: kind = <"exchange" \| "strategies">',
        str(refused.value),
    ), refused.value


@pytest.mark.parametrize("name", ["growing", "glom_fashion"])
def test_the_ablations_differ_in_the_exchange_alone(name):
    text = (Path(__file__).parent.parent / f"recipes/ablations/exchange_{name}.toml").read_text()
    assert f"nca sweep {name} --variants recipes/ablations/exchange_{name}.toml" in text
    common = re.findall(r"--set (\S+)", text)
    tables = [
        read_recipe(name, (*common, *variant["set"])).tables
        for variant in tomllib.loads(text).values()
    ]
    on, *off = [table.evolve for table in tables]
    assert isinstance(on, EvolveByExchange)
    assert on.replace == 1
    assert off
    assert all(each == on.model_copy(update={"replace": 0}) for each in off)


def test_records_are_rows_of_json(stopped):
    lines = (stopped / "metrics.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds.count("member") == 4 + 2
    assert kinds.count("judged") == kinds.count("held_out") == 1

"""What training will need, said before it is trained."""

import json
from pathlib import Path

import pytest

PLAN = ("plan", "tiny.toml", "--plugin", "blobs.py", "--device", "cpu")


def test_a_plan_has_a_row_for_each_mode_and_makes_nothing(nca, here):
    before = sorted(here.iterdir())
    result = nca(*PLAN)
    assert result.code == 0
    head, *rows = result.out.splitlines()
    assert head.split() == ["mode", "every", "peak", "MB", "s/iteration", "fits", "auto"]
    assert [row.split()[0] for row in rows] == ["store", "recompute", "segments"]
    assert [row.split()[-2:] == ["takes", "it"] for row in rows] == [True, False, False]
    assert "tiny on CPU" in result.err.splitlines()[0]
    assert "batch 4, 2 to 3 steps" in result.err.splitlines()[0]
    assert "MB are held by program, data, weights and pool" in result.err.splitlines()[-1]
    assert sorted(here.iterdir()) == before


def test_a_plan_measures_what_it_predicts(nca, here):
    result = nca(*PLAN, "--measure", "--json", "--set", "rollout.steps=12")
    assert result.code == 0
    told = json.loads(result.out)
    assert (told["steps"], told["batch"], told["all_cells_live"]) == ([12, 12], 4, False)
    assert [row["every"] for row in told["modes"]] == [None, None, 4]
    peaks = [row["peak_bytes"] for row in told["modes"]]
    assert peaks[0] > peaks[1] > peaks[2]
    assert [row["measured_bytes"] for row in told["modes"]] == pytest.approx(peaks, rel=0.15)
    assert all(row["seconds"] > 0 and row["measured_seconds"] > 0 for row in told["modes"])


def test_a_plan_names_the_way_in_which_steps_are_taken(nca, here):
    keys = ("grid.size=[16,16]", "rollout.steps=2", "pool.size=4", "train.precision=float32")
    given = [word for key in keys for word in ("--set", key)]
    result = nca("plan", "texture", "--device", "cpu", *given, "--json")
    assert json.loads(result.out)["way"] == "tiled"
    assert "steps: tiled" in result.err.splitlines()
    result = nca(*PLAN, "--set", "train.compile=auto")
    assert "steps: sparse, or compiled where a trial finds that faster" in result.err.splitlines()


def test_what_does_not_fit_is_said_and_not_measured(nca, here):
    result = nca(*PLAN, "--measure", "--free", "1MB")
    assert result.code == 0
    assert [row.split()[-2:] for row in result.out.splitlines()[3:]] == [["takes", "it"]]
    assert "nothing fits, and auto takes the least" in result.err
    told = json.loads(nca(*PLAN, "--measure", "--free", "1MB", "--json").out)
    assert not any(row["fits"] or row["measured_bytes"] for row in told["modes"])


def test_a_plan_names_life_that_may_spread(nca, here):
    alive = 'rollout.alive={ level = "body", channel = 0, above = 0.1 }'
    rules = 'levels.body.rules=[{ name = "self_classifying", hidden = 4 }]'
    result = nca(*PLAN, "--set", alive, "--set", rules)
    assert "predicted as if all cells were alive" in result.err


@pytest.mark.parametrize("free", ["much", "0", "-3GB"])
def test_a_size_that_is_none_is_told(nca, here, free):
    result = nca(*PLAN, f"--free={free}")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"NCAError: '{free}' is no size of a memory.")


def test_a_recipe_that_cannot_be_trained_has_no_plan(nca, here):
    (here / "tiny.toml").write_text((here / "tiny.toml").read_text().partition("[pool]")[0])
    result = nca(*PLAN)
    assert result.code == 1
    assert "add a table [train]" in result.err


def test_a_run_says_once_which_memory_it_takes(nca, here):
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--device", "cpu", "--out", "run")
    assert result.code == 0
    (told,) = [line for line in result.err.splitlines() if line.startswith("memory: ")]
    assert told.startswith("memory: store (everything is kept) takes ")
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert [row["mode"] for row in rows if row["kind"] == "memory"] == ["store"]


def test_a_run_says_nothing_of_the_memory_that_its_recipe_names(nca, here):
    given = ["--device", "cpu", "--out", "run", "--set", "train.memory=recompute"]
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", *given)
    assert result.code == 0
    assert "memory: " not in result.err
    assert '"memory"' not in Path("run/metrics.jsonl").read_text()


@pytest.mark.parametrize(
    "key", ["train.learning_rate=0.1", "evaluate.samples=9", "train.iterations=9"]
)
def test_what_no_iteration_depends_on_is_refused(nca, here, key):
    result = nca(*PLAN, "--set", key)
    assert result.code == 1
    assert f"no effect on this: {key.partition('=')[0]}." in " ".join(result.err.split())

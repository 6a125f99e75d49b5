"""Files beside a checkpoint that were damaged or made by others: passed over, or said in words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from robustness_case import trained
from strategies import at_most
from tiny import RECIPE

from nca.errors import StorageError
from nca.jsonl import parse_json, read_lines
from nca.play.follow import loss_curve
from nca.render.curve import save_curve
from nca.reports.robustness import (
    CheckResult,
    ModelUnderTest,
    ResultCache,
    RobustnessPlan,
    robustness_headline,
    select_checks,
)
from nca.reports.robustness.damage import Wound
from nca.reports.robustness.run import gathered
from nca.sweep.errors import SweepError
from nca.sweep.folder import known_runs, write_asked
from nca.sweep.plan import Base, PlannedRun
from nca.sweep.records import read_outcome, read_sweep
from nca.sweep.worker import Job, Measure, outcome_of
from nca.training.log import MetricsLog

DEEP = "[" * 100_000 + "]" * 100_000
NO_JSON = [
    "",
    "{",
    "\x00\x01",
    DEEP,
    "[" * 40 + "]" * 40,
    '"\\ud800"',
    "9" * 5000,
    '{"a": "\\udfff"}',
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
BASE = Base(RECIPE, "tiny", Path(), "tiny.toml")
RUN = PlannedRun("a", 0, ("train.batch=4", "random_seed=0"), "a_seed_0")
ROW = {"steps": 3, "after": "", "samples": 8, "vote": 0.5}
OUTCOME = {
    "overrides": ["random_seed=0"],
    **Measure().to_json(),
    "iteration": 4,
    "parameters": 9,
    "measured": [ROW],
}


@pytest.mark.parametrize("text", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json_within_bounds_is_a_value_error(text):
    for given_text in (text, text.encode("utf-8", "surrogatepass")):
        with pytest.raises(ValueError, match=r".+"):
            parse_json(given_text)


def test_too_many_values_are_refused():
    assert parse_json("[1, 2, 3]", most=4) == [1, 2, 3]
    with pytest.raises(ValueError, match="too much"):
        parse_json("[1, 2, 3]", most=3)


def test_lines_that_hold_no_record_are_passed_over(tmp_path):
    lines = [*NO_JSON[:-1], "[1]", '{"iteration": 1}', "é\x1b"]
    (tmp_path / "a.jsonl").write_bytes("\n".join(lines).encode("latin-1") + b'\xff\xfe\n{"b": 2}')
    assert list(read_lines(tmp_path / "a.jsonl")) == [{"iteration": 1}, {"b": 2}]


def test_a_folder_in_the_place_of_a_log_is_said(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(StorageError, match=r"metrics.jsonl cannot be read: Is a directory\."):
        MetricsLog(tmp_path / "metrics.jsonl", 3)


@at_most(40)
@given(st.lists(st.dictionaries(st.sampled_from(["iteration", "kind", "loss", "vote"]), VALUES)))
def test_a_log_of_any_shape_is_followed_continued_and_drawn(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("run")
    path = folder / "metrics.jsonl"
    rows = [{"kind": "train", "iteration": 1, "loss": 0.5}, *rows]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    loss_curve(folder)
    log = MetricsLog(path, 10)
    kept = list(log.records())
    assert kept[0] == rows[0]
    assert all(type(row["iteration"]) is int for row in kept)
    save_curve(kept, "vote", folder / "curve.png")


def test_a_curve_has_gaps_where_a_log_holds_no_number(tmp_path):
    said = [0.5, "0.5", None, 1e308, 10**400, True, [], -(10**40)]
    rows = [{"kind": "train", "iteration": at, "loss": loss} for at, loss in enumerate(said)]
    save_curve([*rows, {"iteration": 3}], "vote", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "folder", ["", ".", "..", "../out", "/tmp/out", "a/b", "a\\b", "C:x", "a\x1b[m", "a" * 300, 3]
)
def test_a_sweep_leads_nowhere_but_into_its_folder(tmp_path, folder):
    write_asked(tmp_path, BASE, [RUN])
    assert known_runs(tmp_path, BASE) == [RUN]
    write_asked(tmp_path, BASE, [replace(RUN, folder=folder)])
    with pytest.raises(SweepError, match="holds a damaged sweep"):
        known_runs(tmp_path, BASE)


def test_a_run_of_a_sweep_is_no_link_to_elsewhere(tmp_path):
    home = tmp_path / "sweep"
    home.mkdir()
    write_asked(home, BASE, [RUN])
    (home / RUN.folder).symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(SweepError, match="holds a damaged sweep"):
        known_runs(home, BASE)


def test_two_runs_of_a_sweep_share_no_folder(tmp_path):
    write_asked(tmp_path, BASE, [RUN, replace(RUN, random_seed=1, folder="A_seed_0")])
    assert read_sweep(tmp_path / "sweep.json") is None


def test_a_folder_or_a_broken_link_in_the_place_of_a_sweep_is_damaged(tmp_path):
    (tmp_path / "sweep.json").mkdir()
    with pytest.raises(SweepError, match="holds a damaged sweep"):
        known_runs(tmp_path, BASE)
    (tmp_path / "sweep.json").rmdir()
    (tmp_path / "sweep.json").symlink_to("nowhere")
    with pytest.raises(SweepError, match="holds a damaged sweep"):
        known_runs(tmp_path, BASE)


@given(VALUES)
def test_a_sweep_of_any_shape_is_read_or_damaged(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "sweep.json"
    whole = {"format": 1, "name": "tiny", "recipe": RECIPE}
    for content in (value, {**whole, "runs": value}, {**whole, "runs": [value]}):
        path.write_text(json.dumps(content))
        record = read_sweep(path)
        assert record is None or record.runs == ()


def outcome_file(folder: Path, content: Any) -> Path:
    path = folder / "outcome.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "wrong",
    [
        {"overrides": "a"},
        {"iteration": "4"},
        {"iteration": 10**400},
        {"parameters": -1},
        {"measured": []},
        {"measured": [{}]},
        {"measured": {"a": 1}},
        {"measured": [{**ROW, "steps": True}]},
        {"measured": [{**ROW, "vote": "good"}]},
        {"measured": [{**ROW, "vote": [0.5]}]},
        {"measured": [{**ROW, "after": None}]},
        {"final": "yes"},
    ],
)
def test_an_outcome_of_another_shape_is_none(tmp_path, wrong):
    assert read_outcome(outcome_file(tmp_path, OUTCOME)) == OUTCOME
    assert read_outcome(outcome_file(tmp_path, {**OUTCOME, **wrong})) is None


def test_an_outcome_that_cannot_be_read_is_measured_again(tmp_path):
    job = Job(str(tmp_path), RECIPE, "tiny", "", ("random_seed=0",), Measure(), "cpu")
    outcome_file(tmp_path, OUTCOME)
    assert outcome_of(job) == OUTCOME
    for text in NO_JSON:
        (tmp_path / "outcome.json").write_text(text)
        assert outcome_of(job) is None
    (tmp_path / "outcome.json").unlink()
    (tmp_path / "outcome.json").mkdir()
    assert outcome_of(job) is None


def model() -> ModelUnderTest:
    return ModelUnderTest(trained("still"), RobustnessPlan(4, seeds=2, samples=3, long_steps=40))


def answered(at: int) -> CheckResult:
    return CheckResult(Wound(at), at, {"kept": 1.0}, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": "4"},
        {"metrics": {"kept": "all"}},
        {"metrics": [1]},
        {"condition": {"at": "four"}},
        {"condition": {}},
        {"exploded": 2.0},
        {"curve": [[1]]},
        {"curve": 3},
        {"more": 1},
    ],
)
def test_an_answer_of_another_shape_is_asked_again(tmp_path, wrong):
    one, path = model(), tmp_path / "examination.jsonl"
    ResultCache(path, one).write("damage", 3, [answered(4)])
    record = json.loads(path.read_text())
    assert len(ResultCache(path, one).answers) == 1
    record["rows"][0] |= wrong
    path.write_text(json.dumps(record))
    cache = ResultCache(path, one)
    assert (cache.answers, cache.outdated) == ({}, 1)


@pytest.mark.parametrize("key", ["question", "random_seed", "rows", "of"])
@given(value=VALUES)
def test_a_line_of_any_shape_is_no_answer(tmp_path_factory, key, value):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.unlink(missing_ok=True)
    one = model()
    ResultCache(path, one).write("damage", 3, [answered(4)])
    record = {**json.loads(path.read_text()), key: value}
    path.write_text(json.dumps(record))
    found = ResultCache(path, one).answers
    assert not found or (key == "random_seed" and type(value) is int)


def test_answers_that_do_not_match_are_asked_again_and_the_report_is_made(tmp_path):
    one, path = model(), tmp_path / "examination.jsonl"
    first, second = one.random_seeds
    ResultCache(path, one).write("damage", first, [answered(4)])
    ResultCache(path, one).write("damage", second, [answered(4), answered(5)])
    cache = ResultCache(path, one)
    assert [key for key in cache.answers] == [("damage", second)]
    card = gathered(one, select_checks(["damage"]), cache, {})
    assert card.missing == ["damage: 1 of 2 random seeds"]
    assert robustness_headline(card)

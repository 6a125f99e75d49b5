"""What is written is JSON to every reader, whatever a kill has left of the last line."""

import ast
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca.cli.console import format_figure, show_json, show_rows
from nca.errors import StorageError
from nca.evaluation.evaluate import Measurement
from nca.jsonl import JsonLines, dumps, nan_if_null, read_lines
from nca.play.follow import loss_curve
from nca.render.curve import save_curve
from nca.training.log import MetricsLog

ROOT = Path(__file__).parent.parent
WRITERS = {
    "nca/jsonl.py": "writes all JSON there is",
    "nca/checkpoint/file.py": "adds up a checksum of what was read, which older files hold NaN in",
    "nca/validation/faults.py": "shows values and defaults as TOML has them",
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def strictly(text: str):
    """Read JSON as other readers do: without NaN and Infinity."""
    return json.loads(text, parse_constant=refuse)


@given(VALUES)
def test_every_value_is_json_to_strict_readers(value):
    strictly(dumps(value))
    assert dumps(strictly(dumps(value))) == dumps(value)


def test_what_is_no_finite_number_becomes_null_at_any_depth():
    value = {"a": math.nan, "b": [math.inf, (-math.inf, 0.5)], "c": {"d": {"e": math.nan}}, "f": 1}
    assert strictly(dumps(value)) == {
        "a": None,
        "b": [None, [None, 0.5]],
        "c": {"d": {"e": None}},
        "f": 1,
    }
    assert dumps([1, {"a": 2}], compact=True) == '[1,{"a":2}]'
    assert dumps([1], indent=1) == "[\n 1\n]"


def test_null_comes_back_as_nan():
    assert math.isnan(nan_if_null(None))
    assert nan_if_null(0.25) == 0.25


def test_only_one_module_writes_json():
    found = {
        str(path.relative_to(ROOT))
        for folder in ("nca", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (
            isinstance(node, ast.Attribute)
            and node.attr in ("dump", "dumps", "JSONEncoder")
            and isinstance(node.value, ast.Name)
            and node.value.id == "json"
        )
        or (isinstance(node, ast.ImportFrom) and node.module == "json")
    }
    assert found == set(WRITERS)


def test_a_metric_that_is_undefined_is_null_on_stdout_and_n_a_in_a_table(capsys):
    rows = [Measurement(3, "", 2, {"vote": math.nan, "error": 0.5}).to_json()]
    show_json(rows)
    (read,) = strictly(capsys.readouterr().out)
    assert read == {"steps": 3, "after": "", "samples": 2, "vote": None, "error": 0.5}
    for shown in (rows, [read]):  # as it was measured, and as it was read from a file
        show_rows(shown)
        assert capsys.readouterr().out.split()[-2:] == ["n/a", "0.5000"]
    assert {format_figure(value) for value in (None, math.nan, math.inf, -math.inf)} == {"n/a"}


def test_a_log_is_json_and_its_curve_has_a_gap_where_nothing_is_defined(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    for at, vote in enumerate((0.5, math.nan, 0.75), 1):
        log.write({"iteration": at, "kind": "train", "loss": 1 / at})
        log.write({"iteration": at, "kind": "held_out", "vote": vote})
    rows = [strictly(line) for line in log.path.read_text().splitlines()]
    assert [row["vote"] for row in rows if row["kind"] == "held_out"] == [0.5, None, 0.75]
    save_curve(list(log.records()), "vote", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_log_with_nan_of_an_older_version_becomes_json_when_the_run_goes_on(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"iteration": 1, "vote": NaN}\n{"iteration": 2, "vote": 1.0}\n')
    MetricsLog(path, 1)
    assert strictly(path.read_text()) == {"iteration": 1, "vote": None}


def test_records_come_back_in_their_order(tmp_path):
    lines = JsonLines(tmp_path / "a.jsonl", "the log", "free some space")
    assert list(lines.records()) == []
    for at in range(3):
        lines.append({"number": at})
    assert list(lines.records()) == [{"number": at} for at in range(3)]


def test_a_line_that_was_cut_short_is_passed_over_and_the_next_one_stands_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"number": 1}\n[2]\n{"numb')
    lines = JsonLines(path, "the log", "free some space")
    assert list(lines.records()) == [{"number": 1}]
    lines.append({"number": 3})
    assert list(lines.records()) == list(read_lines(path)) == [{"number": 1}, {"number": 3}]


@pytest.mark.parametrize("torn", [b'{"iteration": 2, "lo', b"2", b'{"iteration": 2, "loss": null}'])
def test_a_page_that_follows_a_run_passes_over_what_is_no_whole_record(tmp_path, torn):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"iteration": 1, "loss": 0.5}\n' + torn)
    assert loss_curve(tmp_path) == {"iterations": [1], "losses": [0.5]}


def test_what_cannot_be_written_is_said(tmp_path):
    lines = JsonLines(tmp_path / "nowhere" / "a.jsonl", "the log", "free some space")
    with pytest.raises(StorageError, match=r"the log cannot be written: No such file"):
        lines.append({})

"""The kit of the reports: one definition of mean, deviation and interval, one way to write them."""

import ast
import math
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import at_most
from torch.testing import assert_close

from nca import StorageError
from nca.reports.numbers import (
    NONE,
    format_number,
    format_share,
    null_if_nan,
    with_deviation,
    with_interval,
)
from nca.reports.publish import make_report_folder
from nca.reports.statistics import Statistics

KIT = sorted((Path(__file__).parent.parent / "nca" / "reports").glob("*.py"))


def test_an_interval_is_students():
    one = Statistics.of([1.0, 2.0, 3.0])
    # 4.3027 is the 97.5 % point of t with two degrees of freedom
    assert_close(one.high - one.mean, 4.302652 * 1 / math.sqrt(3), rtol=1e-5, atol=0)
    assert_close(one.mean - one.low, one.high - one.mean)


def test_what_is_not_finite_is_left_out_and_counted():
    one = Statistics.of([2.0, math.nan, math.inf])
    assert (one.mean, one.least, one.greatest, one.known, one.asked) == (2, 2, 2, 1, 3)
    assert not one.complete
    assert math.isnan(one.deviation)
    assert math.isnan(one.low)
    assert math.isnan(Statistics.of([]).mean)
    assert Statistics.of([1.0, 2.0]).complete


@at_most(40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6))
def test_a_mean_lies_between_the_least_and_the_greatest(values):
    one = Statistics.of(values)
    assert one.least - 1e-6 <= one.mean <= one.greatest + 1e-6
    assert one.deviation == pytest.approx(statistics.variance(values) ** 0.5)  # over n - 1


def test_a_mean_is_positive_where_its_whole_interval_is():
    # of two values the interval reaches 12.7 standard errors, of many about 2
    assert not Statistics.of([1.0, 1.4]).positive
    assert Statistics.of([1.0, 1.1]).positive
    assert Statistics.of([1.0, 1.4] * 5).positive
    assert not Statistics.of([1.0]).positive
    assert not Statistics.of([-1.0, -1.0]).positive
    assert not Statistics.of([1e-12, 1e-12]).positive  # rounding


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.0, "0"), (46.0, "46"), (0.0571, "0.0571"), (0.0005714, "0.000571"),
     (0.979, "0.979"), (1e-16, "1.0e-16"), (math.nan, NONE), (-0.0024, "-0.0024"),
     (12345.6, "12,346"), (math.inf, NONE), (None, NONE), (12.34, "12.3")],
)  # fmt: skip
def test_numbers_have_about_three_digits_that_count(value, text):
    assert format_number(value) == text


def test_signs_shares_and_spreads_are_written_in_one_way():
    assert [format_number(x, signed=True) for x in (0.5, -0.5, 0.0)] == ["+0.500", "-0.500", "0"]
    assert format_number(math.nan, signed=True) == NONE
    assert [format_share(x) for x in (1.0, 0.125, math.nan)] == ["100 %", "12.5 %", NONE]
    one, alone, none = Statistics.of([1.0, 3.0]), Statistics.of([1.0]), Statistics.of([math.nan])
    assert [with_deviation(x) for x in (one, alone, none, None)] == ["2 ± 1.414", "1", NONE, NONE]
    assert [with_interval(x) for x in (one, alone, none, None)] == [
        "2 [-10.7, 14.7]",
        "1",
        NONE,
        NONE,
    ]
    assert with_deviation(Statistics.of([1e-17, -1e-17])) == "0 ± 0"


def test_what_is_not_finite_is_null_in_json():
    given = {1: (math.nan, math.inf, 1.5), "a": {"b": [-math.inf, "text", None, 2]}}
    assert null_if_nan(given) == {"1": [None, None, 1.5], "a": {"b": [None, "text", None, 2]}}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError) as fault:
        make_report_folder(tmp_path / "taken", "islands")
    assert fault.value.to_do == "choose another one: nca islands ... --out FOLDER"
    assert make_report_folder(tmp_path / "deep" / "er", "examine").is_dir()


@pytest.mark.parametrize("path", KIT, ids=lambda path: path.name)
def test_the_kit_imports_no_report(path):
    assert {"html.py", "numbers.py", "statistics.py"} <= {one.name for one in KIT}
    modules = {
        node.module or ""
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    }
    families = ("nca.reports.islands", "nca.reports.robustness")
    assert not [module for module in modules if module.startswith(families)]

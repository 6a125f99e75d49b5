"""What the report on robustness draws: bands that can be seen, on axes that can be read."""

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest

from nca.reports.robustness.charts import _course, _healing, conditions, metric_chart, round_steps
from nca.reports.robustness.damage import Wound
from nca.reports.robustness.duration import LongRun
from nca.reports.robustness.result import CheckResult
from nca.reports.robustness.summary import summarise


def line(check: str, steps: int, values: Sequence[float], curve: Sequence[Sequence[float]] = ()):
    """Return a line of one random seed per value; `curve` has one row of values per moment."""
    moments = [steps * 2**power // 2 ** (len(curve) - 1) for power in range(len(curve))]
    answers = [
        CheckResult(
            LongRun(steps),
            steps,
            {"vote": value},
            curve=tuple((at, row[seed]) for at, row in zip(moments, curve, strict=True)),
        )
        for seed, value in enumerate(values)
    ]
    (one,) = summarise(check, [[row] for row in answers], "vote")
    return one


def result_of(duration, long=(), steps: int = 10):
    task = SimpleNamespace(better="more")
    model = SimpleNamespace(
        plan=SimpleNamespace(steps=steps), trained=SimpleNamespace(task=task), headline="vote"
    )
    given = {"duration": list(duration), "long run": list(long)}
    checks = [SimpleNamespace(name=name) for name in given]
    return SimpleNamespace(model=model, summaries=given, checks=checks)


def panel_of(given):
    figure = _course(given)
    (panel,) = figure.axes
    return panel


def band(panel, number: int = 0) -> dict[float, tuple[float, float]]:
    """Return the lower and the upper end of a band, at each of its steps."""
    (path,) = panel.collections[number].get_paths()
    ends: dict[float, list[float]] = {}
    for step, value in path.vertices:
        ends.setdefault(step, []).append(value)
    return {step: (min(values), max(values)) for step, values in ends.items()}


THREE = [(10, (0.8, 0.9, 1.0)), (20, (0.7, 0.8, 0.9)), (160, (0.1, 0.4, 0.7))]


def test_the_interval_is_a_band_around_the_means_at_the_steps():
    given = [line("duration", steps, values) for steps, values in THREE]
    panel = panel_of(result_of(given))
    (means,) = (curve for curve in panel.lines if len(curve.get_xdata()) == 3)
    assert list(means.get_xdata()) == [10, 20, 160]
    assert list(means.get_ydata()) == pytest.approx([0.9, 0.8, 0.4])
    found = band(panel)
    assert {*found} == {10, 20, 160}
    for one in given:
        assert found[one.steps] == pytest.approx((one.headline.low, one.headline.high))
    face = panel.collections[0].get_facecolor()[0]
    assert 0.1 < face[3] < 0.3
    assert panel.get_ylabel() == "vote (more is better)"


def test_the_long_run_has_a_band_of_its_own_and_a_legend():
    given = [line("duration", steps, values) for steps, values in THREE]
    curve = [(0.8, 0.9, 1.0), (0.6, 0.8, 0.9), (0.3, 0.5, 0.9)]
    panel = panel_of(result_of(given, [line("long run", 40, curve[-1], curve)]))
    assert len(panel.collections) == 2
    assert {*band(panel, 1)} == {10, 20, 40}
    low, high = band(panel, 1)[40]
    assert (low + high) / 2 == pytest.approx(sum(curve[-1]) / 3)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == [
        "all samples",
        "the samples of the long run",
    ]
    assert panel_of(result_of(given)).get_legend() is None


def test_steps_are_counted_by_their_logarithm_in_round_numbers():
    given = [line("duration", steps, values) for steps, values in [*THREE, (10_000, (0.5, 0.6))]]
    panel = panel_of(result_of(given))
    assert panel.get_xscale() == "log"
    words = [label.get_text() for label in panel.get_xticklabels()]
    assert words == ["10", "20", "50", "100", "200", "500", "1,000", "2,000", "5,000", "10,000"]
    assert not panel.get_xticks(minor=True).size
    (mark,) = panel.texts
    assert (mark.get_text(), mark.xy[0]) == ("trained: 10 steps", 10)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (64, 1200, [100, 200, 500, 1000]),
        (10, 100_000, [10, 100, 1000, 10_000, 100_000]),
        (64, 90, [64, 90]),
        (3, 6, [3, 6]),
        (7, 7, [7]),
        (1, 5, [1, 2, 5]),
    ],
)
def test_round_numbers_of_steps(first, last, expected):
    assert round_steps(first, last) == expected


def test_an_axis_does_not_go_where_no_mean_can_be():
    wide = [line("duration", 10, (0.0, 0.0, 0.3)), line("duration", 20, (0.0, 0.1, 0.6))]
    assert wide[0].headline.low < -0.1
    low, high = panel_of(result_of(wide)).get_ylim()
    assert -0.05 * high < low <= 0
    assert high > wide[1].headline.high
    below = [line("duration", 10, (-3.0, -2.0)), line("duration", 20, (-4.0, -2.0))]
    low, _ = panel_of(result_of(below)).get_ylim()
    assert low < below[1].headline.low


def test_means_that_span_more_than_a_hundredfold_are_drawn_by_their_logarithm():
    given = [line("duration", 10, (0.1, 0.1)), line("duration", 20, (1.0, 99.0))]
    panel = panel_of(result_of(given))
    assert panel.get_yscale() == "log"
    low, high = panel.get_ylim()
    assert 0.04 < low < 0.1
    assert high > given[1].headline.high > 600


def test_one_moment_alone_has_a_bar_for_a_band():
    panel = panel_of(result_of([line("duration", 10, (0.2, 0.4))]))
    (bar,) = panel.collections
    (segment,) = bar.get_segments()
    given = line("duration", 10, (0.2, 0.4)).headline
    assert segment[:, 1] == pytest.approx([given.low, given.high])


def test_one_random_seed_has_no_band_and_what_is_not_finite_is_left_out():
    one = [line("duration", steps, values[:1]) for steps, values in THREE]
    panel = panel_of(result_of(one))
    assert math.isnan(one[0].headline.low)
    assert not panel.collections[0].get_paths()
    gone = [*one, line("duration", 640, (math.nan,))]
    assert max(panel_of(result_of(gone)).lines[0].get_xdata()) == 160
    assert metric_chart(result_of([line("duration", 10, (math.nan,))])) is None


def test_both_charts_are_pictures():
    given = result_of([line("duration", steps, values) for steps, values in THREE])
    for draw in (metric_chart, conditions):
        picture = draw(given)
        assert picture.width > 500
        assert (0, 114, 178) in {colour for _, colour in picture.getcolors(1 << 20)}


def test_no_two_wounds_look_alike():
    rows = [line("damage", 8, (0.5, 0.6), [(0.1, 0.2), (0.5, 0.6)]) for _ in range(14)]
    given = [
        replace(
            row,
            condition=Wound(8, "scatter", number / 100),
            unchanged=row.headline if number else None,
        )
        for number, row in enumerate(rows)
    ]
    model = SimpleNamespace(headline="vote")
    (panel,) = _healing(SimpleNamespace(summaries={"damage": given}, model=model)).axes
    looks = {(curve.get_color(), curve.get_linestyle()) for curve in panel.lines}
    assert len(looks) == len(panel.lines) == 14


def drawn_conditions(monkeypatch, *rows):
    """Return the panels of all conditions before they become a picture."""
    kept = []
    monkeypatch.setattr("nca.reports.robustness.charts.picture_of", kept.append)
    conditions(result_of(rows))
    return kept[0].axes


def test_an_interval_on_a_logarithmic_axis_is_in_the_picture_or_marked_where_it_leaves(monkeypatch):
    wide = line("duration", 10, (0.001, 0.0041, 0.0019))  # its interval reaches below 0
    narrow = line("duration", 20, (0.8, 0.9, 1.0))
    (panel,) = drawn_conditions(monkeypatch, wide, narrow)
    assert panel.get_xscale() == "log"
    left, right = panel.get_xlim()
    assert wide.headline.low < 0 < left <= wide.headline.mean / 2
    assert right > narrow.headline.high
    arrows = [one for one in panel.lines if one.get_marker() == 4]
    assert [(list(one.get_xdata()), list(one.get_ydata())) for one in arrows] == [([left], [0])]


def test_a_logarithmic_axis_reaches_as_far_as_an_interval_above_zero(monkeypatch):
    wide = line("duration", 10, (0.0014, 0.0030, 0.0022))
    assert 0 < wide.headline.low < wide.headline.mean / 2
    (panel,) = drawn_conditions(monkeypatch, wide, line("duration", 20, (0.8, 0.9, 1.0)))
    assert panel.get_xlim()[0] < wide.headline.low
    assert not [one for one in panel.lines if one.get_marker() == 4]

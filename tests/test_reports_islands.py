"""A study of an automaton whose parts and wholes are known, and of one that sleeps."""

import json

import pytest
import torch
from islands_case import RECIPE, blocks
from observed import Observed
from torch.testing import assert_close

from nca.reports.finding import Finding
from nca.reports.islands import (
    IslandsPlan,
    islands_headline,
    islands_to_json,
    measure_islands,
    verdict,
)
from nca.reports.islands.measures import ALWAYS, PATCHES
from nca.reports.islands.run import shuffled
from nca.reports.islands.summary import measurements, over_samples
from nca.reports.statistics import Statistics


@pytest.fixture
def found():
    return measure_islands(blocks(), IslandsPlan(4))


def mean(group, *name):
    return over_samples(group.figures[name]).mean


def test_known_parts_and_wholes_are_found_where_they_are(found):
    own = found.own
    assert mean(own, "level", "part", "islands") == 5
    assert mean(own, "level", "whole", "islands") == 3
    assert_close(mean(own, "level", "part", "weighted area"), (32**2 + 4 * 8**2) / 64)
    assert_close(mean(own, "level", "whole", "weighted area"), (32**2 + 2 * 16**2) / 64)
    assert mean(own, "nesting", "part", "whole", "nesting") == 1
    assert mean(own, "nesting", "part", "whole", "moved") < 0.9
    assert_close(mean(own, "growth", "over all thresholds", "spearman"), 1.0)
    for how in ("islands", "clusters"):
        assert mean(own, "truth", "part", "part", f"{how}: ARI") == 1
        assert mean(own, "truth", "whole", "whole", f"{how}: ARI") == 1
        assert mean(own, "truth", "whole", "part", f"{how}: ARI") < 1
        assert mean(own, "truth", "part", "whole", f"{how}: overlap") == 0.5
    assert mean(own, "truth", "part", PATCHES, "islands: ARI") == 0


def test_a_probe_reads_parts_off_the_level_that_tells_them_apart(found):
    own, untrained = found.own.figures, found.groups["untrained"].figures
    assert mean(found.own, "probe", "part", "part") == 1
    assert mean(found.own, "probe", "part", "whole") == 0.5  # of two merged parts it names one
    assert (
        over_samples(untrained["probe", "part", "part"]).mean
        == over_samples(own["probe", "part", ALWAYS]).mean
    )
    assert not [name for name in found.groups["shuffled"].figures if name[0] == "probe"]


def test_the_shuffled_control_has_less_contrast_and_no_truth(found):
    for name in found.levels:
        assert mean(found.groups["shuffled"], "level", name, "contrast") < 0.2
        assert mean(found.own, "level", name, "contrast") > 0.5
    assert not [name for name in found.groups["shuffled"].figures if name[0] == "truth"]


def test_shuffling_keeps_every_cell_and_depends_on_the_sample_alone():
    trained = blocks()
    state = next(trained.task.evaluation_batches("test", 6)).state
    after = shuffled(state, trained)
    assert_close(after["image"].sum(dim=(2, 3)), state["image"].sum(dim=(2, 3)))
    assert not after["image"].equal(state["image"])
    assert shuffled(state.select(slice(2, 4)), trained) == after.select(slice(2, 4))


def test_an_untrained_control_that_stands_still_is_not_compared_with(found):
    assert found.groups["untrained"].still("part")
    findings = verdict(found)
    assert "The untrained control stands still at part, whole." in findings[0].words
    # islands, growth, nesting, collapse, parts, wholes, rest
    assert [one.answer for one in findings] == ["yes"] * 3 + ["no"] + ["yes"] * 3
    assert "clusters: part 1, whole 0.475; best at part (the input alone: image 1)." in (
        findings[4].words
    )
    assert findings[-1].words.endswith("Diverged of 12 samples: none.")
    assert islands_headline(findings) == (
        "Segments of kind part are found (ARI 1 by islands at part, 1 by clusters at part). "
        "Segments of kind whole are found (ARI 1 by islands at whole, 1 by clusters at whole). "
        "A part-whole hierarchy appears. Islands form. Islands grow with level. Islands lie in "
        "those of the level above. No level has collapsed."
    )


def test_a_sleeping_automaton_has_no_hierarchy():
    asleep = measure_islands(blocks(gate=0.0), IslandsPlan(4, samples=3))
    findings = verdict(asleep)
    assert "A part-whole hierarchy does not appear. No islands form." in islands_headline(findings)
    assert findings[0].answer == "no"
    assert "Part, whole stayed empty or left the finite numbers." in islands_headline(findings)
    assert "Collapse number: part n/a, whole n/a" in findings[3].words


def test_what_diverges_is_counted_and_never_settles():
    burst = measure_islands(blocks(gate=1e30), IslandsPlan(4, samples=3))
    figures = burst.own.figures
    assert figures["sample", "diverged"].tolist() == [1, 1, 1]
    assert figures["level", "part", "settled"].isnan().all()
    assert not burst.own.still("part")
    findings = verdict(burst)
    first = "3 of 3 samples left the finite numbers, the first at step 2"
    assert findings[0].words == f"{first}; the figures are those of step 4."
    assert islands_headline(findings) == (
        f"It diverges: {first}. A part-whole hierarchy does not appear."
    )
    assert [one.answer for one in findings[1:-1]] == ["cannot tell"] * 6
    rest = findings[-1]
    assert rest.answer == "no"
    assert rest.words.endswith("Diverged of 3 samples: trained 3, shuffled 3.")
    arms = json.loads(json.dumps(islands_to_json(burst), allow_nan=False))["arms"]
    assert arms["trained"]["sample"]["diverged"]["mean"] == 1.0
    assert arms["trained"]["sample"]["diverged"]["samples"] == 3
    assert arms["untrained"]["sample"]["diverged"]["mean"] == 0.0


def test_divergence_after_the_step_that_counts_is_said_and_not_counted():
    late = measure_islands(blocks(gate=1e5), IslandsPlan(4, samples=3))
    said = islands_headline(verdict(late))
    assert "It diverges: 3 of 3 samples left the finite numbers, the first at step 8." in said
    assert "A part-whole hierarchy appears." in said


def test_one_sample_cannot_tell_and_says_how_many_it_takes():
    findings = verdict(measure_islands(blocks(), IslandsPlan(4, samples=1)))
    assert {one.answer for one in findings[:3]} == {"cannot tell"}
    assert islands_headline(findings) == (
        "1 sample cannot tell more: it takes 2 at least. "
        "Whether a part-whole hierarchy appears cannot be told."
    )
    assert "1 sample cannot tell whether islands form: it takes 2 at least" in findings[0].words


@pytest.mark.parametrize(
    ("values", "unclear", "needed"),
    [
        ([0.5], True, 2),
        ([], False, 2),
        ([0.5, 0.1], True, 6),  # 2.776 x 0.283 / 5 ** 0.5 is 0.351; 2.571 x 0.283 / 6 ** 0.5 0.297
        ([0.5, 0.4, 0.6], False, 3),
        ([0.0, 0.0, 0.0], False, 3),  # they do not vary
        ([-0.5, -0.4, -0.6], False, 3),  # the whole interval lies below
        ([0.1, -0.1] * 5, False, 10),  # there are enough, and they say no
        ([0.1, -0.1, 0.1, -0.1], True, 10),
    ],
)
def test_few_values_are_unclear_unless_all_of_their_interval_says_no(values, unclear, needed):
    one = Statistics.of(values)
    assert one.unclear is unclear
    if unclear:
        assert one.needed == needed


def test_a_verdict_says_first_what_was_found_then_what_was_not_and_then_why():
    found = [
        Finding("a", "partly", "the controls agree as much", ""),
        Finding("b", "no", "no level has collapsed", "", "no"),
        Finding("c", "no", "parts are found no better than by patches", "", subject="part"),
        Finding("d", "yes", "wholes are found", "", subject="whole"),
    ]
    assert islands_headline(found) == (
        "Wholes are found. Parts are found no better than by patches. "
        "A part-whole hierarchy does not appear. The controls agree as much."
    )


def test_one_level_alone_cannot_tell():
    head, _, tail = RECIPE.partition('[[levels]]\nname = "whole"')
    alone = measure_islands(
        blocks(text=head + tail[tail.index("[rollout]") :]), IslandsPlan(4, samples=3)
    )
    answers = [one.answer for one in verdict(alone)]
    assert answers[1:3] == ["cannot tell", "cannot tell"]
    assert not [name for name in alone.own.figures if name[0] in ("growth", "nesting")]


def test_the_course_reaches_four_times_the_steps_and_agrees_with_the_levels(found):
    assert found.plan.moments == (1, 2, 3, 4, 8, 16)
    course = found.own.figures["course", "whole", "contrast"]
    assert course.shape == (12, 6)
    assert_close(course[:, 3], found.own.figures["level", "whole", "contrast"])
    assert found.own.figures["change", "whole"].shape == (12, 16)
    assert mean(found.own, "level", "part", "settled") == 2  # moves once, then rests
    assert mean(found.own, "level", "whole", "settled") == 3
    assert [state.step for state in found.own.states] == [0, *found.plan.moments]


def test_a_study_finds_the_same_figures_twice(found):
    again = measure_islands(blocks(), IslandsPlan(4))
    assert json.dumps(measurements(again)) == json.dumps(measurements(found))


def test_figures_do_not_depend_on_how_samples_fall_into_batches(monkeypatch):
    whole = measure_islands(blocks(), IslandsPlan(4))
    monkeypatch.setattr("nca.reports.islands.run.BATCH", 5)
    parted = measure_islands(blocks(), IslandsPlan(4))
    for group in whole.groups:
        for name, values in whole.groups[group].figures.items():
            assert_close(parted.groups[group].figures[name], values, equal_nan=True)


def test_only_some_samples_go_on_beyond_the_step_that_counts(monkeypatch):
    monkeypatch.setattr("nca.reports.islands.run.BATCH", 5)
    figures = measure_islands(blocks(), IslandsPlan(4, followed=7)).own.figures
    course = figures["course", "whole", "contrast"]
    assert course[:, :4].isfinite().all()
    assert course[:, 4:].isfinite().sum(dim=0).tolist() == [7, 7]
    assert (
        figures["change", "whole"][:, 4:].isfinite().all(dim=1).tolist() == [True] * 7 + [False] * 5
    )
    assert figures["level", "whole", "settled"].isfinite().sum() == 7


def test_as_many_samples_are_taken_as_the_plan_says():
    observed = Observed()
    assert measure_islands(blocks(), IslandsPlan(1, samples=7), observed).samples == 7
    assert observed.pieces == [("islands", 3 * 7, 0, "samples")]
    assert observed.steps[-1] == 3 * 7


def test_all_of_it_is_told_as_json(found):
    text = json.dumps(measurements(found), allow_nan=False)
    parts = json.loads(text)["arms"]["trained"]["level"]["part"]
    assert parts["islands"] == {"mean": 5.0, "deviation": 0.0, "samples": 12}
    # the untrained control has no collapse number, and says so
    assert json.loads(text)["arms"]["untrained"]["level"]["part"]["collapse"]["mean"] is None


def test_a_summary_leaves_out_what_is_undefined():
    one = over_samples(torch.tensor([1.0, 3.0, torch.nan]))
    assert (one.mean, one.known, one.asked) == (2, 2, 3)
    assert_close(one.deviation, 2**0.5)
    assert not one.positive
    assert over_samples(torch.tensor([1.0, 1.1])).positive
    assert not over_samples(torch.tensor([1.0])).positive

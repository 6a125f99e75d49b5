"""A study of an automaton whose parts and wholes are known, and of one that sleeps."""

import json

import pytest
import torch
from study_case import RECIPE, blocks
from torch.testing import assert_close

from nca.jsonl import to_json
from nca.study import Plan, headline, study, verdict
from nca.study.arms import shuffled
from nca.study.figures import ALWAYS, PATCHES
from nca.study.summary import summary, told


@pytest.fixture
def found():
    return study(blocks(), Plan(4))


def mean(arm, *name):
    return summary(arm.figures[name]).mean


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
    assert mean(own, "truth", "part", PATCHES, "patches: ARI") == 0


def test_a_probe_reads_parts_off_the_level_that_tells_them_apart(found):
    own, untrained = found.own.figures, found.arms["untrained"].figures
    assert mean(found.own, "probe", "part", "part") == 1
    assert mean(found.own, "probe", "part", "whole") == 0.5  # of two merged parts it names one
    assert (
        summary(untrained["probe", "part", "part"]).mean
        == summary(own["probe", "part", ALWAYS]).mean
    )
    assert not [name for name in found.arms["shuffled"].figures if name[0] == "probe"]


def test_the_shuffled_control_has_less_contrast_and_no_truth(found):
    for name in found.levels:
        assert mean(found.arms["shuffled"], "level", name, "contrast") < 0.2
        assert mean(found.own, "level", name, "contrast") > 0.5
    assert not [name for name in found.arms["shuffled"].figures if name[0] == "truth"]


def test_shuffling_keeps_every_cell_and_depends_on_the_sample_alone():
    trained = blocks()
    state = next(trained.task.trials("test", 6)).state
    after = shuffled(state, trained)
    assert_close(after["image"].sum(dim=(2, 3)), state["image"].sum(dim=(2, 3)))
    assert not after["image"].equal(state["image"])
    assert shuffled(state.select(slice(2, 4)), trained) == after.select(slice(2, 4))


def test_an_untrained_control_that_stands_still_is_not_compared_with(found):
    assert found.arms["untrained"].still("part")
    findings = verdict(found)
    assert "The untrained control stands still at part, whole." in findings[0].words
    # islands, growth, nesting, collapse, parts, wholes, rest
    assert [one.answer for one in findings] == ["yes"] * 3 + ["no"] + ["yes"] * 3
    assert "clusters: part 1.00, whole 0.47; best at part (the input alone: image 1.00)." in (
        findings[4].words
    )
    assert headline(findings) == (
        "A part-whole hierarchy appears: islands form; they grow with level; they lie in one "
        "another; no level has collapsed; a level finds the segments of kind part; a level finds "
        "the segments of kind whole."
    )


def test_a_sleeping_automaton_has_no_hierarchy():
    asleep = study(blocks(gate=0.0), Plan(4, samples=3))
    findings = verdict(asleep)
    assert headline(findings).startswith("A part-whole hierarchy does not appear: no islands form")
    assert findings[0].answer == "no"
    assert "part, whole stayed empty or left the finite numbers" in headline(findings)
    assert "Collapse number: part undefined, whole undefined" in findings[3].words


def test_one_level_alone_cannot_tell():
    head, _, tail = RECIPE.partition('[[levels]]\nname = "whole"')
    alone = study(blocks(text=head + tail[tail.index("[rollout]") :]), Plan(4, samples=3))
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
    again = study(blocks(), Plan(4))
    assert to_json(told(again)) == to_json(told(found))


def test_figures_do_not_depend_on_how_samples_fall_into_batches(monkeypatch):
    whole = study(blocks(), Plan(4))
    monkeypatch.setattr("nca.study.arms.BATCH", 5)
    parted = study(blocks(), Plan(4))
    for arm in whole.arms:
        for name, values in whole.arms[arm].figures.items():
            assert_close(parted.arms[arm].figures[name], values, equal_nan=True)


def test_only_some_samples_go_on_beyond_the_step_that_counts(monkeypatch):
    monkeypatch.setattr("nca.study.arms.BATCH", 5)
    figures = study(blocks(), Plan(4, followed=7)).own.figures
    course = figures["course", "whole", "contrast"]
    assert course[:, :4].isfinite().all()
    assert course[:, 4:].isfinite().sum(dim=0).tolist() == [7, 7]
    assert (
        figures["change", "whole"][:, 4:].isfinite().all(dim=1).tolist() == [True] * 7 + [False] * 5
    )
    assert figures["level", "whole", "settled"].isfinite().sum() == 7


def test_as_many_samples_are_taken_as_the_plan_says():
    seen = []
    assert study(blocks(), Plan(1, samples=7), seen.append).samples == 7
    assert seen[-1] == 3 * 7


def test_all_of_it_is_told_as_json(found):
    text = to_json(told(found))
    parts = json.loads(text)["arms"]["trained"]["level"]["part"]
    assert parts["islands"] == {"mean": 5.0, "deviation": 0.0, "samples": 12}
    # the untrained control has no collapse number, and says so
    assert json.loads(text)["arms"]["untrained"]["level"]["part"]["collapse"]["mean"] is None


def test_a_summary_leaves_out_what_is_undefined():
    one = summary(torch.tensor([1.0, 3.0, torch.nan]))
    assert (one.mean, one.samples) == (2, 2)
    assert_close(one.deviation, 2**0.5)
    assert not one.sure  # 2 is no more than two standard errors of 1
    assert summary(torch.tensor([1.0, 1.1])).sure
    assert not summary(torch.tensor([1.0])).sure

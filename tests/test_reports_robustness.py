"""Checks of automata whose answers are known, and the report on it."""

import json
import math
import time
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from observed import Observed
from robustness_case import RECIPE, SEEN, Still, trained
from torch.testing import assert_close

from nca import NCAError
from nca.reports.numbers import format_number
from nca.reports.robustness import (
    CHECKS,
    CheckResult,
    ModelUnderTest,
    ResultCache,
    RobustnessPlan,
    SeedRun,
    findings,
    publish_robustness,
    robustness_headline,
    robustness_to_json,
    run_checks,
    select_checks,
)
from nca.reports.robustness.adversaries import liars
from nca.reports.robustness.damage import Wound, looks, recovery
from nca.reports.robustness.duration import LongRun
from nca.reports.robustness.grid_size import _set_into
from nca.reports.robustness.pulse import Pulse, TimeUpError
from nca.reports.robustness.rotation import rotated
from nca.reports.robustness.run import gathered
from nca.reports.robustness.seed_run import PIECE
from nca.reports.robustness.summary import summarise
from nca.reports.robustness.tables import check_table, result_rows

PLAN = RobustnessPlan(4, seeds=2, samples=3, long_steps=40, long_samples=1)


def examined(rule, folder, *names, plan=PLAN, **options):
    model = ModelUnderTest(trained(rule, **options), plan)
    cache = ResultCache(folder / "examination.jsonl", model)
    return run_checks(model, select_checks(names), cache)


def found(result, check):
    return {str(line.condition): line for line in result.summaries[check]}


def answers(result):
    pairs = zip(result.checks, findings(result), strict=True)
    return {check.name: finding.answer for check, finding in pairs}


def test_what_never_changes_never_heals_and_lasts_for_ever(tmp_path):
    card = examined("still", tmp_path, "damage", "duration", "long run")
    wound = found(card, "damage")["half 50 %, left, at step 4"]
    assert wound.headline.mean == 0.5
    assert wound.unchanged.mean == 1
    assert wound.figures["right after"].mean == 0.5
    assert wound.figures["healed"].mean == 0
    assert wound.figures["steps to heal"].known == 0
    healed = [line.figures["healed"].mean for line in card.summaries["damage"] if line.figures]
    assert healed == [0] * 17
    assert [line.headline.mean for line in card.summaries["duration"]] == [1, 1, 1, 1]
    assert answers(card) == {"damage": "no", "duration": "yes", "long run": "yes"}


def test_what_regrows_in_three_steps_heals_in_three(tmp_path):
    card = examined("regrow", tmp_path, "damage")
    for line in card.summaries["damage"]:
        if line.unchanged is None:
            assert str(line.condition).startswith("undamaged, at step ")
            assert {one.mean for _, one in line.curve} == {1}
            continue
        assert line.figures["steps to heal"].mean == 3, str(line.condition)
        assert line.headline.mean == 1
        assert [step for step, _ in line.curve] == looks(4)
    assert "17 kinds of damage" in robustness_headline(card)
    assert "Steps to heal: 3 to 3." in findings(card)[0].words


@pytest.mark.parametrize(
    ("before", "damaged", "end", "more", "share"),
    [
        (0.9, 0.5, 0.7, True, 50),
        (0.9, 0.5, 0.9, True, 100),
        (0.9, 0.5, 0.4, True, -25),
        (0.002, 0.042, 0.003, False, 97.5),
        (0.9, 0.89, 0.9, True, math.nan),  # hardly anything was lost
        (0.9, 0.95, 0.9, True, math.nan),  # it was no damage
        (0.02, 0.01, 0.02, False, math.nan),
        (math.nan, 0.5, 0.9, True, math.nan),
    ],
)
def test_recovery_is_the_share_of_what_was_lost_that_is_back(before, damaged, end, more, share):
    assert recovery(before, damaged, end, more=more) == pytest.approx(share, nan_ok=True)


def test_recovery_stands_in_figures_table_verdict_and_json(tmp_path):
    for rule, share in (("still", 0), ("regrow", 100)):
        card = examined(rule, tmp_path, "damage")
        wounds = [line for line in card.summaries["damage"] if line.figures]
        assert [line.figures["recovery in %"].mean for line in wounds] == [share] * 17
        (check,) = card.checks
        table = check_table(card, check)
        column = table.columns.index("recovery in %")
        assert {row[column] for row in table.rows} == {f"{share} [{share}, {share}]", "n/a"}
        assert f"Recovery: {share} to {share} %." in findings(card)[0].words
        assert all(f"{share} % back" in row[3] for row in result_rows(card) if row[3])
        kept = robustness_to_json(card)["questions"]["damage"]["conditions"]
        assert kept[-1]["figures"]["recovery in %"]["mean"] == share


def test_what_copies_its_input_follows_another_one_at_once(tmp_path):
    card = examined("copy", tmp_path, "exchange", full=False, text=SEEN)
    lines = found(card, "exchange")
    assert [*lines] == [
        f"{which} input, at step {step}" for step in (4, 16) for which in ("the same", "another")
    ]
    followed = lines["another input, at step 4"]
    assert followed.figures["right after"].mean < 0.7
    assert followed.figures["steps to heal"].mean <= 2
    assert followed.figures["recovery in %"].mean == 100
    assert answers(card) == {"exchange": "yes"}
    other = examined("still", tmp_path, "exchange", full=False, text=SEEN)
    assert found(other, "exchange")["another input, at step 4"].figures["recovery in %"].mean == 0
    assert answers(other) == {"exchange": "no"}


def test_without_input_or_another_sample_nothing_can_be_exchanged(tmp_path):
    assert examined("still", tmp_path, "exchange").barred == {"exchange": "no level holds an input"}
    plan = replace(PLAN, samples=1)
    card = examined("copy", tmp_path, "exchange", text=SEEN, plan=plan)
    assert "there is one sample" in card.barred["exchange"]


def test_looks_are_at_every_step_first_and_end_at_four_times_the_trained():
    assert looks(1) == [0, 1, 2, 3, 4]
    at = looks(100)
    assert at[:8] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert at[-1] == 400
    assert all(b <= math.ceil(1.15 * a) or b == a + 1 for a, b in pairwise(at))


def test_what_doubles_explodes_at_the_step_that_arithmetic_says(tmp_path):
    # after the trained steps it is 16, so that 16,000 is the bound, and 2 ** 14 exceeds it
    card = examined("double", tmp_path, "duration", "long run")
    one, two, four, sixteen = card.summaries["duration"]
    assert [line.exploded for line in (one, two, four, sixteen)] == [0, 0, 1, 1]
    assert (four.exploded_at, sixteen.exploded_at) == (14, 14)
    assert answers(card) == {"duration": "partly", "long run": "no"}
    assert "explodes under 3 conditions, first at step 14" in robustness_headline(card)
    assert "4 times the trained steps: explodes at step 14" in findings(card)[0].words


def test_a_headline_that_is_not_finite_is_told_as_missing(tmp_path):
    text = RECIPE.replace('"field"', '"ratio"')
    from robustness_case import Field

    from nca import Share, register

    class Ratio(Field):
        headline, better = "level", "less"

        def measure(self, state, batch):
            return {"level": Share.of(state["body"].flatten(1).double().mean(dim=1))}

    register.task("ratio")(Ratio)
    card = examined("double", tmp_path, "long run", text=text, plan=replace(PLAN, long_steps=200))
    (line,) = card.summaries["long run"]
    assert math.isnan(line.headline.mean)
    assert (
        robustness_to_json(card)["questions"]["long run"]["conditions"][0]["headline"]["mean"]
        is None
    )
    assert answers(card) == {"long run": "no"}


def test_life_is_the_same_everywhere_and_what_knows_its_column_is_not(tmp_path):
    card = examined("life", tmp_path, "translation", full=False)
    differences = [
        line.figures["largest difference"].mean for line in card.summaries["translation"]
    ]
    assert differences == [0, 0, 0, 0]
    assert answers(card) == {"translation": "yes"}
    other = examined("lopsided", tmp_path, "translation")
    assert found(other, "translation")["moved by 1, 0"].figures["largest difference"].mean == 0
    assert found(other, "translation")["moved by 0, 1"].figures["largest difference"].mean > 0.1
    assert answers(other) == {"translation": "partly"}


def test_edges_and_known_places_bar_translation(tmp_path):
    edged = RECIPE.replace("size = [8, 8]", 'size = [8, 8]\ntopology = "zeros"')
    assert examined("still", tmp_path, "translation", text=edged).barred == {
        "translation": "the grid has edges: zeros"
    }
    placed = RECIPE.replace("size = [8, 8]", "size = [8, 8]\ncoordinates = true")
    assert (
        "know where"
        in examined("still", tmp_path, "translation", text=placed).barred["translation"]
    )


def test_without_adversaries_it_is_what_it_was_and_with_them_it_is_not(tmp_path):
    card = examined("life", tmp_path, "duration", "adversaries", full=False)
    clean = found(card, "duration")["the trained steps"]
    none, *some = card.summaries["adversaries"]
    assert str(none.condition) == "0 % of the cells"
    assert none.metrics == clean.metrics
    assert all(line.metrics["lit"] != clean.metrics["lit"] for line in some)


def test_the_same_cells_lie_and_those_of_a_small_share_lie_in_a_large_one_too():
    seed_run = SeedRun(ModelUnderTest(trained("still"), PLAN), 0)
    state = seed_run.batch.state
    few, many = (liars(seed_run.model, seed_run, share)(state)["body"] != 1 for share in (0.1, 0.4))
    assert 0 < few.sum() < many.sum()
    assert not (few & ~many).any()
    later = liars(seed_run.model, seed_run, 0.1)(state.replace(step=3))["body"]
    assert ((later != 1) == few).all()
    assert not later.equal(liars(seed_run.model, seed_run, 0.1)(state)["body"])


def test_only_the_living_lie():
    alive = 'alive = { level = "body", channel = 0, above = 0.1, radius = 0 }'
    text = (
        RECIPE.replace("steps = [4, 4]", f"steps = [4, 4]\n{alive}")
        .replace("{ level", "{{ level")
        .replace("0 }\n", "0 }}\n")
    )
    seed_run = SeedRun(ModelUnderTest(trained("still", full=False, text=text), PLAN), 0)
    before = seed_run.batch.state["body"]
    after = liars(seed_run.model, seed_run, 1.0)(seed_run.batch.state)["body"]
    assert (after[before == 0] == 0).all()
    assert (after[before == 1] != 1).all()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turning_back_by_quarters_loses_nothing(quarters):
    level = torch.arange(50, dtype=torch.float64).view(1, 2, 5, 5)
    back = rotated(level, quarters * math.pi / 2, (2, 2))
    assert_close(back, torch.rot90(level, -quarters, (-2, -1)))


def test_turning_is_undone_by_turning_back_where_the_field_is_smooth():
    line = torch.linspace(-1, 1, 33, dtype=torch.float64)
    bump = torch.exp(-4 * ((line[:, None] - 0.2) ** 2 + line[None, :] ** 2))[None, None]
    there = rotated(bump, 0.5, (16, 16))
    assert (there - bump).abs().max() > 0.1
    apart = (rotated(there, -0.5, (16, 16)) - bump).abs()
    assert apart[..., 8:25, 8:25].max() < 0.02  # corners turn across the edge


def test_a_turned_perception_grows_the_turned_field(tmp_path):
    rule = RECIPE.replace('"{rule}"', '"growing", hidden = 8')
    rule = rule.replace("channels = 1", "channels = 4")
    case = trained("", text=rule, full=False)
    torch.manual_seed(1)
    for weight in case.automaton.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    model = ModelUnderTest(case, PLAN)
    cache = ResultCache(tmp_path / "examination.jsonl", model)
    card = run_checks(model, select_checks(["rotation"]), cache)
    turns = found(card, "rotation")
    for degrees in (90, 180, 270):
        line = turns[f"{degrees} degrees"]
        assert abs(line.change.mean) < 0.01
        assert line.overrides[0].startswith("levels.body.rules.0.angle=")
    assert examined("still", tmp_path, "rotation").barred == {
        "rotation": "none of its rules has an angle to turn its perception by"
    }


def test_a_fire_rate_keeps_the_number_of_updates(tmp_path):
    card = examined("regrow", tmp_path, "fire rate")
    assert [(str(line.condition), line.steps) for line in card.summaries["fire rate"]] == [
        ("fire rate 0.25", 16),
        ("fire rate 0.5", 8),
        ("fire rate 0.75", 5),
        ("fire rate 0.9", 4),
    ]


def test_noise_and_boundaries_are_overrides_that_reach_the_automaton(tmp_path):
    card = examined("still", tmp_path, "noise", "topology", full=False)
    assert found(card, "noise")["noise 0.01"].headline.mean == 1
    # four steps of standard deviation 0.1 make 0.2, and half a unit is 2.5 of those
    assert 0.97 < found(card, "noise")["noise 0.1"].headline.mean < 1
    assert found(card, "noise")["noise 0.1"].overrides == ("rollout.noise=0.1",)
    assert [line.overrides for line in card.summaries["topology"]] == [
        ('grid.topology="zeros"',),
        ('grid.topology="reflect"',),
        ('grid.topology="replicate"',),
    ]
    model = card.model
    assert model.changed('grid.topology="zeros"').automaton.topology.of(2) == ("zeros", "zeros")
    assert model.trained.automaton.topology.of(2) == ("torus", "torus")


def test_a_task_that_knows_no_size_makes_the_other_grid_itself(tmp_path):
    card = examined("still", tmp_path, "grid-size", "aspect", full=False)
    assert [str(line.condition) for line in card.summaries["grid size"]] == [
        "three quarters the sides, 6x6",
        "one and a half the sides, 12x12",
        "twice the sides, 16x16",
    ]
    assert [line.overrides for line in card.summaries["aspect"]] == [
        ("grid.size=[16, 8]",),
        ("grid.size=[8, 16]",),
    ]


def test_what_is_set_into_another_grid_keeps_its_middle():
    state = trained("still").automaton.layout.zeros(1, (5, 4))
    seed = state["body"].clone()
    seed[0, 0, 2, 2] = 1
    for size in ((8, 8), (3, 4), (5, 9)):
        moved = _set_into(state.replace({"body": seed}), size)["body"]
        assert moved.nonzero().tolist() == [[0, 0, size[0] // 2, size[1] // 2]]
    seed[0, 0, 0, 0] = 1
    assert _set_into(state.replace({"body": seed}), (3, 3)) is None


def test_changes_are_taken_seed_by_seed():
    answers = [
        [CheckResult(LongRun(1), 1, {"m": 1.0}, unchanged=0.5)],
        [CheckResult(LongRun(1), 1, {"m": 3.0}, unchanged=2.5)],
    ]
    (line,) = summarise("q", answers, "m")
    assert (line.change.mean, line.change.low, line.change.high) == (0.5, 0.5, 0.5)
    assert line.headline.low < 0 < 4 < line.headline.high


def test_a_result_comes_back_from_json_as_it_was():
    row = CheckResult(
        Wound(4, "half", 0.5, "left"),
        2,
        {"m": math.nan, "n": 1.5},
        unchanged=math.nan,
        figures={"f": math.inf},
        exploded=0.5,
        exploded_at=2,
        curve=((0, 1.0), (2, math.nan)),
        overrides=("a.b=1",),
    )
    record = json.loads(json.dumps(row.to_json(), allow_nan=False))
    back = CheckResult.from_json(record, Wound)
    assert back.to_json() == row.to_json()
    assert math.isnan(back.unchanged)
    assert math.isnan(back.metrics["m"])
    assert math.isnan(back.curve[1][1])
    assert (back.condition, back.steps, back.metrics["n"]) == (row.condition, 2, 1.5)
    assert (back.overrides, back.exploded, back.exploded_at) == (("a.b=1",), 0.5, 2)
    alone = CheckResult(LongRun(1), 1)
    assert CheckResult.from_json(alone.to_json(), LongRun) == alone
    (line,) = summarise("q", [[row], [back]], "n")
    assert line.unchanged.known == line.change.known == 0


def test_random_seeds_take_other_samples_and_other_chances():
    model = ModelUnderTest(trained("still", full=False), PLAN)
    one, other = SeedRun(model, 0), SeedRun(model, 1)
    assert (one.random_seed, other.random_seed) == (3, 4)
    assert one.clean.state != other.clean.state
    assert one.batch.state.samples.tolist() == [-1, -2, -3]
    assert other.batch.state.samples.tolist() == [-4, -5, -6]
    # six samples are all there are
    again = SeedRun(ModelUnderTest(model.trained, replace(PLAN, seeds=3)), 2)
    assert again.batch.state.samples.tolist() == [-1, -2, -3]
    assert again.batch.state.random_seed == 5


def test_what_is_answered_is_not_asked_again(tmp_path):
    first = examined("regrow", tmp_path, "damage")
    path = tmp_path / "examination.jsonl"
    kept = path.read_bytes()
    assert len(kept.splitlines()) == 2
    path.write_bytes(kept[:-20])  # as a kill would leave it
    model = first.model
    again = run_checks(model, select_checks(["damage"]), ResultCache(path, model))
    assert robustness_to_json(again) == robustness_to_json(first)
    lines_now = path.read_bytes().splitlines()
    assert len(lines_now) == 3
    assert lines_now[2] == kept.splitlines()[1]
    third = run_checks(model, select_checks(["damage"]), ResultCache(path, model))
    assert robustness_to_json(third) == robustness_to_json(first)
    assert path.read_bytes().splitlines() == lines_now


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conditions_come_back_from_json_and_no_two_read_alike(tmp_path, check):
    rule = "growing" if check.name == "rotation" else "still"
    text = RECIPE.replace('"{rule}"', '"growing", hidden = 8').replace(
        "channels = 1", "channels = 4"
    )
    text = {"rotation": text, "exchange": SEEN}.get(check.name, RECIPE)
    card = examined(rule, tmp_path, check.name, text=text)
    conditions = [line.condition for line in card.summaries[check.name]]
    assert conditions
    for one in conditions:
        assert type(one) is check.condition
        assert check.condition.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert len(conditions) == len(set(conditions)) == len(set(map(str, conditions)))
    kept = robustness_to_json(card)["questions"][check.name]["conditions"]
    assert [row["condition"] for row in kept] == [str(one) for one in conditions]
    assert [row["parameters"] for row in kept] == [one.to_json() for one in conditions]


def test_a_wound_is_a_record_and_not_a_sentence(tmp_path):
    kept = robustness_to_json(examined("still", tmp_path, "damage"))["questions"]["damage"][
        "conditions"
    ]
    by_name = {row["condition"]: row["parameters"] for row in kept}
    assert by_name["half 50 %, left, at step 4"] == {
        "at": 4,
        "shape": "half",
        "size": 0.5,
        "place": "left",
    }
    assert by_name["undamaged, at step 16"]["shape"] is None


def test_lines_of_another_format_are_counted_and_not_read(tmp_path):
    model = ModelUnderTest(trained("still"), PLAN)
    path = tmp_path / "examination.jsonl"
    ResultCache(path, model).write("long run", 3, [CheckResult(LongRun(40), 40, {"kept": 1.0})])
    record = json.loads(path.read_text())
    del record["format"]
    path.write_text(json.dumps(record) + "\n" + path.read_text())
    cache = ResultCache(path, model)
    assert (cache.outdated, len(cache.answers)) == (1, 1)


def test_answers_of_another_plan_or_other_weights_are_not_taken(tmp_path):
    case = trained("weighty")
    path = tmp_path / "examination.jsonl"
    model = ModelUnderTest(case, PLAN)
    ResultCache(path, model).write("damage", 3, [CheckResult(Wound(1), 1, {"kept": 1.0})])
    assert len(ResultCache(path, model).answers) == 1
    assert len(ResultCache(path, ModelUnderTest(case, replace(PLAN, seeds=5))).answers) == 1
    assert not ResultCache(path, ModelUnderTest(case, replace(PLAN, samples=2))).answers
    with torch.no_grad():
        case.automaton.get_parameter("rules.body.0.share").fill_(1)
    assert not ResultCache(path, model).answers


def test_a_budget_cuts_and_says_so(tmp_path):
    model = ModelUnderTest(trained("still"), PLAN)
    cache = ResultCache(tmp_path / "examination.jsonl", model)
    card = run_checks(model, select_checks(["damage", "noise"]), cache, seconds=-1.0)
    assert card.missing == ["damage: 0 of 2 random seeds", "noise: 0 of 2 random seeds"]
    assert answers(card) == {"damage": "cannot tell", "noise": "cannot tell"}
    publish_robustness(card, tmp_path)
    assert "Not asked: there was no time." in (tmp_path / "report.html").read_text()


def test_quick_says_what_it_cuts():
    whole = RobustnessPlan(10)
    assert whole.quick().less_than(whole) == [
        "random seeds: 3 instead of 8",
        "samples per random seed: 16 instead of 64",
        "samples of the long run: 1 instead of 4",
    ]
    assert whole.less_than(whole) == []


def test_an_unknown_question_gets_a_suggestion():
    with pytest.raises(NCAError) as fault:
        select_checks(["translatoin"])
    assert str(fault.value) == (
        "there is no check 'translatoin'.\n"
        "  where:  --ask translatoin; there are: duration, long run, damage, exchange, fire rate, "
        "noise, grid size, aspect, topology, rotation, adversaries, translation\n"
        "  to do:  did you mean `translation`? choose one of these, or leave --ask out for all"
    )
    assert [one.name for one in select_checks([])] == [one.name for one in CHECKS]
    assert [one.name for one in select_checks(["Fire-Rate", "damage"])] == ["damage", "fire rate"]


def test_the_page_opens_and_shows_the_numbers_of_the_file(tmp_path, page):
    publish_robustness(examined("double", tmp_path), tmp_path)
    kept = json.loads((tmp_path / "examination.json").read_text())
    assert list(kept["questions"]) == [check.name for check in CHECKS]
    page.goto((tmp_path / "report.html").as_uri())
    assert page.title() == "Robustness of all double"
    assert page.locator(".headline").inner_text() == kept["verdict"]
    assert page.locator(".verdict dt").count() == len(CHECKS)
    for name, check in kept["questions"].items():
        asked = page.locator(".verdict dt", has_text=check["asks"])
        assert asked.locator("span").inner_text() == check["answer"], name
        section = page.locator("section", has=page.locator(f"h2:text-is('{name.capitalize()}')"))
        if check["does_not_apply"]:
            assert check["does_not_apply"] in section.inner_text()
            continue
        shown = section.locator("table").first.locator("tbody tr").all_inner_texts()
        measured = [row for row in check["conditions"] if "does_not_apply" not in row]
        assert len(shown) == len(measured)
        for text, row in zip(shown, measured, strict=True):
            cells = text.split("\t")
            assert cells[0] == row["condition"]
            if row["metrics"]:
                assert cells[2] == f"{row['steps']:,}"
                assert cells[3].split(" [")[0] == format_number(row["headline"]["mean"])
    images = page.locator("img")
    assert images.count() == 4
    for place in range(4):
        assert images.nth(place).evaluate("image => image.complete && image.naturalWidth > 100")
    requests = page.content()
    assert "http://" not in requests
    assert "https://" not in requests


def test_three_axes_are_examined_too(tmp_path):
    text = RECIPE.replace("[8, 8]", "[3, 4, 5]")
    card = examined("regrow", tmp_path, text=text)
    assert set(card.barred) == {"exchange", "rotation"}
    publish_robustness(card, tmp_path)
    assert not (tmp_path / "pictures.png").exists()
    assert answers(card)["damage"] == "yes"


class TestBudget:
    def slow(self, tmp_path, monkeypatch, seconds: float):
        """Examine an automaton whose every step takes 20 ms, within so many seconds."""
        step = Still.forward

        def forward(rule, view):
            time.sleep(0.02)
            return step(rule, view)

        monkeypatch.setattr(Still, "forward", forward)
        model = ModelUnderTest(trained("still"), PLAN)
        cache = ResultCache(tmp_path / "examination.jsonl", model)
        chosen, observed = select_checks(["duration", "long-run", "translation"]), Observed()
        begun = time.monotonic()
        card = run_checks(model, chosen, cache, seconds=seconds, progress=observed)
        return card, time.monotonic() - begun

    @pytest.mark.parametrize("seconds", [1.0, 3.0])
    def test_is_kept_in_the_middle_of_a_check(self, tmp_path, monkeypatch, seconds):
        card, taken = self.slow(tmp_path, monkeypatch, seconds)
        assert taken < 1.1 * seconds + PIECE * 0.05
        assert card.missing
        assert robustness_headline(card)

    def test_pictures_that_would_take_longer_are_left_out(self, tmp_path):
        model = ModelUnderTest(trained("still"), PLAN)
        card = gathered(model, [], ResultCache(tmp_path / "examination.jsonl", model), {})
        publish_robustness(card, tmp_path, until=0.0)
        assert not (tmp_path / "pictures.png").exists()
        publish_robustness(card, tmp_path)
        assert (tmp_path / "pictures.png").exists()

    def test_shows_now_and_then_that_a_check_goes_on(self, monkeypatch):
        monkeypatch.setattr("nca.reports.robustness.pulse.EVERY", 0.0)
        shown = []
        pulse = Pulse(show=lambda: shown.append(1))
        pulse.beat()
        pulse.beat()
        assert len(shown) == 2
        with pytest.raises(TimeUpError):
            Pulse(until=0.0).beat()

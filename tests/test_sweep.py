"""What a sweep is asked, what it plans, and how it sums up what came of it."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed import Observed
from tiny import PLUGIN, RECIPE

from nca.checkpoint.find import recipe_path, recipe_text
from nca.progress import SILENT
from nca.registry.discovery import load_file
from nca.sweep.errors import SweepError
from nca.sweep.folder import known_runs, take_folder, write_asked
from nca.sweep.plan import (
    Base,
    PlannedRun,
    SweepPlan,
    assign_folders,
    grid,
    planned,
    rooted,
    sample,
)
from nca.sweep.request import Variant, check_number, parse_request, pieces
from nca.sweep.results import summarise_variants, write_results
from nca.sweep.worker import Job, Measure, Stopped, note, outcome_of, run_job

BASE = Base(RECIPE, "tiny", Path(), "tiny.toml")


class TestPieces:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("16,24,32", ["16", "24", "32"]),
            (" 0.5 , 1.0 ", ["0.5", "1.0"]),
            ("[7,10],[10,14]", ["[7,10]", "[10,14]"]),
            ('[{ name = "a", hidden = 4 }],[]', ['[{ name = "a", hidden = 4 }]', "[]"]),
            ('"a,b",c', ['"a,b"', "c"]),
            (r'"a\",b",c', [r'"a\",b"', "c"]),
            (r'"a\\",b', [r'"a\\"', "b"]),
            (r"'a\',b", [r"'a\'", "b"]),
            ('"[",1', ['"["', "1"]),
            ("don't,won't", ["don't", "won't"]),
            ("", [""]),
            (",", ["", ""]),
        ],
    )
    def test_are_cut_at_commas_outside_brackets_and_quotes(self, text, expected):
        assert pieces(text) == expected

    @pytest.mark.parametrize("text", ["[1,2", "1]", '"a', "{,", "][", "'x,y"])
    def test_of_what_is_not_closed_are_refused(self, text):
        with pytest.raises(ValueError, match="not closed"):
            pieces(text)

    values = st.recursive(
        st.integers() | st.booleans() | st.text("ab,;[]{}'\"\\ é", max_size=6),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    )

    @given(values=st.lists(values, min_size=1, max_size=5), mark=st.sampled_from(",;"))
    def test_are_the_values_that_were_joined(self, values, mark):
        written = [json.dumps(value) for value in values]  # JSON values are TOML values
        assert pieces(mark.join(written), mark) == written


class TestWishes:
    def test_become_axes_and_random_seeds(self):
        axes, seeds = parse_request(
            ["train.batch=2,4", "levels.1.channels=3", "levels.0.channels=1"],
            ["wide: train.batch=8; levels.1.channels=9", "as it is:"],
            None,
            "2",
        )
        assert seeds == (0, 1)
        variants, batch, *channels = axes
        assert variants == [
            Variant("wide", ("train.batch=8", "levels.1.channels=9")),
            Variant("as it is", ()),
        ]
        assert [choice.title for choice in batch] == ["batch=2", "batch=4"]
        # one short name for two keys would not tell them apart
        assert [[c.title for c in axis] for axis in channels] == [
            ["levels.1.channels=3"],
            ["levels.0.channels=1"],
        ]

    def test_come_from_a_file_as_well(self, tmp_path):
        file = tmp_path / "variants.toml"
        file.write_text('[whole]\nset = []\n[bare]\ntitle = "no x, no y"\nset = ["a=1", "b=2"]\n')
        ((whole, bare),), seeds = parse_request((), (), file, None)
        assert (whole, bare) == (Variant("whole", ()), Variant("no x, no y", ("a=1", "b=2")))
        assert seeds == ()

    def test_from_a_file_have_paths_that_start_at_the_file(self, tmp_path, monkeypatch):
        folder = tmp_path / "inner"
        folder.mkdir()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        path = recipe_path("growing")
        base = Base(recipe_text(path), path.stem, path.parent, str(path))
        written = ["task.target=a.png", 'task.target=["~/b.png", "lizard"]', "task.side=30"]
        task = 'task={name="image_growth", target="../c.png", side=20}'
        variants = [Variant("file", (*written, task), folder), Variant("typed", (written[0],))]
        ((own, typed),) = rooted([variants], base, ["train.batch=4"])
        assert typed.overrides == ("task.target=a.png",)
        assert own.overrides == (
            f'task.target="{folder}/a.png"',
            f'task.target=["{tmp_path}/home/b.png", "lizard"]',
            "task.side=30",
            f'task={{name="image_growth", target="{tmp_path}/c.png", side=20}}',
        )

    @pytest.mark.parametrize(
        ("given", "expected"),
        [("1", (0,)), ("3", (0, 1, 2)), ("4,7", (4, 7)), ("[7]", (7,)), (" [1, 2] ", (1, 2))],
    )
    def test_name_random_seeds_by_count_or_by_number(self, given, expected):
        assert parse_request((), (), None, given)[1] == expected

    def test_that_are_wrong_are_all_told_at_once(self, tmp_path):
        file = tmp_path / "variants.toml"
        file.write_text('[a]\nsett = []\n[b]\nset = ["random_seed=1"]\n')
        with pytest.raises(SweepError) as caught:
            parse_request(
                ["train.batch", "a=[1", "b=1,1", "c=1,,2", "random_seed=1", "d=1", "d=2"],
                ["x=1", "b: a=1"],
                file,
                "1,1",
            )
        told = str(caught.value)
        assert [(each.where, each.what) for each in caught.value.complaints] == [
            ("--variant x=1", "has no title."),
            (f"{file} [a]", 'unknown key "sett".'),
            (f"{file} [a]", "set is no list of texts."),
            (f"{file} [b]", "random seeds are no variant, but what is averaged over."),
            ("b", "two variants have this title."),
            ("--over train.batch", "names no key with values."),
            ("--over a=[1", "a bracket or quote is not closed, or closed twice."),
            ("--over b=1,1", "1 is there twice."),
            ("--over c=1,,2", "a value is empty."),
            ("--over random_seed=1", "random seeds are no axis, but what is averaged over."),
            ("--over d", "is given twice."),
            ("--seeds 1,1", "gives none, or one twice."),
        ]
        assert told.startswith(
            "the sweep cannot be planned.\n  --variant x=1\n    has no title.\n    to do: write "
        )

    @pytest.mark.parametrize("seeds", ["0", "", "-1", "x", "1.5", "[]", "\u00b2"])
    def test_for_no_random_seeds_are_refused(self, seeds):
        with pytest.raises(SweepError):
            parse_request((), (), None, seeds)

    @pytest.mark.parametrize("text", ["", "[a", "a = 1", "[a]\nset = 1", "[a]\nset = [1]"])
    def test_in_a_file_that_holds_no_variants_are_refused(self, tmp_path, text):
        (tmp_path / "variants.toml").write_text(text)
        with pytest.raises(SweepError):
            parse_request((), (), tmp_path / "variants.toml", None)


def axes_of(*lengths: int) -> list[list[Variant]]:
    return [[Variant(f"k{i}={j}", (f"k{i}={j}",)) for j in range(n)] for i, n in enumerate(lengths)]


lengths = st.lists(st.integers(1, 5), max_size=4)


class TestCombinations:
    @given(lengths)
    def test_of_a_grid_are_the_product_and_all_different(self, counts):
        found = list(grid(axes_of(*counts)))
        assert len(set(found)) == len(found) == math.prod(counts)
        assert all(len(choice.overrides) == len(counts) for choice in found)

    @given(counts=lengths, count=st.integers(1, 30), random_seed=st.integers(0, 2**40))
    def test_of_a_sample_are_some_of_the_grid_without_repetition(self, counts, count, random_seed):
        axes = axes_of(*counts)
        found = list(sample(axes, count, random_seed))
        assert len(set(found)) == len(found) == min(count, math.prod(counts))
        assert set(found) <= set(grid(axes))
        assert found == list(sample(axes, count, random_seed))
        assert found[: count // 2] == list(sample(axes, count // 2, random_seed))

    def test_of_other_random_seeds_are_others(self):
        drawn = [tuple(sample(axes_of(5, 5, 5), 6, random_seed)) for random_seed in range(5)]
        assert len(set(drawn)) == 5

    def test_of_a_sample_reach_every_place(self):
        axes = axes_of(3, 4)
        reached = [next(sample(axes, 1, random_seed)) for random_seed in range(200)]
        assert set(reached) == set(grid(axes))

    def test_of_a_huge_grid_are_drawn_without_listing_it(self):
        assert len(list(sample(axes_of(*[100] * 12), 5, 0))) == 5


@pytest.fixture
def blobs(tmp_path) -> None:
    (tmp_path / "blobs.py").write_text(PLUGIN)
    load_file(tmp_path / "blobs.py")


@pytest.mark.usefixtures("blobs")
class TestPlan:
    def test_gives_every_run_its_overrides_and_a_folder_of_its_own(self):
        axes, seeds = parse_request(["rollout.steps=[2,3],[4,5]"], (), None, "2")
        plan = planned(BASE, ["train.batch=2"], list(grid(axes)), seeds)
        assert (plan.headline, plan.better) == ("vote", "more")
        assert [(run.folder, run.overrides[1:]) for run in plan.runs] == [
            ("steps=_2_3_seed_0", ("rollout.steps=[2,3]", "random_seed=0")),
            ("steps=_2_3_seed_1", ("rollout.steps=[2,3]", "random_seed=1")),
            ("steps=_4_5_seed_0", ("rollout.steps=[4,5]", "random_seed=0")),
            ("steps=_4_5_seed_1", ("rollout.steps=[4,5]", "random_seed=1")),
        ]
        assert {run.overrides[0] for run in plan.runs} == {"train.batch=2"}

    def test_takes_the_random_seed_of_the_recipe_where_none_is_named(self):
        (run,) = planned(BASE, ["random_seed=7"], [Variant("", ())], ()).runs
        assert (run.random_seed, run.folder, run.words) == (7, "seed_7", "seed 7")

    def test_tells_every_fault_of_every_combination_at_once(self):
        choices = list(
            grid(
                parse_request(
                    ["levels.body.channels=0,4,x", "train.bach=1"],
                    ["a:", "b: rollout.fire_rate=2"],
                    None,
                    None,
                )[0]
            )
        )
        with pytest.raises(SweepError) as caught:
            planned(BASE, (), [*choices, Variant("fine", ())], (0,))
        blocks = {each.where: each.what for each in caught.value.complaints}
        assert str(caught.value).startswith("6 of 7 combinations of tiny.toml cannot be run, and ")
        assert sorted(blocks) == sorted(choice.title for choice in choices)
        for title, what in blocks.items():
            expected = 1 + ("=4" not in title) + title.startswith("b")
            assert len(what.splitlines()) == expected
            assert ("[rollout] fire_rate" in what) == title.startswith("b")
            assert ("[levels[1]] channels" in what) == ("=4" not in title)
            assert "[train] bach" in what

    def test_tells_a_fault_of_all_once_and_what_shows_only_when_built(self):
        choices = [Variant("a", ()), Variant("b", ("train.batch=2",))]
        broken = replace(BASE, text=RECIPE.replace('"growing"', '"top_down"'))
        with pytest.raises(SweepError) as caught:
            planned(broken, (), choices, (0,))
        (told,) = caught.value.complaints
        assert told.where == "every combination"
        assert "level" in told.what

    def test_refuses_two_names_for_one_thing(self):
        with pytest.raises(SweepError) as caught:
            planned(BASE, (), [Variant("a", ("x=1",)), Variant("b", ("x=1",))], (0,))
        (told,) = caught.value.complaints
        assert (told.where, told.what) == ("a\nb", "are the same thing.")

    def test_refuses_tasks_that_are_judged_by_different_metrics(self):
        growth = 'task={ name = "image_growth", target = "lizard", side = 6 }'
        choices = [Variant("a", ()), Variant("b", (growth, "grid.size=[16, 16]"))]
        with pytest.raises(SweepError) as caught:
            planned(BASE, (), choices, (0,))
        assert "error and vote cannot be compared." in str(caught.value)

    def test_refuses_random_seeds_that_contradict_each_other(self):
        with pytest.raises(SweepError, match="cannot be planned"):
            planned(BASE, ["random_seed=4"], [Variant("", ())], (0, 1))


def runs_of(*titles: str) -> list[PlannedRun]:
    return [PlannedRun(title, 0, (f"a={title}", "random_seed=0")) for title in titles]


class TestFolders:
    @given(st.lists(st.text(max_size=90), unique=True, max_size=6))
    def test_are_short_plain_and_different_wherever_case_does_not_count(self, titles):
        names = [run.folder for run in assign_folders(runs_of(*titles))]
        assert len({name.casefold() for name in names}) == len(titles)
        assert all(name.isascii() and len(name) < 80 and "/" not in name for name in names)
        assert not [name for name in names if name.startswith((".", "-"))]

    def test_are_kept_by_runs_that_have_one(self):
        known = assign_folders(runs_of("x!"))
        assert [run.folder for run in assign_folders(runs_of("x?", "x!"), known)] == [
            "x_seed_0_2",
            "x_seed_0",
        ]

    def test_of_the_same_sweep_are_found_again_and_others_take_the_next(self, tmp_path):
        runs = assign_folders(runs_of("a", "b"))
        wanted = {run.overrides for run in runs}

        def taken(base: Base, overrides: set[tuple[str, ...]]) -> Path:
            return take_folder(base, overrides, tmp_path, "").folder

        first = taken(BASE, wanted)
        assert first == tmp_path / "tiny-1"
        write_asked(first, BASE, runs)
        assert taken(BASE, wanted) == first
        assert taken(BASE, {runs[0].overrides}) == tmp_path / "tiny-2"
        assert taken(replace(BASE, text="other"), wanted) == tmp_path / "tiny-3"
        assert known_runs(first, BASE) == list(runs)
        assert known_runs(tmp_path, BASE) == []

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "runs": [{}]}', None])
    def test_of_another_or_a_damaged_sweep_are_refused(self, tmp_path, text):
        write_asked(tmp_path, replace(BASE, text="other"), ())
        if text is not None:
            (tmp_path / "sweep.json").write_text(text)
        with pytest.raises(SweepError, match="taken") as caught:
            known_runs(tmp_path, BASE)
        (told,) = caught.value.complaints
        assert ("damaged" in told.what) == (text is not None)


def outcome(value: float, later: float = 0.5) -> dict:
    rows = [
        {"steps": 3, "after": "", "samples": 8, "vote": value},
        {"steps": 6, "after": "swap", "samples": 8, "vote": later},
    ]
    return {"parameters": 9, "measured": rows}


def plan_of(better: str, **values: list) -> tuple[SweepPlan, dict]:
    """Return a plan and outcomes: for each title one value per random seed, or a reason."""
    runs = [
        PlannedRun(title, seed, (f"a={title}", f"random_seed={seed}"), f"{title}{seed}")
        for title, row in values.items()
        for seed in range(len(row))
    ]
    found = itertools.chain.from_iterable(values.values())
    told = [{"failed": v} if isinstance(v, str) else outcome(v) for v in found]
    outcomes = {run.folder: each for run, each in zip(runs, told, strict=True)}
    return SweepPlan(tuple(runs), "vote", better), outcomes


class TestResults:
    def test_are_means_and_spreads_over_random_seeds(self):
        plan, outcomes = plan_of("more", low=[0.1, 0.3, 0.2], high=[0.9, 0.5, 0.7])
        high, low = summarise_variants(plan, outcomes)
        assert (high.title, high.random_seeds, high.folder) == ("high", (0, 1, 2), "high0")
        spread = high.moments[0].metrics["vote"]
        # deviations from 0.7 are 0.2, -0.2, 0; their squares sum up to 0.08, halved 0.04
        assert spread.mean == pytest.approx(0.7)
        assert spread.deviation == pytest.approx(0.2)
        assert (spread.least, spread.greatest) == (0.5, 0.9)
        assert low.moments[0].metrics["vote"].deviation == pytest.approx(0.1)
        assert (high.moments[1].steps, high.moments[1].after) == (6, "swap")

    def test_are_unknown_where_one_run_has_diverged(self):
        plan, outcomes = plan_of("more", a=[0.5, math.nan], b=[0.25])
        fine, lost = (
            line.to_json()["moments"][0]["metrics"]["vote"]
            for line in summarise_variants(plan, outcomes)
        )
        assert fine == {"mean": 0.25, "deviation": None, "least": 0.25, "greatest": 0.25}
        assert set(lost.values()) == {None}

    @pytest.mark.parametrize(
        ("better", "titles", "best"),
        [("more", ["c", "a", "b", "d", "e"], "c1"), ("less", ["b", "a", "c", "d", "e"], "c0")],
    )
    @pytest.mark.parametrize("undefined", [math.nan, None])
    def test_are_sorted_best_first_and_what_has_no_number_last(
        self, better, titles, best, undefined
    ):
        plan, outcomes = plan_of(
            better, a=[0.5], b=[0.4, "broken"], c=[0.5, 0.7], d=["broken"], e=[undefined]
        )
        found = summarise_variants(plan, outcomes)
        assert [line.title for line in found] == titles
        by_title = {line.title: line for line in found}
        assert by_title["b"].failed == {1: "broken"}
        assert by_title["b"].random_seeds == (0,)
        assert by_title["d"].moments == ()
        assert by_title["c"].folder == best

    def test_are_written_as_json_and_csv(self, tmp_path):
        plan, outcomes = plan_of("more", a=[0.5, 0.7], b=['no, "memory"'], c=[math.nan])
        told = write_results(tmp_path, plan, Measure(), outcomes)
        assert json.loads((tmp_path / "results.json").read_text()) == told
        assert "NaN" not in (tmp_path / "results.json").read_text()
        assert told["combinations"][0]["moments"][0]["metrics"]["vote"]["mean"] == 0.6
        assert (told["split"], told["headline"], len(told["runs"])) == ("held_out", "vote", 4)
        head, first, second, *rest = (tmp_path / "results.csv").read_text().splitlines()
        assert head == (
            "combination,overrides,random_seeds,failed,parameters,split,steps,after,"
            "vote mean,vote deviation,vote least,vote greatest"
        )
        assert first.startswith("a,a=a,0 1,,9,held_out,3,,0.6,0.1414")
        assert second == "a,a=a,0 1,,9,held_out,6,swap,0.5,0.0,0.5,0.5"
        assert rest[0] == 'b,a=b,,"seed 0: no, ""memory""",,held_out,,,,,,'


@pytest.fixture
def job(tmp_path, blobs) -> Job:
    return Job(
        folder=str(tmp_path / "run"),
        text=RECIPE,
        name="tiny",
        home=str(tmp_path),
        overrides=("random_seed=5",),
        measure=Measure(),
        device="cpu",
    )


class TestJob:
    def test_is_written_and_read_as_it_is(self, job):
        job = replace(job, measure=Measure("test", (3, 6), 8), plugins=("a", "b"), data="d")
        assert Job.read(job.written()) == job

    def test_ends_with_an_outcome_that_makes_it_needless_to_do_it_again(self, job):
        assert outcome_of(job) is None
        told = run_job(job, SILENT)
        assert [(row["steps"], row["samples"]) for row in told["measured"]] == [(3, 8)]
        assert (told["split"], told["iteration"], told["parameters"]) == ("held_out", 4, 82)
        assert outcome_of(job) == told
        assert outcome_of(replace(job, overrides=("random_seed=6",))) is None

    def test_that_is_judged_otherwise_is_judged_anew_and_trained_no_more(self, job):
        run_job(job, SILENT)
        last = Path(job.folder) / "last.safetensors"
        before = last.stat().st_mtime_ns
        other = replace(job, measure=Measure("test", (2, 4), 5))
        assert outcome_of(other) is None
        told = run_job(other, SILENT)
        assert [(row["steps"], row["samples"]) for row in told["measured"]] == [(2, 5), (4, 5)]
        assert told["split"] == "test"
        assert last.stat().st_mtime_ns == before

    def test_that_is_stopped_has_no_outcome_and_goes_on(self, job):
        asked = iter([False, True])
        with pytest.raises(Stopped):
            run_job(job, Observed(stops=lambda: next(asked)))
        assert outcome_of(job) is None
        observed = Observed()
        run_job(job, observed)
        assert observed.rows[0]["iteration"] == 2

    def test_whose_metric_is_undefined_leaves_json_that_every_reader_takes(self, job):
        Path(job.folder).mkdir()
        told = note(job, measured=[{"steps": 3, "after": "", "samples": 8, "vote": math.nan}])
        text = (Path(job.folder) / "outcome.json").read_text()
        assert "NaN" not in text
        assert told == json.loads(text) == outcome_of(job)
        assert told["measured"][0]["vote"] is None

    def test_that_diverges_says_so_and_is_not_tried_again(self, job):
        job = replace(job, overrides=("train.learning_rate=1e30", "train.iterations=30"))
        told = run_job(job, SILENT)
        assert told["failed"].startswith("weights, or their means, are not finite: ")
        assert outcome_of(job) == told

    def test_that_failed_otherwise_is_tried_again(self, job):
        Path(job.folder).mkdir()
        note(job, failed="no space")
        assert outcome_of(job) is None


class TestTooMany:
    def test_runs_are_refused_before_they_are_listed(self):
        axes = [[Variant(str(value), ()) for value in range(100)]] * 20
        with pytest.raises(SweepError, match=r"would be [0-9,]* runs; a sweep has"):
            check_number(axes, 3, None)
        check_number(axes, 3, 20)
        check_number(axes[:1], 100, None)
        with pytest.raises(SweepError, match="would be 10,100 runs"):
            check_number(axes[:1], 101, None)

    @pytest.mark.parametrize("count", ["10001", "999999999999999999"])
    def test_random_seeds_are_refused_and_not_cut(self, count):
        with pytest.raises(SweepError, match="are more than 10,000 runs"):
            parse_request([], [], None, count)

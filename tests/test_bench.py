"""`nca.bench`: what is measured, how ways differ, and what follows from a clock."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from simple import Scale, one_level

import nca.backends.sparse
import nca.engine.step_inputs
from nca import NCAError, State, why_not_bits
from nca.bench import (
    BACKENDS,
    Backend,
    BenchPlan,
    Case,
    Measured,
    Result,
    Roofline,
    bench,
    cases,
    select_backends,
)
from nca.bench.backends import PLAIN, Rollout, compiled_afresh
from nca.bench.flops import WorkPerCell, work_per_cell
from nca.bench.run import Call, outcome_difference
from nca.bench.timing import Budget, Clock
from nca.checkpoint.find import benchmarks
from nca.checkpoint.read import read_recipe
from nca.engine.automaton import Automaton
from nca.reports.statistics import Quartiles

CPU = torch.device("cpu")
CEILING = Roofline({"float32": 100e9, "bfloat16": 200e9}, 20e9)
SMALL = ("grid.size=[8, 6]", "rollout.steps=3", "evaluate.batch=2")
NAMES = list(benchmarks())
WAY = {way.name: way for way in BACKENDS}


class Time:
    """A clock that shows a quarter of a second more each time it is read."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        self.seconds += 0.25
        return self.seconds

    @property
    def clock(self) -> Clock:
        return Clock(CPU, self.now, lambda: self.seconds / 2)

    def taking(self, name: str, seconds: float, **settings: object) -> Backend:
        """Return a way that runs the automaton in so many seconds of this clock."""

        def made(automaton: Automaton) -> Rollout:
            def rollout(state: State, steps: int) -> State:
                self.seconds += seconds - 0.25
                return automaton.rollout(state, steps)

            return rollout

        return Backend(name, "", made, **settings)


@pytest.fixture
def quick(monkeypatch) -> None:
    """A device whose ceiling is known, and compilers that are quick."""
    monkeypatch.setattr(Roofline, "measure", classmethod(lambda *_: CEILING))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))


def small(name: str = "growing_72", *overrides: str) -> Case:
    (case,) = cases([name], CPU, (*SMALL, *overrides))
    return case


def measured(time: Time, *chosen: Backend, **settings: object) -> Measured:
    """Measure the small case in these ways, by a clock that they turn."""
    options = {"repeats": 3, "budget": 1e6, **settings}
    (found,) = bench(BenchPlan([small()], chosen, clock=time.clock, **options)).measured
    return found


class TestCases:
    def test_are_seven_and_each_says_what_it_is(self):
        assert len(NAMES) == 7
        for case in cases([], CPU):
            assert case.name in NAMES
            assert len(case.summary) > 20
            assert case.recipe.tables.task is None, "a task may want data"

    @pytest.mark.parametrize("name", NAMES)
    def test_run_in_every_way_to_the_same_end(self, name, quick):
        # what is compiled takes seconds, so it is tried on one case of each kind
        compiled = name in ("growing_72", "glom_small", "life_1024")
        able = [way for way in BACKENDS if not way.lacks(CPU)]
        chosen = [way for way in able if compiled or not way.compiles]
        (found,) = bench(BenchPlan([small(name)], chosen, 2, 1e6, Clock(CPU))).measured
        assert not [result.failed for result in found.results if result.failed]
        done = {(result.what, result.backend.name): result.difference for result in found.results}
        assert list(done) == [
            (what, way.name)
            for what in ("forward", "training")
            for way in chosen
            if what in way.whats and (what == "forward" or found.parameters)
        ]
        for (_, way), off in done.items():
            assert off < (0.05 if way == "bfloat16" else 1e-4), way
        assert all(len(result.seconds) == 2 for result in found.results)

    def test_begin_with_life_on_a_quarter_of_the_grid(self):
        case = small("growing_72", "grid.size=[20, 30]")
        state, automaton = case.first(), case.automaton()
        assert automaton.alive
        mature = state["body"][:, automaton.alive.channel] > automaton.alive.above
        assert mature.double().mean().item() == 0.25
        assert mature[:, 10, 15].all()
        assert not mature[:, 0].any()
        assert state["body"].count_nonzero() == 16 * mature.sum()

    def test_begin_with_cells_that_are_on_or_off_where_rules_need_them(self):
        case = small("life_1024")
        assert case.first()["world"].unique().tolist() == [0, 1]
        assert why_not_bits(case.automaton(), case.first()) is None

    def test_fill_the_whole_grid_where_nothing_dies(self):
        state = small("texture_128").first()["body"]
        assert state.count_nonzero() > 0.99 * state.numel()

    @pytest.mark.parametrize("name", [name for name in NAMES if name != "life_1024"])
    def test_do_not_stand_still(self, name):
        case = small(name)
        after = case.automaton().rollout(case.first(), 3)
        assert after != case.first()
        assert all(weight.any() for weight in case.automaton().parameters() if weight.ndim > 1)

    def test_give_everybody_an_automaton_of_their_own(self):
        case = small()
        automaton = case.automaton()
        automaton.sparse = False
        with torch.no_grad():
            next(automaton.parameters()).fill_(7)
        assert case.automaton().sparse is None
        assert not (next(case.automaton().parameters()) == 7).any()

    def test_take_their_batch_from_the_table_of_training(self):
        (case,) = cases(["growing_72"], CPU)
        assert (case.batch, case.steps, case.size) == (8, 16, (72, 72))
        assert case.cell_steps == 8 * 16 * 72 * 72

    def test_of_an_unknown_name_are_refused_with_a_suggestion(self):
        with pytest.raises(NCAError, match=r"'growing_27'[^`]*did you mean `growing_72`\?"):
            cases(["growing_27"], CPU)

    @pytest.mark.parametrize(("size", "wide"), [("[12]", 3), ("[4, 5, 6]", 30)])
    def test_may_have_one_axis_or_three(self, size, wide, quick):
        case = small("growing_72", f"grid.size={size}")
        mature = case.first()["body"][:, 3] > 0.1
        assert mature.flatten(1).sum(dim=1).tolist() == [wide, wide]
        (found,) = bench(
            BenchPlan([case], select_backends(["segments"]), 1, 1e6, Clock(CPU))
        ).measured
        assert [(r.what, r.backend.name, r.failed) for r in found.results] == [
            ("forward", "plain", ""),
            ("training", "plain", ""),
            ("training", "segments", ""),
        ]
        assert found.results[2].difference < 1e-4

    @pytest.mark.gpu
    def test_run_on_a_gpu(self):
        device = torch.device("cuda")
        chosen = select_backends(["engine", "segments", "bfloat16"])
        asked = cases(["growing_72", "glom_small"], device)
        for found in bench(BenchPlan(asked, chosen, 2, 1e6, Clock(device))).measured:
            assert [result.failed for result in found.results] == [""] * 7
            assert all(result.peak for result in found.results)

    @pytest.mark.gpu
    def test_graphs_on_a_gpu_end_where_the_plain_steps_do(self):
        device, names = torch.device("cuda"), ["compiled", "compiled_graph", "fused", "fused_graph"]
        plan = BenchPlan(
            cases(["growing_72"], device), select_backends(names), 2, 1e6, Clock(device)
        )
        (found,) = bench(plan).measured
        assert [result.failed for result in found.results] == [""] * 10
        # convolutions of the plain step are rounded to TF32
        assert all(result.difference < 0.01 for result in found.results)


class TestWays:
    def test_the_plain_one_comes_along_first(self):
        assert [way.name for way in select_backends(["bfloat16", "engine"])] == [
            "plain",
            "engine",
            "bfloat16",
        ]
        assert select_backends([]) == list(BACKENDS)
        assert select_backends(["plain"]) == [PLAIN]

    def test_of_an_unknown_name_are_refused_with_a_suggestion(self):
        with pytest.raises(NCAError, match=r"'compield'[^`]*did you mean `compiled`\?"):
            select_backends(["compield"])

    def test_plain_convolves_for_each_rule_alone(self, monkeypatch):
        counted = []
        convolve = nca.engine.step_inputs.correlate_valid
        monkeypatch.setattr(
            nca.engine.step_inputs,
            "correlate_valid",
            lambda *a, **k: counted.append(a) or convolve(*a, **k),
        )
        for way, expected in (("plain", 8), ("engine", 4)):
            counted.clear()
            case = small("glom_small", "rollout.steps=1")
            WAY[way].made(case.automaton())(case.first(), 1)
            assert len(counted) == expected

    def test_plain_keeps_what_cells_show(self):
        case = small("glom_large")
        plain, engine = (WAY[w].made(case.automaton()) for w in ("plain", "engine"))
        big = case.first().map(lambda level: level * 50)  # so that squashing shows
        torch.testing.assert_close(plain(big, 2).levels, engine(big, 2).levels)

    def test_plain_lists_no_cells_where_the_engine_does(self, monkeypatch):
        lists = []
        selected = nca.backends.sparse.select_cells
        monkeypatch.setattr(
            nca.backends.sparse,
            "select_cells",
            lambda *a, **k: lists.append(a) or selected(*a, **k),
        )
        case = small()
        WAY["plain"].made(case.automaton())(case.first(), 1)
        assert not lists
        WAY["engine"].made(case.automaton())(case.first(), 1)
        assert lists

    @pytest.mark.parametrize(
        ("name", "mode"),
        [("plain", "store"), ("compiled", "store"), ("segments", "segments"), ("engine", "auto")],
    )
    def test_a_way_keeps_for_the_gradient_what_its_name_says(self, name, mode):
        automaton = small().automaton()
        WAY[name].made(automaton)
        assert automaton.memory.mode == mode

    @pytest.mark.parametrize("training", [False, True])
    def test_compiled_is_compiled_once_for_all_steps(self, training, monkeypatch):
        graphs = []
        monkeypatch.setattr(
            torch, "compile", partial(torch.compile, backend=lambda g, _: graphs.append(g) or g)
        )
        case = small("growing_72", "rollout.steps=6")
        with compiled_afresh():
            call = Call(case, WAY["compiled"], "training" if training else "forward")
            call.first = call.first.map(lambda level: level.contiguous())
            call()
            call()
        assert len(graphs) == 1

    @pytest.mark.parametrize("training", [False, True])
    def test_what_is_captured_is_the_rollout_and_its_gradient(self, training, monkeypatch):
        graphs = []

        def graphed(rollout: torch.nn.Module, sample: tuple, **_: bool) -> torch.nn.Module:
            assert rollout.training == training
            assert {id(weight) for weight in rollout.parameters()} == weights
            graphs.append(rollout)
            return rollout

        monkeypatch.setattr(torch.cuda, "make_graphed_callables", graphed)
        monkeypatch.setattr(torch, "compile", lambda step: step)
        case = small("glom_small")
        ours, theirs = (
            Call(case, WAY[name], "training" if training else "forward")
            for name in ("compiled_graph", "plain")
        )
        weights = {id(weight) for weight in ours.automaton.parameters()}
        for call in (ours, ours, theirs):
            call()
        assert len(graphs) == 1, "it is captured once"
        assert outcome_difference(ours.outcome(), theirs.outcome(), theirs.before()) < 1e-5
        ours.first = ours.first.replace(random_seed=7)
        ours()
        assert len(graphs) == 2, "a graph holds its random numbers"

    def test_graphs_and_fused_steps_are_left_out_without_a_gpu(self):
        lacking = {name: way.lacks(CPU) for name, way in WAY.items() if way.lacks(CPU)}
        assert lacking == {
            "compiled_graph": "graphs are captured on CUDA devices",
            "fused": "Triton's programs run on CUDA devices",
            "fused_graph": "graphs are captured on CUDA devices",
        }
        assert not any(way.lacks(torch.device("cuda")) for way in BACKENDS)

    def test_what_is_compiled_is_not_fused(self):
        for name in ("compiled", "compiled_graph"):
            automaton = small().automaton()
            WAY[name].made(automaton)
            assert (automaton.compiled, automaton.fused) == ("always", False)

    def test_compilers_keep_nothing_of_each_other(self, monkeypatch):
        name = "TORCHINDUCTOR_CACHE_DIR"
        for before in (None, "/nowhere"):
            monkeypatch.setenv(name, before) if before else monkeypatch.delenv(name, raising=False)
            with compiled_afresh():
                folder = Path(os.environ[name])
                assert folder.is_dir()
            assert not folder.exists()
            assert os.environ.get(name) == before


class TestWork:
    def test_counts_products_and_convolutions(self):
        case = small()
        perceive, layers = 2 * 9 * 3 * 16, 2 * (48 * 128 + 128 * 16)
        assert work_per_cell(case, "forward") == WorkPerCell(perceive + layers, 4 * (16 + 16))
        # the stencils have a gradient for their input alone, the layers for their weights too
        assert work_per_cell(case, "training") == WorkPerCell(2 * perceive + 3 * layers, 4 * 5 * 16)

    def test_reads_inputs_without_writing_them(self):
        work = work_per_cell(small("self_classifying_28"), "forward")
        assert work.moved == 4 * (2 * 19 + 1)
        assert work.operations == 2 * (9 * 20 * 80 + 80 * 80 + 80 * 19)

    def test_does_not_depend_on_size_batch_and_steps(self):
        other = small("growing_72", "grid.size=[5, 11]", "evaluate.batch=3", "rollout.steps=7")
        for what in ("forward", "training"):
            assert work_per_cell(small(), what) == work_per_cell(other, what)

    def test_waits_for_the_slower_of_products_and_copies(self):
        assert CEILING.floor(WorkPerCell(1e9, 1e9), torch.float32) == (0.05, "copies")
        assert CEILING.floor(WorkPerCell(8e9, 1e9), torch.float32) == (0.08, "products")
        assert CEILING.floor(WorkPerCell(8e9, 1e9), torch.bfloat16) == (0.05, "copies")

    def test_the_ceiling_is_what_the_clock_says(self):
        ceiling = Roofline.measure(CPU, Time().clock)
        product = 2 * 1024**3 / 0.25
        assert ceiling.products == {"float32": product, "bfloat16": product}
        assert ceiling.copied == 2 * 4 * 2**25 / 0.25


class TestResults:
    def test_the_spread_of_numbers(self):
        assert Quartiles.of([5.0, 1.0, 2.0, 4.0, 3.0]) == Quartiles(3.0, 2.0, 4.0)
        assert Quartiles.of([2.0]) == Quartiles(2.0, 2.0, 2.0)
        assert Quartiles(2.0, 1.5, 2.5).share == 0.25

    @pytest.mark.parametrize(
        ("seconds", "plain", "speed", "verdict"),
        [
            ([1.0, 1.0, 1.0], [2.0, 2.2, 1.8], 2.0, "faster"),
            ([4.0, 4.0, 4.0], [2.0, 2.2, 1.8], 0.5, "slower"),
            ([2.0, 2.0, 2.0], [2.0, 2.4, 1.6], 1.0, "level"),
            # the machine slowed down for both: round by round nothing has changed
            ([1.0, 2.0, 4.0], [2.0, 4.0, 8.0], 2.0, "faster"),
            ([4.0], [2.0], 0.5, "slower"),
        ],
    )
    def test_speed_is_told_round_by_round(self, seconds, plain, speed, verdict):
        result = Result("forward", WAY["engine"], seconds=seconds, plain=plain)
        assert result.speedup.median == speed
        assert result.verdict == verdict

    def test_the_ceiling_is_the_share_that_is_reached(self):
        result = Result("forward", WAY["engine"], seconds=[2.0], plain=[2.0], floor=(0.5, "copies"))
        assert result.share == 0.25

    def test_only_what_compiles_has_a_compile_time(self):
        results = [
            Result("forward", WAY[w], seconds=[2.0], plain=[2.0], first=30.0)
            for w in ("engine", "compiled")
        ]
        assert [result.compiling for result in results] == [None, 28.0]

    def test_a_difference_is_a_share_of_the_change(self):
        before = {"a": torch.tensor([1.0, 1.0])}
        wanted = {"a": torch.tensor([4.0, 5.0])}  # 5 away
        assert outcome_difference(wanted, wanted, before) == 0
        assert outcome_difference(before, wanted, before) == 1
        assert outcome_difference({"a": torch.tensor([4.0, 5.5])}, wanted, before) == pytest.approx(
            0.1
        )
        assert outcome_difference({}, wanted, {}) == 1


@pytest.mark.usefixtures("quick")
class TestSession:
    def test_speed_and_verdict_follow_from_the_clock(self):
        time = Time()
        chosen = [time.taking("plain", 2.0), time.taking("hare", 1.0), time.taking("snail", 4.0)]
        found = measured(time, *chosen)
        for what in ("forward", "training"):
            rows = {r.backend.name: r for r in found.results if r.what == what}
            assert {name: row.seconds for name, row in rows.items()} == {
                "plain": [2.0] * 3,
                "hare": [1.0] * 3,
                "snail": [4.0] * 3,
            }
            told = {name: (row.speedup.median, row.verdict) for name, row in rows.items()}
            assert told == {
                "plain": (1.0, "reference"),
                "hare": (2.0, "faster"),
                "snail": (0.5, "slower"),
            }
            assert rows["plain"].at_work == 0.5

    def test_ways_take_turns_and_the_order_turns_too(self):
        order: list[str] = []

        def noted(name: str) -> Backend:
            def made(automaton: Automaton) -> Rollout:
                return lambda state, steps: order.append(name) or automaton.rollout(state, steps)

            return Backend(name, "", made)

        measured(Time(), *map(noted, ("plain", "b", "c")))
        rounds = order[order.index("c") + 1 :]
        assert rounds[:9] == ["plain", "b", "c", "b", "c", "plain", "c", "plain", "b"]

    def test_a_way_that_gets_it_wrong_is_found_out(self):
        idle = Backend("idle", "", lambda automaton: lambda state, steps: state, whats=("forward",))
        found = measured(Time(), PLAIN, idle)
        assert [result.difference for result in found.results if result.backend is idle] == [1.0]

    def test_a_way_that_cannot_says_why_and_the_others_go_on(self):
        def made(automaton: Automaton) -> Rollout:
            def rollout(state: State, steps: int) -> State:
                raise RuntimeError("no such\n\nthing")

            return rollout

        time = Time()
        poor = time.taking("poor", 1.0, lacks=lambda device: f"needs more than a {device.type}")
        chosen = [PLAIN, Backend("broken", "", made), poor, time.taking("good", 1.0)]
        found = measured(time, *chosen)
        failed = [(result.backend.name, result.failed) for result in found.results]
        assert failed == 2 * [
            ("plain", ""),
            ("broken", "RuntimeError: no such"),
            ("poor", "needs more than a cpu"),
            ("good", ""),
        ]
        assert found.to_json()["results"][1] == {
            "what": "forward",
            "way": "broken",
            "failed": "RuntimeError: no such",
        }
        with pytest.raises(RuntimeError, match="no such"):
            measured(Time(), Backend("plain", "", made))

    def test_a_spent_budget_leaves_out_what_is_left(self):
        time = Time()
        found = measured(time, time.taking("plain", 50.0), budget=125.0)
        assert [(result.what, len(result.seconds)) for result in found.results] == [("forward", 1)]
        assert found.left_out == {"training": "the budget is spent"}

    def test_a_round_that_would_not_end_in_time_is_not_begun(self):
        time = Time()
        found = measured(time, time.taking("plain", 50.0), budget=60.0)
        assert time.seconds < 60
        assert found.left_out == dict.fromkeys(("forward", "training"), "the budget is spent")

    def test_a_backend_that_would_not_end_in_time_is_not_begun(self):
        time = Time()
        chosen = [time.taking("plain", 10.0), time.taking("snail", 10.0, compiles=True)]
        found = measured(time, *chosen, budget=38.0, repeats=99)
        assert time.seconds <= 1.1 * 38
        assert [result.failed for result in found.results][:2] == ["", "the budget is spent"]

    def test_rounds_end_when_a_part_has_had_its_share(self):
        time = Time()
        found = measured(time, time.taking("plain", 10.0), budget=100.0, repeats=99)
        counts = [len(result.seconds) for result in found.results]
        assert all(3 <= count <= 6 for count in counts)

    def test_life_has_nothing_to_train(self):
        report = bench(BenchPlan([small("life_1024")], [PLAIN], 1, 1e6, Clock(CPU)))
        (found,) = report.measured
        assert found.left_out == {"training": "there are no weights to train"}
        assert found.results[0].floor[1] == "copies"

    def test_training_changes_no_weight(self):
        case = small()
        call = Call(case, PLAIN, "training")
        before = [weight.detach().clone() for weight in call.automaton.parameters()]
        call()
        assert all(gradient.any() for gradient in call.outcome().values())
        assert all(w.equal(b) for w, b in zip(call.automaton.parameters(), before, strict=True))

    def test_what_is_told_is_json_and_complete(self):
        time = Time()
        chosen = [time.taking("plain", 2.0), time.taking("snail", 4.0, compiles=True)]
        report = bench(BenchPlan([small()], chosen, 2, 1e6, time.clock))
        told = json.loads(json.dumps(report.to_json()))
        assert list(told) == [
            "format", "machine", "ceiling", "ceiling_afterwards", "seconds", "cases",
        ]  # fmt: skip
        assert told["ceiling"] == {
            "float32_gflops": 100.0, "bfloat16_gflops": 200.0, "copy_gb_per_second": 20.0,
        }  # fmt: skip
        (case,) = told["cases"]
        assert (case["name"], case["size"], case["batch"], case["steps"]) == (
            "growing_72", [8, 6], 2, 3,
        )  # fmt: skip
        assert case["operations_per_cell_step"] == {"forward": 17248, "training": 50880}
        assert case["bytes_per_cell_step"] == {"forward": 128, "training": 320}
        row = case["results"][1]
        peak, off = row.pop("peak_bytes"), row.pop("difference_from_plain")
        assert peak is None or peak >= 0
        assert off < 1e-4
        assert row == {
            "what": "forward",
            "way": "snail",
            "ms": 4000.0,
            "ms_quartiles": [4000.0, 4000.0],
            "rounds": 2,
            "cell_steps_per_second": 2 * 8 * 6 * 3 / 4,
            "speedup": 0.5,
            "speedup_quartiles": [0.5, 0.5],
            "verdict": "slower",
            "share_of_ceiling": float(f"{17248 / 100e9 * 2 * 8 * 6 * 3 / 4:.4g}"),
            "bound_by": "products",
            "compile_seconds": 0.0,
            "share_at_work": 0.5,
            "unsteady": False,
        }


def test_a_budget_runs_out():
    budget = Budget(1.0, Time().clock)
    assert [budget.left for _ in range(5)] == [0.75, 0.5, 0.25, 0.0, -0.25]


def test_a_clock_tells_time_and_work():
    time = Time()
    two = lambda: setattr(time, "seconds", time.seconds + 2)  # noqa: E731
    assert time.clock.reading(two) == (2.25, 0.5)
    assert replace(time.clock, by_work=True).reading(two) == (1.125, 0.5)


def test_a_rule_without_a_kernel_stays_as_it_is():
    automaton = one_level(Scale(0.5))
    state = automaton.seed(1, (4,)).map(lambda level: level + 1)
    assert PLAIN.made(automaton)(state, 2) == automaton.rollout(state, 2)


def test_without_a_batch_that_is_said_one_grid_is_timed(tmp_path):
    text = Path(benchmarks()["life_1024"]).read_text()
    assert "batch = 1\n" in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("batch = 1\n", ""))
    assert Case(read_recipe(str(path)), CPU).batch == 1
    assert Case(read_recipe(str(path), ["evaluate.batch=3"]), CPU).batch == 3

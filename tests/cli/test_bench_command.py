"""`nca bench`: what it prints, what it writes, and what it says when it cannot."""

import json

import pytest
import torch

from nca.bench import BenchReport, Measured, Result, Roofline, cases, select_backends
from nca.bench.flops import WorkPerCell
from nca.cli.bench_table import show_machine, show_measured

CEILING = Roofline({"float32": 100e9, "bfloat16": 200e9}, 20e9)


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(Roofline, "measure", classmethod(lambda *_: CEILING))


def found() -> Measured:
    """Return a case as it might have been measured."""
    (case,) = cases(["growing_72"], torch.device("cpu"))
    rows = {
        "plain": ([0.2, 0.2, 0.2], 69e6, 0.0, 1.0),
        "engine": ([0.4, 0.4, 0.4], 20e6, 0.0, 1.0),
        "bfloat16": ([0.1, 0.2, 0.1], None, 0.0031, 0.5),
        "compiled": ([0.05, 0.05, 0.05], 1234e6, 0.0, 1.0),
    }
    results = [
        Result(
            "forward",
            way,
            seconds=rows[way.name][0],
            plain=[0.2, 0.2, 0.2],
            worked=[rows[way.name][3]] * 3,
            floor=(0.1, "products"),
            first=12.05,
            peak=rows[way.name][1] and int(rows[way.name][1]),
            difference=rows[way.name][2],
        )
        for way in select_backends(list(rows))
    ]
    results.append(Result("training", select_backends([])[0], failed="RuntimeError: no space"))
    work = {"forward": WorkPerCell(17248, 128), "training": WorkPerCell(50880, 320)}
    return Measured(case, 8336, (0.27, 0.27), work, results, {"training": "the budget is spent"})


def test_the_table_fits_80_characters_and_marks_what_is_slower(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    show_measured(found())
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "growing_72: 72x72 cells, batch 8, 16 steps",
        "  8,336 weights, 27% alive, 17,248 FLOP per cell and step, 50,880 in training",
        "forward: a rollout",
        "  way              ms  spread    M/s  speed             MB  ceiling  compile",
        "  plain         200.0    0.0%   3.32   1.00             69    50.0%",
        "  engine        400.0    0.0%   1.66   0.50  slower     20    25.0%",
        "  bfloat16      100.0   25.0%   6.64   2.00  faster      ?   100.0%",
        "  compiled       50.0    0.0%  13.27   4.00  faster  1,234   200.0%     12.0",
        "  bfloat16: its outcome is 0.3% of the change away from plain's",
        "  bfloat16: disturbed, it was at work for 50% of the time",
        "  bfloat16: unsteady, the quartiles are 50% apart",
        "training: an iteration: not measured, the budget is spent",
        "training: an iteration",
        "  plain cannot: RuntimeError: no space",
        "",
    ]
    assert max(map(len, lines)) <= 80


def test_the_legend_fits_80_characters(capsys, monkeypatch):
    machine = {
        "device": "CPU, 2 threads",
        "torch": "2.9.0",
        "system": "Linux",
        "time": "of the clock",
    }
    show_machine(BenchReport(machine, CEILING, CEILING, 61.2, [found()]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "CPU, 2 threads, torch 2.9.0, Linux"
    assert "  medians of 3 to 3 rounds of all steps; 61 s in all" in lines
    assert max(map(len, lines)) <= 80


def test_bench_times_a_recipe_without_its_data(nca, here, monkeypatch):
    monkeypatch.setattr("nca.cli.bench.LINE_EVERY", 0.0)
    given = ["--way", "engine", "--repeats", "2", "--device", "cpu", "--out", "deep.json"]
    result = nca("bench", "tiny.toml", *given)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "tiny: 8x8 cells, batch 4, 3 steps"
    assert [line.split()[0] for line in lines[4:6]] == ["plain", "engine"]
    assert "CPU, 1 thread" in result.out
    assert "tiny, forward: plain, for the first time" in result.err
    assert result.err.splitlines()[-1] == "deep.json"
    told = json.loads((here / "deep.json").read_text())
    assert [r["way"] for r in told["cases"][0]["results"]] == ["plain", "engine"] * 2


def test_bench_prints_what_it_writes_as_json(nca, here):
    given = ["--way", "plain", "--repeats", "1", "--device", "cpu", "--out", "told.json"]
    overrides = ["--set", "train.batch=2", "--set", "rollout.steps=2"]
    result = nca("bench", "tiny.toml", *given, *overrides, "--json")
    told = json.loads(result.out)
    assert told == json.loads((here / "told.json").read_text())
    (case,) = told["cases"]
    assert (case["batch"], case["steps"]) == (2, 2)


def test_bench_takes_cases_of_the_set(nca, here):
    smaller = ["--set", "grid.size=[9, 9]", "--set", "rollout.steps=2"]
    chosen = ["--case", "life_1024", "--case", "texture_128", "--way", "engine"]
    result = nca("bench", *chosen, *smaller, "--repeats", "1", "--device", "cpu")
    assert result.code == 0
    assert "life_1024: 9x9 cells, batch 1, 2 steps" in result.out
    assert "texture_128: 9x9 cells, batch 2, 2 steps" in result.out
    assert "training: an iteration: not measured, there are no weights to train" in result.out


def test_bench_takes_as_many_threads_as_it_may(nca, here, monkeypatch):
    given = []
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    asked = ["tiny.toml", "--way", "plain", "--repeats", "1", "--device", "cpu"]
    assert nca("bench", *asked, "--threads", "3").code == 0
    assert "time of the clock" in nca("bench", *asked).out
    assert given == [3]
    assert "time of the processor" in nca("bench", *asked, "--processor-time").out
    assert given == [3, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--case", "growing_27"), "did you mean `growing_72`?"),
        (("--way", "enigne"), "did you mean `engine`?"),
        (("growin",), "did you mean `growing`?"),
        (("--case", "life_1024", "--set", "rollout.stepz=1"), "did you mean `steps`?"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(nca, here, arguments, words):
    result = nca("bench", *arguments)
    assert (result.code, result.out) == (1, "")
    assert words in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("tiny.toml", "--case", "life_1024"),
        ("--repeats", "0"),
        ("--budget", "0"),
        ("--threads", "2", "--processor-time"),
    ],
)
def test_usage_errors_exit_2(nca, here, arguments):
    result = nca("bench", *arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage: nca bench" in result.err


def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(nca, here):
    for out in ("no/such/file", "."):
        result = nca("bench", "tiny.toml", "--way", "plain", "--repeats", "1", "--out", out)
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("StorageError: nothing is written to ")


@pytest.mark.parametrize("key", ["train.learning_rate=0.1", "evaluate.samples=9"])
def test_what_no_step_depends_on_is_refused(nca, here, key):
    result = nca("bench", "tiny.toml", "--set", key, "--device", "cpu")
    assert result.code == 1
    assert f"no effect on this: {key.partition('=')[0]}." in " ".join(result.err.split())

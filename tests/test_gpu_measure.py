"""What is measured on a card can be measured, which is rehearsed on tiny grids without one."""

import re
import warnings

import pytest
import torch
from fused_case import DEVICE
from gpu_measure import heard, main, memory_of_nan

from nca.backends.triton.launch import Launch
from nca.bench import Roofline
from nca.jsonl import read_lines
from nca.training.gradient_descent import GradientDescent

pytest.importorskip("triton")

WAIT = "called a synchronizing CUDA operation"


@pytest.fixture
def measured(tmp_path, capsys):
    """Return what measures, and returns how much has failed and the records."""

    def measure(*words: str, failed: int = 0) -> list[dict]:
        out = tmp_path / "out.jsonl"
        before = len(list(read_lines(out)))
        assert main([*words, "--out", str(out), "--device", DEVICE, "--small"]) == failed
        machine, *records = list(read_lines(out))[before:]
        assert machine["kind"] == "machine"
        assert machine["torch"] == torch.__version__
        assert len(capsys.readouterr().out.splitlines()) == 1 + len(records)
        return records

    return measure


def test_a_fused_step_is_right_beside_the_plain_one_in_both_kinds_of_products(measured):
    exact, reduced = measured("smoke", "taps")
    assert [exact["products"], reduced["products"]] == ["torch.float32", "torch.bfloat16"]
    for step in (exact, reduced):
        assert step["right"] is step["same_bits"] is True
        assert step["not_finite"] == 0
        assert step["moved"] > 0.1
        assert step["first_seconds"] > 0
    assert 0 < exact["levels_apart"] < 1e-5 < reduced["levels_apart"] < 0.03
    assert 0 < exact["slopes_apart"] < 1e-3 < reduced["slopes_apart"] < 0.1


def test_a_step_that_is_wrong_counts_as_failed_and_the_next_is_measured(measured, monkeypatch):
    start = Launch.__call__

    def skipping(launch: Launch, *given: object) -> None:
        if launch.program.__name__ != "step_levels":
            start(launch, *given)

    monkeypatch.setattr(Launch, "__call__", skipping)
    records = measured("smoke", "attention", "nothing of the kind", failed=4)
    assert [step["name"] for step in records[::2]] == ["attention", "nothing of the kind"]
    assert [step.get("right") for step in records] == [False, False, None, None]
    assert records[0]["not_finite"] > 0, "what is not written holds what was there"
    assert records[3]["failed"] == "KeyError: 'nothing of the kind'"


def test_each_launch_of_a_further_step_is_timed_beside_the_least_that_it_takes(
    measured, monkeypatch
):
    best = Roofline({"float32": 100e9, "bfloat16": 200e9}, 20e9)
    monkeypatch.setattr(Roofline, "measure", classmethod(lambda *_: best))
    ceiling, *steps = measured("kernels", "texture_128")
    assert ceiling["bfloat16_gflops"] == 200
    assert [step["products"] for step in steps] == ["torch.float32", "torch.bfloat16"]
    for step in steps:
        launched = [(each["part"], each["program"], each["a_step"]) for each in step["programs"]]
        assert launched == [
            ("forward", "step_levels", 1),
            ("backward", "hidden_gradients", 1),
            ("backward", "field_gradients", 1),
        ]
        assert step["cells"] == 15
        forward, *backward = (each["us"] for each in step["programs"])
        assert min(forward, *backward) > 0
        assert step["forward"]["us"] == forward
        assert step["training"]["us"] == pytest.approx(forward + sum(backward))
        assert 0 < step["forward"]["floor_us"] < step["training"]["floor_us"]


@pytest.mark.filterwarnings("ignore:called a synchronizing")
def test_an_iteration_says_how_fast_it_is_and_where_the_host_waits(measured, monkeypatch):
    update = torch.optim.Adam.step

    def waiting(*given, **named):
        warnings.warn(f"{WAIT}\n(from afar)", stacklevel=1)
        return update(*given, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", waiting)
    (found,) = measured("iteration", "growing_lizard", "--iterations", "3")
    assert (found["name"], found["batch"], found["iterations"]) == ("growing_lizard", 4, 3)
    assert found["samples_a_second"] == pytest.approx(4e3 / found["ms"])
    assert found["losses"][0] != found["losses"][1]
    assert None not in found["losses"]
    (wait,) = (each for each in found["waits"] if each["text"] == WAIT)
    assert wait["times"] == 3
    assert re.search(r"gradient_descent\.py:\d+ move$", wait["place"])
    longest = [each["us"] for each in found["longest"]]
    assert longest == sorted(longest, reverse=True)
    assert 0 < sum(longest) <= 1e3 * found["busy_ms"]
    assert all(each["name"] and each["times"] > 0 for each in found["longest"])


def test_what_fails_is_said_and_the_next_recipe_is_measured(measured, monkeypatch):
    def out_of_memory(_: object) -> None:
        raise MemoryError("there is no more")

    monkeypatch.setattr(GradientDescent, "look", out_of_memory)
    first, second = measured("iteration", "growing_lizard", "texture", failed=2)
    assert (first["name"], second["name"]) == ("growing_lizard", "texture")
    assert first["failed"] == second["failed"] == "MemoryError: there is no more"


def test_a_warning_from_elsewhere_has_no_place():
    found = heard(lambda: [warnings.warn(text, stacklevel=1) for text in "abb"])
    assert found == [
        {"text": "b", "place": "", "times": 2},
        {"text": "a", "place": "", "times": 1},
    ]


def test_memory_holds_nan_inside_the_block_alone():
    with memory_of_nan():
        assert torch.empty(3, device=DEVICE).isnan().all()
        assert not torch.zeros(3, device=DEVICE).any()
    assert not torch.are_deterministic_algorithms_enabled()


def test_programs_that_would_run_elsewhere_are_not_measured(monkeypatch, capsys):
    monkeypatch.setattr("gpu_measure.interpreted", lambda: DEVICE == "cuda")
    with pytest.raises(SystemExit):
        main(["smoke", "--out", "out.jsonl", "--device", DEVICE])
    assert f"with TRITON_INTERPRET={int(DEVICE == 'cpu')}" in capsys.readouterr().err

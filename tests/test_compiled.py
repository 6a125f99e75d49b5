"""Compiled steps are the plain ones to rounding, and taken only where they pay."""

import copy
import shutil
from functools import partial

import pytest
import torch
from observed import Observed
from simple import one_level
from test_memory_planner import Noise as NoiseImages
from torch.testing import assert_close

from nca import (
    SILENT,
    ActivationMemory,
    Automaton,
    Layout,
    Level,
    NCAError,
    Noise,
    RuleContext,
    Skip,
    State,
    register,
)
from nca.backends import choose
from nca.backends.compiled import CompiledStepper, CompiledSteppers
from nca.checkpoint.read import read_recipe
from nca.distributed.sharding import Sharding
from nca.registry.registry import registry
from nca.training.compile_trial import choose_compile
from nca.training.loop import train
from nca.training.memory_planner import IterationProbe
from nca.training.run import Run

CPU = torch.device("cpu")
LEVELS = (
    *("task.dataset=noise", "task.held_out=8", "train.batch=4", "pool.size=8"),
    *("pool.fresh=2", "pool.swapped=1"),
    *("train.iterations=4", "train.warmup=0", "train.validate_every=0"),
    *("rollout.steps=[5, 6]", "train.memory=store", "train.precision=float32"),
)


@pytest.fixture(autouse=True)
def noise() -> None:
    register.dataset("noise")(NoiseImages)


@pytest.fixture
def quick(monkeypatch) -> None:
    """Programs that are traced and not translated, which takes no time."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


def automaton() -> Automaton:
    torch.manual_seed(0)
    layout = Layout([Level("low", 2, input=True), Level("mid", 3), Level("top", 2)])
    mid, top = RuleContext(layout, "mid"), RuleContext(layout, "top")
    rules = {
        "mid": [registry.get("rule", name)(mid) for name in ("bottom_up", "lateral", "top_down")],
        "top": [registry.get("rule", "bottom_up")(top, activation="gelu", shown="squashed")],
    }
    return Automaton(
        layout, rules, fire_rate=0.6, noise=Noise(0.1), skips=[Skip(2, 0.1)], step_size=0.5
    ).double()


def first(one: Automaton) -> State:
    state = one.seed(2, (6, 7), random_seed=3)
    return state.replace({"low": state.rng.normal("low", 2, (6, 7)).double()})


def gradients(one: Automaton, state: State, steps: int) -> list[torch.Tensor]:
    after = one.rollout(state, steps)
    loss = sum((after[name] ** 2).sum() for name in one.writable_levels)
    return torch.autograd.grad(loss, list(one.parameters()))  # pyright: ignore


@pytest.mark.parametrize("memory", ["store", "segments"])
def test_a_compiled_rollout_and_its_gradient_are_the_plain_ones(memory, quick):
    plain = automaton()
    plain.memory = ActivationMemory(memory)
    compiled, state = copy.deepcopy(plain), first(plain)
    compiled.compiled = "always"
    ends = [one.rollout(state, 5) for one in (plain, compiled)]
    assert ends[0].step == ends[1].step == 5
    assert len(ends[0].remembered) == len(ends[1].remembered) == 1
    for name in plain.writable_levels:
        assert ends[0][name].ne(0).any()
        assert_close(ends[1][name], ends[0][name], rtol=0, atol=1e-12)
    for ours, theirs in zip(gradients(compiled, state, 4), gradients(plain, state, 4), strict=True):
        assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert not any(level.requires_grad for level in state.values())


@pytest.mark.skipif(not shutil.which("g++"), reason="torch needs a C++ compiler, g++")
def test_what_torch_really_makes_of_a_step_is_the_step():
    place = RuleContext(Layout([Level("body", 2)]), "body")
    plain = one_level(registry.get("rule", "growing")(place, hidden=3), channels=2, fire_rate=0.5)
    weights = list(plain.parameters())
    for number, weight in enumerate(weights):
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(number))
    state = plain.seed(2, (6, 7), random_seed=3)
    state = state.replace({"body": state.rng.normal("body", 2, (6, 7))})
    wanted = gradients(plain, state, 3)
    plain.compiled = "training"
    for ours, theirs in zip(gradients(plain, state, 3), wanted, strict=True):
        assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_what_asks_for_no_gradient_is_not_compiled(monkeypatch):
    one = automaton()
    with torch.no_grad():
        wanted = one.rollout(first(one), 3)
        one.compiled = "training"
        monkeypatch.setattr(CompiledStepper, "step", lambda *_: pytest.fail("was asked"))
        assert all(map(torch.equal, one.rollout(first(one), 3).values(), wanted.values()))


def test_what_was_compiled_is_kept_for_the_next_rollout_and_not_for_a_copy(quick):
    one = automaton()
    one.compiled = "training"
    one.rollout(first(one), 2)
    kept = one._compiled_steppers
    (stepper,) = kept._kept
    assert kept.stepper(one.spec) is stepper
    one.step_size = 0.25
    assert kept.stepper(one.spec) is not stepper
    twin = copy.deepcopy(one)
    assert twin._compiled_steppers._kept == []
    weight, copied = next(one.parameters()), next(twin.parameters())
    assert weight is not copied
    assert torch.equal(weight, copied)


def test_what_is_compiled_is_fused_only_if_that_is_demanded(monkeypatch):
    monkeypatch.setattr(choose, "_fused", lambda *_: True)  # as on a card
    monkeypatch.setattr(choose, "FusedStepper", lambda *_: "fused")
    one = automaton()

    def chosen(**how: object) -> object:
        execution = choose.Execution(**how)  # pyright: ignore
        return choose.choose_stepper(one.spec, execution, first(one), 0.5, CompiledSteppers())

    assert chosen() == "fused"
    assert isinstance(chosen(compiled="always"), CompiledStepper)
    assert isinstance(chosen(compiled="training"), CompiledStepper)
    assert chosen(compiled="always", fused=True) == "fused"
    with torch.no_grad():
        assert chosen(compiled="training") == "fused"


class Clock:
    """Tells what an iteration takes: plain, and compiled."""

    def __init__(self, monkeypatch, plain: float, compiled: float | Exception) -> None:
        self.asked: list[str] = []

        def seconds(trial: IterationProbe) -> float:
            kind = trial.run.automaton.compiled
            self.asked.append(kind)
            if kind == "never":
                return plain
            if isinstance(compiled, Exception):
                raise compiled
            return compiled

        monkeypatch.setattr(IterationProbe, "seconds", seconds)


def begun(folder, *more: str, name: str = "glom_mnist") -> Run:
    recipe = read_recipe(name, [*(LEVELS if name == "glom_mnist" else ()), *more])
    run = Run.start(recipe, folder, CPU, None, SILENT)
    return run


def settled(run: Run) -> tuple[bool, str]:
    observed = Observed()
    choose_compile(run, observed)
    return run.automaton.compiled == "training", "".join(observed.notes)


LONG = ("train.compile=auto", "train.iterations=100000")


def test_nobody_asks_and_nothing_is_compiled(tmp_path, monkeypatch):
    clock = Clock(monkeypatch, 1.0, 0.1)
    assert settled(begun(tmp_path / "run")) == (False, "")
    assert clock.asked == []


def test_auto_takes_what_is_faster_and_says_so(tmp_path, monkeypatch, quick):
    clock = Clock(monkeypatch, 1.0, 0.7)
    run = begun(tmp_path / "run", *LONG)
    assert settled(run) == (
        True,
        "compiled steps: 0.7 s an iteration compiled, 1 s plain",
    )
    assert clock.asked == ["never", "training"]
    told = run.log.last("compile")
    assert told is not None
    assert (told["compiled"], told["seconds"], told["compiled seconds"]) == (True, 1.0, 0.7)


@pytest.mark.parametrize(
    ("compiled", "word"),
    [
        (0.97, "plain steps: 0.97 s an iteration compiled, 1 s plain"),
        (3.0, "plain steps: 3 s an iteration compiled, 1 s plain"),
        (RuntimeError("no g++\nat all"), "plain steps: torch cannot compile them here: no g++"),
    ],
)
def test_auto_leaves_what_is_no_faster(compiled, word, tmp_path, monkeypatch, quick):
    Clock(monkeypatch, 1.0, compiled)
    assert settled(begun(tmp_path / "run", *LONG)) == (False, word)


def test_auto_does_not_try_where_too_little_is_left(tmp_path, monkeypatch):
    clock = Clock(monkeypatch, 1.0, 0.1)
    run = begun(tmp_path / "run", "train.compile=auto", "train.iterations=90")
    assert settled(run) == (False, "plain steps: about 2 min are left, too few to try")
    assert clock.asked == ["never"]


def test_auto_does_not_try_where_cells_are_spared(tmp_path, monkeypatch):
    clock = Clock(monkeypatch, 1.0, 0.1)
    run = begun(tmp_path / "run", "train.compile=auto", "pool.size=8", name="growing")
    assert settled(run)[1].startswith("plain steps: they spare the cells that cannot change")
    assert clock.asked == []


def test_a_run_goes_on_as_it_began(tmp_path, monkeypatch, quick):
    Clock(monkeypatch, 1.0, 0.5)
    assert settled(begun(tmp_path / "run", *LONG))[0]
    clock = Clock(monkeypatch, 1.0, 2.0)
    again = Run.resume(tmp_path / "run", CPU, None, SILENT)
    assert settled(again) == (True, "compiled steps: as this run began")
    assert clock.asked == ["training"], "nothing is compared again"
    Clock(monkeypatch, 1.0, RuntimeError("no g++"))
    with pytest.raises(NCAError, match=r"torch cannot compile steps here: no g\+\+"):
        settled(again)


def test_what_is_demanded_and_cannot_be_is_told_before_training(tmp_path, monkeypatch, quick):
    Clock(monkeypatch, 1.0, RuntimeError("no g++\nat all"))
    run = begun(tmp_path / "run", "train.compile=always")
    with pytest.raises(NCAError, match=r"torch cannot compile steps here: no g\+\+") as fault:
        settled(run)
    assert "g++" in fault.value.to_do
    assert run.automaton.compiled == "never"


def test_what_was_tried_is_what_trains(tmp_path, monkeypatch, quick):
    tried = []

    def seconds(trial: IterationProbe) -> float:
        tried.append((trial.run.automaton, trial.run.automaton.compiled))
        return 1.0 / len(tried)

    monkeypatch.setattr(IterationProbe, "seconds", seconds)
    run = begun(tmp_path / "run", *LONG)
    assert settled(run)[0]
    assert (run.automaton, "training") == tried[1]


def test_a_compiled_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, quick):
    whole = begun(tmp_path / "whole", "train.compile=always")
    assert settled(whole) == (True, "compiled steps: as the recipe asks")
    train(whole)
    half = begun(tmp_path / "half", "train.compile=always")
    settled(half)
    train(half, Observed(stops=lambda: half.iteration == 2))
    assert half.iteration == 2
    rest = Run.resume(tmp_path / "half", CPU, None, SILENT)
    settled(rest)
    train(rest)
    plain = begun(tmp_path / "plain")
    train(plain)
    for name, weight in whole.modules.state_dict().items():
        assert torch.equal(weight, rest.modules.state_dict()[name])
        assert_close(weight, plain.modules.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_a_trial_times_the_run_that_is_asked(tmp_path):
    assert 0 < IterationProbe(begun(tmp_path / "run")).seconds() < 60


class Alone(Sharding):
    """One process that has all of a state."""

    def scatter(self, whole: State) -> State:
        return whole

    def gather(self, part: State, whole: State) -> State:
        return part


def test_steps_that_processes_share_are_compiled_as_well(quick):
    plain = automaton()
    wanted = gradients(plain, first(plain), 3)
    plain.sharding, plain.compiled = Alone(), "training"
    for ours, theirs in zip(gradients(plain, first(plain), 3), wanted, strict=True):
        assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert len(plain._compiled_steppers._kept) == 1

"""What is predicted is what is then measured, and `auto` takes the fastest that fits."""

import functools
import json
from collections.abc import Callable

import pytest
import torch
from observed import Observed
from torch.testing import assert_close

from nca import SILENT, ActivationMemory, Dataset, HostRNG, LabelledImages, register
from nca.checkpoint.read import read_recipe
from nca.training import memory_planner, probe
from nca.training.gradient_descent import next_batch
from nca.training.loop import train
from nca.training.memory_planner import IterationProbe, MemoryNeed, choose_memory, fastest_that_fits
from nca.training.run import Run

CPU = torch.device("cpu")
SPREADING = ("growing", "grid.size=[16, 16]", "task.side=10", "train.batch=3", "pool.size=4")
LEVELS = (
    *("glom_mnist", "task.dataset=noise", "task.held_out=8"),
    *("train.batch=4", "pool.size=8", "pool.fresh=2", "pool.swapped=1"),
)
LISTED = (
    *("self_classifying_mnist_small", "task.dataset=noise", "task.held_out=8"),
    *("train.batch=8", "pool.size=8", "pool.fresh=4", "pool.swapped=2"),
)
SKIPS = (*LEVELS, "rollout.skips=[{ every = 5, weight = 0.1 }, { every = 2, weight = 0.1 }]")
TILED = ("texture", "pool.size=8", "train.drops=[]")
KINDS = {
    "spreading": (SPREADING, 30),
    "levels": (LEVELS, 14),
    "listed": (LISTED, 24),
    "tiled": (TILED, 16),
}
MODES = ("store", "recompute", "segments")


class Noise(Dataset):
    """Grey noise of 28x28 pixels in a wide black margin, in ten classes."""

    classes = tuple("0123456789")

    def load(self, split, folder=None, progress=SILENT):
        pixels = torch.randint(256, (24, 1, 12, 12), generator=torch.Generator().manual_seed(0))
        images = torch.nn.functional.pad(pixels.to(torch.uint8), [8] * 4)
        return LabelledImages(images, torch.arange(24) % 10)


@pytest.fixture(autouse=True)
def noise() -> None:
    register.dataset("noise")(Noise)


def begun(folder, kind: tuple[str, ...], *more: str) -> Run:
    name, *keys = kind
    keys += ["train.iterations=2", "train.warmup=0", "train.validate_every=0", *more]
    return Run.start(read_recipe(name, keys), folder, CPU, None, SILENT)


def needs(run: Run) -> dict[str, MemoryNeed]:
    return {need.memory.mode: need for need in IterationProbe(run).needs()}


@pytest.fixture(scope="module")
def predicted(tmp_path_factory) -> Callable[..., dict[str, MemoryNeed]]:
    """What runs of these keys need in every mode, each measured once."""

    @functools.cache
    def measured(*keys: str) -> dict[str, MemoryNeed]:
        return needs(begun(tmp_path_factory.mktemp("measured") / "run", keys))

    return measured


def trained(run: Run, memory: ActivationMemory) -> int:
    """Return what two iterations of training really hold at their peak."""
    run.automaton.memory = memory
    dense = False if IterationProbe(run).spreads else None
    run.automaton.sparse = run.automaton.tiled = dense
    return probe.peak(lambda: train(run), CPU)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_peak_is_what_was_predicted(kind, mode, predicted, tmp_path):
    keys, steps = KINDS[kind]
    keys = (*keys, f"rollout.steps={steps}")
    need = predicted(*keys)[mode]
    run = begun(tmp_path / "run", keys)
    assert trained(run, need.memory) == pytest.approx(need.peak, rel=0.15)


@pytest.mark.parametrize("every", [2, 15, 29])
def test_a_peak_is_what_was_predicted_for_segments_of_any_length(every, tmp_path):
    keys, steps = KINDS["spreading"]
    memory = f'train.memory={{ mode = "segments", every = {every} }}'
    run = begun(tmp_path / "run", keys, f"rollout.steps={steps}", memory)
    predicted = needs(run)["segments"]
    assert predicted.memory == ActivationMemory("segments", every)
    assert trained(run, predicted.memory) == pytest.approx(predicted.peak, rel=0.15)


@pytest.mark.parametrize(
    ("kind", "parts", "mode"),
    [("levels", 4, "recompute"), ("listed", 2, "segments"), ("spreading", 3, "store")],
)
def test_a_peak_is_what_was_predicted_for_a_batch_in_parts(kind, parts, mode, predicted, tmp_path):
    keys, steps = KINDS[kind]
    keys = (*keys, f"rollout.steps={steps}", *(["train.batch=8"] if kind == "levels" else []))
    in_parts = (*keys, f"train.parts={parts}")
    need = predicted(*in_parts)[mode]
    assert need.peak < 0.8 * predicted(*keys)[mode].peak
    run = begun(tmp_path / "run", in_parts)
    assert trained(run, need.memory) == pytest.approx(need.peak, rel=0.15)


@pytest.mark.parametrize(
    ("kind", "steps"), [*((kind, 1) for kind in KINDS), ("levels", 2), ("spreading", 5)]
)
def test_a_peak_is_predicted_for_the_shortest_rollouts(kind, steps, tmp_path):
    run = begun(tmp_path / "run", KINDS[kind][0], f"rollout.steps={steps}")
    for need in needs(run).values():
        assert IterationProbe(run).measure(need.memory).peak == pytest.approx(need.peak, rel=0.15)


@pytest.mark.parametrize("mode", MODES)
def test_a_peak_is_what_was_predicted_where_skips_remember(mode, predicted, tmp_path):
    keys = (*SKIPS, "rollout.steps=20")
    need = predicted(*keys)[mode]
    run = begun(tmp_path / "run", keys)
    assert trained(run, need.memory) == pytest.approx(need.peak, rel=0.15)


@pytest.mark.parametrize(
    # up to some 4,000 cells, what a tile holds in any case comes on top
    ("side", "steps", "tile"),
    [(16, 8, 1 << 18), (48, 32, 0)],
)
def test_life_that_rules_make_needs_no_more_than_was_predicted(tmp_path, side, steps, tile):
    # from a few cells to nearly as many as are listed, and to all
    keys = (f"grid.size=[{side}, {side}]", f"rollout.steps={steps}")
    run = begun(tmp_path / "run", SPREADING, *keys)
    predicted = needs(run)
    rule = run.automaton.rules_of("body")[0]
    for bias in (0.0, 0.05, 0.5):
        torch.nn.init.constant_(rule.change.bias, bias)
        assert run.pool is not None
        for mode, need in predicted.items():
            run.automaton.memory = need.memory
            found = probe.peak(lambda m=need.memory: IterationProbe(run).iterate(m, steps), CPU)
            assert found < 1.15 * need.peak + tile, (mode, bias)
    run.automaton.memory = ActivationMemory()
    _, batch = next_batch(run, HostRNG(0, 0))
    ended = run.automaton.rollout(batch.state, steps)
    share = run.automaton.spec.alive_mask(ended).float().mean()
    assert share > 0.9  # nearly all, or all, live in the end


def test_the_fastest_that_fits_is_taken_and_no_slower_one_looked_at():
    def measured():
        for mode, peak in zip(MODES, (100, 50, 20), strict=True):
            asked.append(mode)
            yield MemoryNeed(ActivationMemory(mode), peak)

    for room, taken, fits in ((None, 1, True), (100, 1, True), (99, 2, True), (19, 3, False)):
        asked: list[str] = []
        choice = fastest_that_fits(measured(), room)
        assert (asked, choice.need.memory.mode, choice.fits) == (
            list(MODES[:taken]),
            MODES[taken - 1],
            fits,
        )


@pytest.mark.parametrize(("free", "mode"), [(10**12, "store"), (None, "store"), (0, "segments")])
def test_auto_settles_on_a_mode_and_says_so(free, mode, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "free", lambda device: free)
    run, observed = begun(tmp_path / "run", SPREADING, "rollout.steps=9"), Observed()
    choose_memory(run, observed)
    assert run.automaton.memory.mode == mode
    (sentence,) = observed.notes
    assert sentence.startswith(f"memory: {mode} (")
    assert ("will not fit" in sentence) == (free == 0)
    (row,) = [json.loads(line) for line in run.log.path.read_text().splitlines()]
    assert (row["kind"], row["iteration"], row["mode"]) == ("memory", 0, mode)
    assert row["every"] == (3 if mode == "segments" else None)


def test_what_the_recipe_says_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(IterationProbe, "needs", None)
    run = begun(tmp_path / "run", SPREADING, "train.memory=recompute")
    choose_memory(run, SILENT)
    assert run.automaton.memory == ActivationMemory("recompute")
    assert run.log.path.read_text() == ""


def test_a_run_at_its_end_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(IterationProbe, "needs", None)
    run = begun(tmp_path / "run", SPREADING)
    run.iteration = 2
    choose_memory(run, SILENT)
    assert run.log.path.read_text() == ""


@pytest.mark.parametrize("mode", ["recompute", "segments", '{ mode = "segments", every = 2 }'])
def test_training_ends_at_the_same_bits_in_every_mode(mode, tmp_path):
    weights = []
    for number, memory in enumerate(("store", mode)):
        run = begun(tmp_path / str(number), LEVELS, "rollout.steps=7", f"train.memory={memory}")
        if number:
            list(IterationProbe(run).needs(timed=True))  # to be measured leaves no trace
        train(run)
        weights.append(dict(run.modules.named_parameters()))
    assert_close(weights[1], weights[0], rtol=0, atol=0)


def test_a_trial_leaves_the_run_as_it_was(tmp_path):
    run = begun(tmp_path / "run", SPREADING)
    run.modules.eval()
    list(IterationProbe(run).needs())
    assert run.automaton.memory == ActivationMemory("auto")
    assert run.automaton.sparse is None
    assert not run.modules.training
    assert all(weight.grad is None for weight in run.modules.parameters())


def test_times_are_of_the_mean_steps_and_in_order(tmp_path, monkeypatch):
    run = begun(tmp_path / "run", LEVELS, "rollout.steps=[20, 40]")
    steps = 0

    def stepped(*_):
        nonlocal steps
        steps += 1

    def walked(call, device):
        """A clock that ticks once a step, forth or walked again."""
        before = steps
        call()
        return float(steps - before)

    automaton = run.automaton
    automaton.rules_of(automaton.writable_levels[0])[0].register_forward_hook(stepped)
    monkeypatch.setattr(memory_planner, "seconds", walked)
    trial = IterationProbe(run)
    needs = list(trial.needs(timed=True))
    assert needs[0].seconds == 30 < needs[1].seconds < needs[2].seconds
    assert [need.seconds for need in needs] == [trial.measure(n.memory).seconds for n in needs]

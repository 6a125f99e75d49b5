"""Every recipe that is installed loads, trains, and says in its comments what is true."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nca import CellRNG, Dataset, LabelledImages, register
from nca.checkpoint.file import Checkpoint
from nca.checkpoint.find import pretrained, recipe_text, recipes
from nca.checkpoint.outline import outline
from nca.checkpoint.read import read_recipe
from nca.checkpoint.trained import Trained
from nca.engine.rng import HostRNG
from nca.progress import SILENT
from nca.training.forward_backward import TrainingStep, forward_backward
from nca.training.gradient_descent import next_batch
from nca.training.loop import train
from nca.training.run import Run

NAMES = list(recipes())
TRAINED = [name for name in NAMES if "train" in tomllib.loads(recipe_text(recipes()[name]))]
"""Those that train something; the others are there to be seen."""
DESCENDING = [n for n in TRAINED if "evolve" not in tomllib.loads(recipe_text(recipes()[n]))]
"""Those that follow a gradient."""
SMALL = {
    "rollout.steps": "[2, 3]",
    "train.batch": "8",
    "train.iterations": "2",
    "train.warmup": "0",
    "train.validate_every": "2",
    "train.validate_samples": "8",
    "evaluate.steps": "[3]",
}
TABLES = {
    "pool": {"pool.size": "8", "pool.fresh": "2"},
    "cell_classification": {"task.dataset": "noise", "task.held_out": "8"},
    "objects": {"task.trials": "8"},
    "part_whole": {"task.scenes": "32", "task.trials": "8"},
    "segmentation": {"grid.size": "[8, 8]", "task.trials": "8"},
    "texture": {"grid.size": "[12, 10]", "task.side": "8", "task.trials": "2"},
    "bit_growth": {"grid.size": "[6, 5]", "task.side": "4"},
    "image_growth": {"grid.size": "[16, 16]", "task.side": "8", "task.trials": "2"},
}


class Noise(Dataset):
    """Grey noise of 28x28 pixels in a black margin, in ten classes."""

    classes = tuple("0123456789")

    def load(self, split, folder=None, progress=SILENT):
        pixels = torch.randint(256, (24, 1, 20, 20), generator=torch.Generator().manual_seed(0))
        images = torch.nn.functional.pad(pixels.to(torch.uint8), [4] * 4)
        return LabelledImages(images, torch.arange(24) % 10)


@pytest.fixture(autouse=True)
def noise() -> None:
    register.dataset("noise")(Noise)


def small(name: str) -> Iterator[str]:
    """Yield what makes a recipe small enough for a second."""
    tables = read_recipe(name).tables
    keys = dict(SMALL)
    assert tables.task is not None, f"{name} has no task, so that nothing can be trained"
    for part in ("pool" if tables.pool else "", tables.task.name):
        keys |= TABLES.get(part, {})
    if tables.pool and tables.pool.swapped:
        keys["pool.swapped"] = "2"
    if tables.pool and tables.pool.damaged:
        keys["pool.damaged"] = "2"
    return (f"{key}={value}" for key, value in keys.items())


def nudge(run: Run) -> None:
    """Move all weights, for where they begin at zero nothing would be told apart."""
    drawn = CellRNG(1, 0, torch.arange(1))
    with torch.no_grad():
        for name, weight in run.modules.named_parameters():
            weight += 0.05 * drawn.normal(name, 1, (weight.numel(),)).view(weight.shape)


def wide(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


@pytest.mark.parametrize("name", TRAINED)
def test_a_recipe_trains_for_two_iterations(name, tmp_path):
    recipe = read_recipe(name, small(name))
    run = Run.start(recipe, tmp_path / "run", torch.device("cpu"), None, SILENT)
    before = [weight.detach().clone() for weight in run.modules.parameters()]
    train(run)
    assert run.iteration == 2
    assert before, "there is nothing to train"
    after = list(run.modules.parameters())
    assert any(not old.equal(new) for old, new in zip(before, after, strict=True))
    assert all(weight.isfinite().all() for weight in after)
    for kind in ("best", "last"):
        held = Checkpoint.read(run.folder / f"{kind}.safetensors")
        assert held.iteration == 2
        assert held.parsed(run.folder).tables == recipe.tables


@pytest.mark.parametrize("name", TRAINED)
def test_samples_of_a_recipe_are_drawn_alone_and_their_indices_have_ranges(name, tmp_path):
    recipe = read_recipe(name, small(name))
    task = Run.build(recipe, torch.device("cpu"), None, SILENT).task
    batch = task.training_batch(HostRNG(0, 0), torch.arange(4))
    apart = task.training_batch(HostRNG(0, 0), torch.arange(4)[1:3])
    assert apart.state == batch.state.select(slice(1, 3)), "a sample depends on its batch"
    assert all(apart.truth[key].equal(tensor[1:3]) for key, tensor in batch.truth.items())
    truth = batch.truth
    ranges = task.truth_ranges()
    assert ranges.keys() == {key for key, tensor in truth.items() if tensor.dtype == torch.int64}
    assert all(low <= truth[key].min() for key, (low, _) in ranges.items())
    assert all(truth[key].max() <= high for key, (_, high) in ranges.items())


@pytest.mark.parametrize("name", DESCENDING)
def test_a_recipe_learns_the_same_from_its_batch_in_parts(name, tmp_path):
    learnt = {}
    for parts in (1, 4):
        keys = (f"train.parts={parts}", "train.precision=float32")
        recipe = read_recipe(name, [*small(name), *keys])
        torch.set_default_dtype(torch.float64)
        try:
            run = Run.start(recipe, tmp_path / str(parts), torch.device("cpu"), None, SILENT)
            nudge(run)
            _, batch = next_batch(run, HostRNG(0, 0))
            state, terms = forward_backward(TrainingStep(run), run, batch.map(wide), 3)
        finally:
            torch.set_default_dtype(torch.float32)
        gradients = [weight.grad for weight in run.modules.parameters() if weight.grad is not None]
        learnt[parts] = (gradients, terms, dict(state), state.samples)
    assert any(gradient.any() for gradient in learnt[1][0])
    assert {term.dtype for term in learnt[1][1].values()} == {torch.float64}, "it is judged coarser"
    assert_close(learnt[4], learnt[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sorted({*NAMES} - {*TRAINED}))
def test_a_recipe_without_weights_steps_and_is_drawn(name):
    recipe = read_recipe(name, ["evaluate.steps=[3]"])
    recipe.check()
    automaton, task = recipe.automaton(), recipe.task()
    assert not list(automaton.parameters())
    task.prepare(torch.device("cpu"))
    first = task.first_evaluation_batch("test", 1)
    after = automaton.rollout(first.state, 3)
    assert any(not after[level].equal(first.state[level]) for level in after)
    assert task.headline in task.measure(after, first)
    assert task.picture(after).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_begins_with_a_sentence_about_itself(name):
    first = recipes()[name].read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r"# \S.{20,97}", first)
    assert tomllib.loads(recipes()[name].read_text(encoding="utf-8"))["format"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_recipes_and_overrides_in_comments_exist(name):
    text = recipes()[name].read_text(encoding="utf-8")
    comments = " ".join(re.findall(r"#(.*)", text))
    named = re.findall(r"nca run (?:recipes/)?(\w+)", comments)
    named += [Path(file).stem for file in re.findall(r"[\w/]+\.toml", comments)]
    assert set(named) - {"RECIPE"} <= set(NAMES)
    one = r"""--set (?:"([^"]+)"|'([^']+)'|([^\s"']+=[^\s,;`]+))"""
    for together in re.finditer(rf"(?:{one}[\s\\]*)+", comments):
        overrides = tuple(map("".join, re.findall(one, together[0])))
        assert read_recipe(name, overrides).overrides == overrides


@pytest.mark.parametrize("name", TRAINED)
def test_figures_in_the_comments_say_of_how_many_runs_they_are(name):
    header = recipe_text(recipes()[name]).partition("format = 1")[0]
    words = " ".join(line.removeprefix("#") for line in header.split("\n"))
    words = " ".join(words.split())
    unmeasured = re.search(r"not (measured|trained)", words, re.IGNORECASE)
    runs = re.search(r"one run\b.*random seed|random seeds \d", words, re.IGNORECASE)
    assert runs or (unmeasured and name not in pretrained()), "one run, or several?"


@pytest.mark.parametrize("name", TRAINED)
def test_the_precision_of_products_is_left_to_the_processor(name):
    assert read_recipe(name).tables.train.precision == "auto"


@pytest.mark.parametrize("name", TRAINED)
def test_the_first_parameters_in_the_comments_are_those_of_the_recipe(name):
    header = recipe_text(recipes()[name]).partition("format = 1")[0]
    said = re.search(r"([\d,]+)(?: |\n# )parameters", header)
    recipe = read_recipe(name)
    built = outline(recipe.automaton), outline(recipe.task)
    count = sum(weight.numel() for module in built for weight in module.parameters())
    assert said, "how many are there?"
    assert said[1] == f"{count:,}", "what `nca inspect` counts"


@pytest.mark.parametrize(
    ("name", "headline"),
    [("glom_mnist", "vote"), ("self_classifying_mnist_small", "vote of live cells")],
)
def test_where_only_live_cells_learn_their_vote_chooses_the_best(name, headline):
    assert read_recipe(name).task().headline == headline


@pytest.mark.parametrize("name", sorted(pretrained()))
def test_a_pretrained_checkpoint_is_of_the_recipe_of_its_name_and_tells_its_figures(name):
    checkpoint = Checkpoint.read(pretrained()[name])
    assert checkpoint.name == name
    # comments may be written anew, tables may not
    now = recipe_text(recipes()[name])
    assert tomllib.loads(checkpoint.recipe) == tomllib.loads(now)
    assert not checkpoint.overrides
    moments = read_recipe(name).tables.evaluate.steps
    assert [row["steps"] for row in checkpoint.metrics["test"] if not row["after"]] == [*moments]
    assert pretrained()[name].stat().st_size < 1 << 20


@pytest.mark.parametrize(
    ("name", "moments"), [("glom_mnist", [30, 36, 48]), ("glom_mnist_long", [50, 60, 80])]
)
def test_the_vote_follows_another_digit_within_ten_steps_and_keeps_it(name, moments):
    rows = Checkpoint.read(pretrained()[name]).metrics["test"]
    votes = {row["steps"]: row["vote"] for row in rows}
    assert [row["steps"] for row in rows if row["after"] == "swap"] == moments
    assert min(votes.values()) > 0.98
    told = recipe_text(recipes()[name])
    assert all(f"{100 * vote:.2f} %" in told for vote in votes.values())


@pytest.mark.parametrize("name", sorted(pretrained()))
def test_a_pretrained_checkpoint_fits_its_recipe(name):
    trained = Trained.load(name, torch.device("cpu"))
    assert all(weight.isfinite().all() for weight in trained.automaton.parameters())

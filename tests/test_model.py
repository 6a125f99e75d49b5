"""Whole automata in Python: load, roll out, draw, evaluate, save, train."""

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from observed import Observed
from PIL import Image, ImageDraw
from torch import Tensor, nn

import nca
from nca import (
    CheckpointError,
    NCAError,
    NCAWarning,
    OptionError,
    RuleContext,
    UpdateRule,
    View,
    perceptron,
)
from nca.checkpoint.find import pretrained, recipe_path, recipe_text
from nca.model.notebook import NotebookProgress, progress_here
from nca.recipe.describe import describe
from nca.recipe.overrides import as_overrides, as_toml
from nca.registry.registry import registry

SMALL = {
    "grid.size": [16, 16],
    "task.side": 10,
    "train.batch": 2,
    "pool.size": 4,
    "pool.damaged": 0,
}
SHORT = {**SMALL, "train.iterations": 2, "train.warmup": 0, "rollout.steps": [2, 3]}


@pytest.fixture(scope="module")
def model() -> nca.Model:
    return nca.load("growing", device="cpu")


def test_a_shipped_checkpoint_rolls_out_as_on_the_command_line(model):
    state = model.rollout(model.seed(2, random_seed=3), 48)
    assert (state.step, state.batch, state.random_seed) == (48, 2, 3)
    assert not state["body"].requires_grad
    assert model.rollout(model.seed()).step == model.recipe.evaluation_steps[0]
    (row, *_) = model.evaluate(samples=2, steps=[48])
    assert row["steps"] == 48
    assert row["error"] < 0.01  # the lizard is there


def test_it_needs_no_incantation():
    code = "import nca; m = nca.load('glom_mnist', device='cpu'); print(m.parameters)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("41517", "")


def test_a_picture_and_a_film_show_themselves(model, tmp_path):
    picture = model.image(model.rollout(model.seed(2), 48), scale=4)
    assert picture._repr_png_().startswith(b"\x89PNG")
    film = model.film(6, every=2, scale=4)
    assert len(film.frames) == 4
    assert film._repr_html_().startswith('<img alt="4 states" src="data:image/gif;base64,')
    with Image.open(film.save(tmp_path / "growing.gif")) as written:
        assert getattr(written, "n_frames", 1) == 4
    with pytest.raises(NCAError, match="no animation that ends in"):
        film.save(tmp_path / "growing.txt")


def test_a_model_says_in_a_notebook_what_it_is(model):
    said = model._repr_html_()
    assert "<b>growing</b>: 6,256 parameters on " in said
    assert "steps 48, " in said
    assert "data:image/png;base64," in said
    # the data are fetched by nobody who only looks at a model
    assert "data:image" not in nca.load("growing", device="cpu")._repr_html_()
    assert repr(model) == "Model(growing, 6,256 parameters on cpu)"


def test_what_is_saved_is_loaded_with_the_weights_that_it_had_then(tmp_path):
    model = nca.load("growing", device="cpu", overrides={"rollout.fire_rate": 0.25})
    with torch.no_grad():
        for weight in model.automaton.parameters():
            weight.mul_(0.5)
    again = nca.load(model.save(tmp_path / "mine.safetensors"), device="cpu")
    assert again.automaton.fire_rate == 0.25
    first = model.seed(2)
    assert again.rollout(first, 5) == model.rollout(first, 5)


def test_an_override_takes_effect_or_is_refused(tmp_path):
    with pytest.raises(NCAError, match="unknown key"):
        nca.load("growing", overrides={"rollout.fire": 0.25})
    with pytest.raises(NCAError):
        nca.load("growing", overrides=["levels.body.channels=4"])
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        nca.load(tmp_path / "missing.safetensors")


def test_an_override_that_toml_does_not_know_is_refused_by_its_key():
    with pytest.raises(OptionError, match=r"\[rollout\] alive is None"):
        nca.load("growing", overrides={"rollout.alive": None})


def test_paths_are_text_at_any_depth():
    tables = {"task": {"dataset": {"path": Path("my") / "photos"}}, "plugins": [Path("a.py")]}
    text = tomllib.loads(as_toml(tables))
    photos = str(Path("my") / "photos")
    assert text == {"task": {"dataset": {"path": photos}}, "plugins": ["a.py"]}
    assert as_overrides({"task.dataset": {"path": Path("b")}}) == ('task.dataset={path = "b"}',)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_overrides_from_python_say_in_toml_what_was_given(value):
    try:
        (line,) = as_overrides({"key": value})
    except OptionError:
        assert "None" in repr(value)
        return
    assert repr(tomllib.loads(line)["key"]) == repr(value)


def test_a_recipe_is_trained_and_its_best_weights_returned(tmp_path):
    seen = Observed()
    run = tmp_path / "run"
    keys = {**SHORT, "rollout.alive": {"level": "body", "channel": 3, "above": 0.1}}
    model = nca.train("growing", overrides=keys, out=run, device="cpu", progress=seen)
    assert (run / "best.safetensors").is_file()
    assert model.metrics["test"]
    assert model.recipe.tables.grid.size == (16, 16)
    assert seen.rows
    with pytest.raises(NCAError):  # nothing is overwritten
        nca.train("growing", overrides=SHORT, out=run, device="cpu")


@nca.register.rule("leak")
class Leak(UpdateRule):
    """Lose a share of what stands there, through as many units as are asked for."""

    adjustable: ClassVar = {"share": ("share", 0.0, 1.0)}

    def __init__(self, context: RuleContext, *, share: float = 0.1, units: int = 2) -> None:
        super().__init__()
        self.share = share
        self.inner = nn.Linear(context.own.channels, units)
        self.outer = nn.Linear(units, context.own.channels)

    def forward(self, view: View) -> Tensor:
        return perceptron(view.own, self.inner, self.outer) - self.share * view.own


def leaky(**options) -> nca.Automaton:
    """Return an automaton with all that a recipe can say of one, built by hand."""
    torch.manual_seed(0)
    layout = nca.Layout([nca.Level("seen", 2, input=True), nca.Level("body", 5)])
    rule = Leak(RuleContext(layout, "body", 2), units=3, **options)
    return nca.Automaton(
        layout,
        {"body": [rule]},
        topology=nca.Topology(("torus", "zeros")),
        fire_rate=0.5,
        noise=nca.Noise(0.125, kind="uniform"),
        alive=nca.Alive("body", 3, 0.1, radius=2, dead="frozen"),
        skips=[nca.Skip(3, 0.5, levels=("body",), at_end=True)],
        step_size=0.75,
        coordinates=True,
    )


def begun(automaton: nca.Automaton) -> nca.State:
    empty = automaton.layout.zeros(2, (9, 8))
    return empty.map(lambda level: torch.rand(level.shape, generator=torch.manual_seed(1)))


def test_an_automaton_of_ones_own_comes_back_as_it_was(tmp_path):
    automaton = leaky(share=0.25)
    automaton.rules_of("body")[0].share = 0.375  # turned since
    before = automaton.rollout(begun(automaton), 7)
    file = nca.save(automaton, tmp_path / "mine.safetensors", size=(9, 8), steps=7)
    assert automaton.training  # as it was
    model = nca.load(file, device="cpu")
    assert (model.name, model.recipe.tables.grid.size) == ("mine", (9, 8))
    assert model.automaton.rollout(begun(automaton), 7) == before
    assert model.seed().batch == 1
    with pytest.raises(NCAError, match="has no task, so it cannot be measured"):
        model.evaluate()


def grown(hidden: int = 8) -> nca.Automaton:
    layout = nca.Layout([nca.Level("body", 4)])
    rule = registry.get("rule", "growing")(RuleContext(layout, "body", 2), hidden=hidden)
    torch.manual_seed(0)
    nn.init.normal_(rule.change.weight, std=0.1)
    return nca.Automaton(layout, {"body": [rule]}, fire_rate=0.5)


def test_an_automaton_of_ones_own_is_drawn_filmed_and_exported_without_a_file(tmp_path):
    automaton = grown()
    model = nca.Model.from_automaton(automaton, name="mine", size=(12, 10))
    assert model.automaton is automaton
    film = model.film(3)
    assert len(film.frames) == 4
    assert model.image(model.rollout(model.seed(2), 3), levels=True).width > 0
    page = model.export(tmp_path / "mine.html", check=False)
    assert "<title>mine" in page.read_text()
    with pytest.raises(NCAError, match=r"nothing is exported as \.txt"):
        model.export(tmp_path / "mine.txt")


@pytest.mark.skipif(find_spec("onnxscript") is None, reason="it needs the extra onnx")
def test_an_automaton_of_ones_own_becomes_onnx(tmp_path):
    model = nca.Model.from_automaton(grown(), size=(12, 10))
    assert model.export(tmp_path / "mine.onnx", steps=2).stat().st_size > 1000


def test_a_rule_without_a_name_cannot_be_described(tmp_path):
    class Nameless(Leak):
        pass

    layout = nca.Layout([nca.Level("body", 5)])
    automaton = nca.Automaton(layout, {"body": [Nameless(RuleContext(layout, "body", 2))]})
    with pytest.raises(NCAError, match="Nameless has no name") as refused:
        nca.save(automaton, tmp_path / "mine.safetensors")
    assert '@nca.register.rule("nameless")' in refused.value.to_do
    assert not list(tmp_path.iterdir())


def test_a_rule_that_was_changed_beyond_its_options_cannot_be_described(tmp_path):
    automaton = leaky()
    automaton.rules_of("body")[0].inner = nn.Linear(5, 7)
    with pytest.raises(NCAError, match=r"cannot be built again .*: rules\.body\.0\.inner\.bias"):
        nca.save(automaton, tmp_path / "mine.safetensors")


@nca.register.rule("bounded_leak")
class BoundedLeak(Leak):
    """Leak up to a bound, or without one."""

    def __init__(self, context: RuleContext, *, bound: float | None = 1.0) -> None:
        super().__init__(context)
        self.bound = bound


def test_none_that_no_recipe_can_say_is_refused(tmp_path):
    layout = nca.Layout([nca.Level("body", 5)])
    rule = BoundedLeak(RuleContext(layout, "body", 2), bound=None)
    with pytest.raises(NCAError, match="cannot say that bound of BoundedLeak is None"):
        nca.save(nca.Automaton(layout, {"body": [rule]}), tmp_path / "mine.safetensors")


@pytest.mark.parametrize("name", sorted(pretrained()))
def test_every_shipped_automaton_is_described_as_its_recipe_has_it(name):
    model = nca.load(name, device="cpu")
    tables, automaton = model.recipe.tables, model.automaton
    size, steps = tables.grid.size, tables.rollout.steps[1]
    described = describe(automaton, name=name, size=size, steps=steps)
    assert described.tables.grid == tables.grid
    once = tables.rollout.model_copy(update={"steps": (steps, steps)})
    assert described.tables.rollout == once
    built, again = model.recipe.automaton(), described.automaton()
    assert repr(again) == repr(built)
    assert [rule.given_options for rule in again.rules.modules() if isinstance(rule, UpdateRule)]


@pytest.mark.parametrize("name", sorted(pretrained()))
def test_a_state_alone_is_drawn_whatever_the_task(name):
    model = nca.load(name, device="cpu")
    empty = model.task.display().first
    state = model.rollout(empty, 2)
    for picture in (model.image(state), model.image(state, levels=True)):
        assert min(picture.size) > 8
    assert len(model.film(2, state=empty).frames) == 3


def test_pictures_are_predicted_as_on_the_command_line(tmp_path):
    drawn = Image.new("L", (56, 56))
    ImageDraw.Draw(drawn).line([(16, 12), (40, 12), (24, 44)], fill=255, width=6)
    drawn.save(tmp_path / "seven.png")
    (tmp_path / "notes.txt").write_text("no picture")
    model = nca.load("glom_mnist", device="cpu")
    with pytest.warns(NCAWarning, match=r"not taken for pictures: notes\.txt"):
        ((name, said),) = model.predict(tmp_path, steps=12, repeats=1)
    assert name == str(tmp_path / "seven.png")
    assert said.values["class"] == "7"
    with pytest.raises(NCAError, match="the task takes none as input"):
        nca.load("texture", device="cpu").predict(tmp_path)


def test_a_recipe_is_trained_from_tables(tmp_path):
    tables = tomllib.loads(recipe_text(recipe_path("growing")))
    model = nca.train({**tables, "name": "mine"}, overrides=SHORT, out=tmp_path / "run")
    assert model.name == "mine"
    assert model.recipe.tables.grid.size == (16, 16)
    with pytest.raises(OptionError, match="grid is <object"):
        nca.train({"grid": object()})


def test_keys_of_a_recipe_are_given_by_table(tmp_path):
    dotted: dict[str, Any] = {"rollout.fire_rate": 0.25}
    model = nca.train(
        "growing",
        overrides={**SHORT, "train.batch": 4},
        train={"batch": 3},
        random_seed=7,
        **dotted,
        out=tmp_path / "run",
        device="cpu",
    )
    tables = model.recipe.tables
    assert tables.train is not None
    assert (tables.train.batch, tables.train.iterations) == (3, 2)
    assert (tables.random_seed, tables.rollout.fire_rate) == (7, 0.25)
    assert tables.rollout.alive is not None


def test_a_model_is_loaded_with_keys_by_table():
    model = nca.load("growing", device="cpu", rollout={"fire_rate": 0.25})
    assert model.automaton.fire_rate == 0.25
    with pytest.raises(NCAError, match=r"fire_rat\b"):
        nca.load("growing", device="cpu", rollout={"fire_rat": 0.25})


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"train": {"iteration": 5}}, r"\[train\] iteration\b"),
        ({"train": {"iterations": "many"}}, r"\[train\] iterations"),
        ({"train": {"iterations": None}}, "iterations is None"),
        ({"train": {3: 5}}, r"\[train\] 3"),
        ({"devise": "cpu"}, "devise"),
        ({"train": 5}, "train"),
    ],
)
def test_a_key_by_table_that_does_not_fit_is_named(tmp_path, given, key):
    with pytest.raises(NCAError, match=key):
        nca.train("growing", **given, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_progress_in_a_notebook_is_one_bar_that_moves(monkeypatch):
    shown: list[str] = []

    class Handle:
        def update(self, look):
            shown.append(look.data)

    def display(look, display_id):
        shown.append(look.data)
        return Handle()

    looks = SimpleNamespace(HTML=lambda text: SimpleNamespace(data=text), display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", looks)
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    bar = progress_here()
    assert isinstance(bar, NotebookProgress)
    bar.begin("training", 10)
    bar.record({"iteration": 3, "kind": "train", "loss": 0.123456})
    bar.note("a <note>")
    bar.advance(10)
    assert '<progress max="10" value="10">' in shown[-1]
    assert "loss 0.1235" in shown[-1]
    assert "a &lt;note&gt;" in shown[-1]
    assert len(shown) == 3  # what comes at once is not shown one by one
    monkeypatch.delitem(sys.modules, "IPython")
    assert progress_here() is nca.SILENT

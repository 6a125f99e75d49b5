"""Whole automata in Python: load, roll out, draw, evaluate, save, train."""

import subprocess
import sys
import tomllib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from observed import Observed
from PIL import Image

import nca
from nca import CheckpointError, NCAError, OptionError
from nca.recipe.overrides import as_overrides

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

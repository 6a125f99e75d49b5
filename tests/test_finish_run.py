"""What a run leaves behind to look at."""

import json

import numpy as np
import pytest
import torch
from observed import Observed
from training_case import begun

from nca.errors import NCAError
from nca.evaluation.finish_run import draw_sheets, finish_run, load_best
from nca.progress import SILENT
from nca.recipe.recipe import Recipe
from nca.render.legend import GAP, TEXT
from nca.render.sheet import fitting_scale, level_picture, tile
from nca.training.loop import train
from nca.training.run import Run

RECIPE = """
format = 1
[grid]
size = [10, 12]
[[levels]]
name = "body"
channels = 6
rules = [{ name = "growing", hidden = 4 }]
[rollout]
steps = 7
[task]
name = "image_growth"
target = ["lizard", "butterfly"]
side = 8
trials = 2
[train]
batch = 2
iterations = 1
learning_rate = 1e-3
[evaluate]
steps = [7]
"""


def test_the_pictures_of_a_run_end_with_the_target_of_each_sample(tmp_path):
    recipe = Recipe.parse(RECIPE, name="two", folder=tmp_path)
    run = Run.start(recipe, tmp_path / "run", torch.device("cpu"), None, SILENT)
    trained = load_best(run)
    trained.prepare(None, SILENT)
    sheet = draw_sheets(trained)["states.png"].image().convert("RGB")
    columns = 8 + 1  # steps 0 to 7, and the target
    step, rest = divmod(sheet.width - GAP, columns)
    assert rest == 0
    (batch,) = trained.task.evaluation_batches("test", 2)
    scale = fitting_scale((10, 12))
    wanted = trained.task.targets(batch)
    assert not torch.equal(*wanted)
    for row, target in enumerate(wanted):
        left, top = GAP + 8 * step, TEXT + 2 * GAP + row * (10 * scale + GAP)
        shown = sheet.crop((left, top, left + 12 * scale, top + 10 * scale))
        assert np.array_equal(np.asarray(shown), np.asarray(tile(target, scale)))


def test_a_log_whose_last_line_was_cut_short_does_not_keep_a_run_from_its_end(tmp_path):
    recipe = Recipe.parse(RECIPE, name="two", folder=tmp_path)
    run = Run.start(recipe, tmp_path / "run", torch.device("cpu"), None, SILENT)
    train(run)
    with run.log.path.open("ab") as file:
        file.write(b'{"iteration": 1, "kind": "tr')
    finish_run(run, None)
    assert (run.folder / "curve.png").is_file()


def test_a_run_whose_states_leave_the_finite_numbers_comes_to_its_end_and_says_so(tmp_path):
    run = begun(tmp_path, "evaluate.steps=[1, 2, 3]")
    next(iter(run.modules.parameters())).data.fill_(1e20)  # a cell of 1 is infinite at step 2
    observed = Observed()
    finish_run(run, None, observed)
    assert observed.notes == [
        "the automaton diverges: numbers of 100 % of the samples are not finite at step 2, while "
        "all are at step 1; means over them are null"
    ]
    first, second, third = json.loads((run.folder / "evaluation.json").read_text())["test"]
    assert "diverged" not in first
    assert first["height"] > 1e19
    assert all((row["height"], row["diverged"]) == (None, 1) for row in (second, third))
    assert (run.folder / "states.png").is_file()


def test_what_was_measured_is_written_before_anything_is_drawn(tmp_path, monkeypatch):
    def fail(_: object) -> None:
        raise NCAError("no picture.", where="here", to_do="nothing")

    run = begun(tmp_path)
    monkeypatch.setattr("nca.evaluation.finish_run.draw_sheets", fail)
    with pytest.raises(NCAError, match="no picture"):
        finish_run(run, None)
    assert json.loads((run.folder / "evaluation.json").read_text())["test"]


@pytest.mark.parametrize("channels", [1, 3])
def test_cells_that_are_not_finite_are_marked_and_the_others_keep_their_colours(channels):
    level = torch.arange(3.0 * channels).view(1, channels, 1, 3) / 3
    (whole,) = level_picture([level[..., 1:]])
    level[0, 0, 0, 0] = torch.inf
    (shown,) = level_picture([level])
    pixels = np.asarray(tile(shown[0], 1))
    assert pixels[0, 0].tolist() == [255, 0, 255]
    if channels == 1:
        assert np.array_equal(pixels[:, 1:], np.asarray(tile(whole[0], 1)))
    assert pixels[0, 1].tolist() != [255, 0, 255]


def test_a_level_without_a_finite_number_is_drawn_as_such():
    (shown,) = level_picture([torch.full((1, 1, 2, 2), torch.nan)])
    assert np.all(np.asarray(tile(shown[0], 1)) == [255, 0, 255])

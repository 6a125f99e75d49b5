"""What a run leaves behind to look at."""

import numpy as np
import torch

from nca.evaluation.finish_run import draw_sheets, finish_run, load_best
from nca.progress import SILENT
from nca.recipe.recipe import Recipe
from nca.render.legend import GAP, TEXT
from nca.render.sheet import fitting_scale, tile
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

"""`nca stream`: a huge grid on disk, from first states of the task or from chance."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import PLUGIN, changed

from nca import SILENT, DataError, GridFile, Layout, Level, State, StorageError
from nca.checkpoint.trained import Trained
from nca.registry.discovery import load_file
from nca.streaming.fill_and_draw import draw, fill_random, plain_colours, tile_first_states

LIFE = """
format = 1
random_seed = 4
[grid]
size = [8, 8]
[[levels]]
name = "world"
channels = 1
rules = [{ name = "life" }]
[rollout]
steps = 1
"""


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(float) / 255


def test_life_streams_from_chance_and_is_drawn(nca, here):
    Path("life.toml").write_text(LIFE)
    given = ["stream", "life.toml", "--size", "24x40", "--soup", 0.4, "--out", "life.png"]
    result = nca(*given, "--steps", 5, "--tile", 7, "--halo", 2, "--folder", here)
    assert result.code == 0
    told, path = result.out.splitlines()
    assert told.startswith("4,800 cell-steps in ")
    assert told.endswith(" per second")
    assert path == "life.png"
    assert result.err == "life: 24 x 40 cells, 5 steps on CPU, 1 thread\n"
    drawn = pixels("life.png")[..., 0]
    assert drawn.shape == (24, 40)
    assert 0 < drawn.mean() < 0.4
    # one tile, the whole grid, and no margin that matters
    nca(*given[:-1], "other.png", "--steps", 5, "--tile", 99, "--halo", 1)
    assert (pixels("other.png")[..., 0] == drawn).all()
    assert not list(here.glob("nca-stream-*")), "the grid's files were left behind"


def test_life_in_bytes_is_life_and_what_learns_is_refused(nca, here):
    Path("life.toml").write_text(LIFE)
    given = ["--size", "24x40", "--soup", 0.4, "--steps", 5, "--tile", 7, "--halo", 2]
    for store in ("uint8", "float32"):
        more = ["--store", store, "--keep", store, "--out", f"{store}.png"]
        assert nca("stream", "life.toml", *given, *more).code == 0
    assert (pixels("uint8.png") == pixels("float32.png")).all()
    assert (here / "uint8" / "world.0.raw").stat().st_size == 24 * 40
    refused = nca("stream", "growing", *given, "--store", "uint8", "--keep", "other")
    assert (refused.code, "a byte keeps whole numbers alone" in refused.err) == (1, True)
    assert not (here / "other").exists()


def test_a_checkpoint_streams_from_its_test_data(nca, here, done):
    given = ["--plugin", "blobs.py", "--device", "cpu", "--steps", 3, "--json"]
    result = nca("stream", "done", "--size", "8x24", "--tile", 9, "--out", "wall.png", *given)
    assert result.code == 0
    told = json.loads(result.out)
    assert (told["size"], told["steps"], told["cell-steps"]) == ([8, 24], 3, 576)
    assert told["cell-steps per second"] == pytest.approx(576 / told["seconds"])
    assert told["out"] == "wall.png"
    trained = Trained.load("done", torch.device("cpu"))
    trained.prepare(None, SILENT)
    first = next(trained.task.evaluation_batches("test", 3)).state
    wall = {name: torch.cat(list(level), dim=-1).unsqueeze(0) for name, level in first.items()}
    with torch.no_grad():
        end = trained.automaton.rollout(State(wall, first.random_seed), 3)
        wanted = trained.task.picture(end)[0].movedim(0, -1).numpy()
    assert np.ptp(wanted) > 0.01
    assert pixels("wall.png") == pytest.approx(wanted, abs=0.003)


def test_the_grid_is_paved_with_whole_first_states(here, done):
    load_file(here / "blobs.py")
    trained = Trained.load("done", torch.device("cpu"))
    trained.prepare(None, SILENT)
    vast = GridFile.create(here, trained.recipe.layout, (12, 20), dtype=torch.float32)
    tile_first_states(vast, trained.task)
    image = vast.read((0, 0), (12, 20))["image"]
    tests = next(trained.task.evaluation_batches("test", 6)).state["image"]
    assert image[0, :, :8, 8:16].equal(tests[1])
    assert image[0, :, 8:, :8].equal(tests[3][:, :4])
    assert image[0, :, :8, 16:].equal(tests[2][:, :, :4])


def test_test_data_without_samples_pave_no_grid(here, done):
    load_file(here / "blobs.py")
    trained = Trained.load("done", torch.device("cpu"))
    trained.prepare(None, SILENT)
    task = trained.task
    vast = GridFile.create(here, trained.recipe.layout, (12, 20), dtype=torch.float32)
    nothing = next(task.evaluation_batches("test", 1)).select(slice(0, 0))
    for trials in ([], [nothing]):
        task.evaluation_batches = lambda split, batch, trials=trials: iter(trials)
        with pytest.raises(DataError, match="the test split has no samples"):
            tile_first_states(vast, task)
        with pytest.raises(DataError, match="the test split has no samples"):
            task.first_evaluation_batch("test", 4)


def test_a_data_set_without_test_images_is_refused_in_words(nca, here, done):
    emptied = changed("torch.arange(24)", "torch.arange(24 * (split == 'train'))", PLUGIN)
    (here / "blobs.py").write_text(emptied)
    for command in (["stream", "done", "--size", "8x24", "--steps", 1], ["render", "done"]):
        result = nca(*command, "--plugin", "blobs.py")
        assert result.code == 1
        assert "the test split has no samples to start from" in result.err


def test_chance_is_the_same_in_every_tile_and_as_often_as_asked(tmp_path, monkeypatch):
    layout = Layout([Level("body", 3)])
    whole = GridFile.create(tmp_path, layout, (40, 50), dtype=torch.float32, random_seed=3)
    fill_random(whole, 0.25)
    wanted = whole.read((0, 0), (40, 50))["body"]
    assert wanted.mean().item() == pytest.approx(0.25, abs=0.02)
    assert set(wanted.unique().tolist()) == {0, 1}
    monkeypatch.setattr("nca.streaming.fill_and_draw.FILL_TILE", 16)
    fill_random(whole, 0.25)
    assert whole.read((0, 0), (40, 50))["body"].equal(wanted)


def test_a_pixel_is_the_mean_of_a_square_of_cells(tmp_path):
    vast = GridFile.create(tmp_path, Layout([Level("body", 1)]), (3, 5), dtype=torch.float32)
    numbers = torch.linspace(0, 1, 15).view(1, 1, 3, 5)
    vast.write((0, 0), {"body": numbers})
    drawn = np.asarray(draw(vast, plain_colours, 3)).astype(float)[..., 0] / 255
    assert drawn.shape == (2, 3)
    assert drawn[0, 0] == pytest.approx(numbers[0, 0, :2, :2].mean().item(), abs=0.003)
    assert drawn[1, 2] == pytest.approx(1.0, abs=0.003)


def test_what_cannot_be_streamed_is_told(nca, here):
    Path("life.toml").write_text(LIFE)
    given = ["--size", "8x8", "--steps", 1]
    result = nca("stream", "life.toml", *given)
    assert (result.code, result.out) == (2, "")
    assert "the recipe has no task to start from" in result.err
    result = nca("stream", "tiny.toml", "--plugin", "blobs.py", *given)
    assert result.code == 1
    assert "this needs the weights that come of training" in result.err
    result = nca("stream", "life.toml", "--size", "8", "--steps", 1, "--soup", 0.5)
    assert result.code == 2
    assert "a grid of 1 axes, but the recipe's has 2" in result.err


def test_a_folder_that_is_missing_is_said(nca):
    result = nca("stream", "growing", "--size", "64x64", "--steps", "1", "--folder", "no/such")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("StorageError: no folder can be made for the grid: No such file")
    assert "no/such" in result.err


KEPT = ("stream", "life.toml", "--size", "24x40", "--soup", 0.4, "--tile", 7, "--halo", 2)


def test_a_kept_grid_goes_on_after_a_kill_in_the_middle_of_a_pass(nca, here, monkeypatch):
    Path("life.toml").write_text(LIFE)
    assert nca(*KEPT, "--steps", 9, "--out", "whole.png").code == 0
    written, passes = GridFile.write, []

    def killed(grid, start, levels, *, ahead=False):
        if ahead and len(passes) == 40:  # 24 tiles a pass: in the middle of the second
            raise SystemExit(137)
        passes.append(start)
        written(grid, start, levels, ahead=ahead)

    monkeypatch.setattr(GridFile, "write", killed)
    assert nca(*KEPT, "--steps", 5, "--keep", "grid").code == 137
    monkeypatch.setattr(GridFile, "write", written)
    assert json.loads(Path("grid/stream.json").read_text())["step"] == 2
    result = nca(*KEPT, "--steps", 5, "--keep", "grid")
    assert (result.code, "it goes on from step 2" in result.err) == (0, True)
    longer = nca(*KEPT, "--steps", 9, "--keep", "grid", "--out", "kept.png")
    assert (longer.code, "it goes on from step 5" in longer.err) == (0, True)
    assert (pixels("kept.png") == pixels("whole.png")).all()
    assert nca(*KEPT, "--steps", 8, "--keep", "grid").code == 2


def test_a_kept_grid_whose_first_states_were_not_all_there_is_filled_anew(nca, here, monkeypatch):
    Path("life.toml").write_text(LIFE)
    assert nca(*KEPT, "--steps", 1, "--out", "whole.png").code == 0
    with monkeypatch.context() as patched:
        patched.setattr("nca.streaming.fill_and_draw.fill_random", lambda *_: exit(137))
        assert nca(*KEPT, "--steps", 1, "--keep", "grid").code == 137
    assert nca(*KEPT, "--steps", 1, "--keep", "grid", "--out", "kept.png").code == 0
    assert (pixels("kept.png") == pixels("whole.png")).all()


def test_a_grid_of_something_else_is_left_alone(nca, here):
    Path("life.toml").write_text(LIFE)
    assert nca(*KEPT, "--steps", 1, "--keep", "grid").code == 0
    before = {path: path.read_bytes() for path in Path("grid").iterdir()}
    result = nca(*KEPT, "--steps", 2, "--keep", "grid", "--fire-rate", 0.5)
    assert result.code == 1
    assert "is another one: it was begun with fire rate None" in result.err
    Path("grid/world.0.raw").write_bytes(b"short")
    assert "a file of the grid is damaged" in nca(*KEPT, "--steps", 2, "--keep", "grid").err
    Path("grid/stream.json").write_text("{")
    assert "the record of the grid is damaged" in nca(*KEPT, "--steps", 2, "--keep", "grid").err
    Path("mine").mkdir()
    Path("mine/world.0.raw").write_text("mine")
    result = nca(*KEPT, "--steps", 2, "--keep", "mine")
    assert "the folder holds other things than a grid" in result.err
    assert Path("mine/world.0.raw").read_text() == "mine"
    assert [path.name for path in before] == [path.name for path in Path("grid").iterdir()]


def test_a_record_is_written_after_the_grid_that_it_is_of_has_reached_the_disk(
    nca, here, monkeypatch
):
    Path("life.toml").write_text(LIFE)
    assert nca(*KEPT, "--steps", 2, "--keep", "grid").code == 0

    def full(grid):
        raise StorageError("no space", where="grid", to_do="free some")

    monkeypatch.setattr(GridFile, "flush", full)
    assert "no space" in nca(*KEPT, "--steps", 4, "--keep", "grid").err
    assert json.loads(Path("grid/stream.json").read_text())["step"] == 2

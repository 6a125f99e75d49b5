"""Recipes without weights, rule strings and pattern files at every door of the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageSequence

from nca.checkpoint.find import pretrained

GLIDER = "x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n"


@pytest.fixture
def runs(nca, here):
    """Run a command that must succeed."""

    def run(*words):
        result = nca(*words)
        assert result.code == 0, result.err
        return result

    return run


def test_a_rule_and_a_pattern_are_run_in_place_of_training(runs):
    Path("mine.rle").write_text(GLIDER)
    result = runs("run", "B36/S23", "mine.rle", "--steps", 40)
    assert "from step 0 on it is the same in another place after 4 steps: moved by (+1, +1)" in (
        result.out
    )
    folder = Path("runs/B36_S23-1")
    found = json.loads((folder / "observation.json").read_text())
    assert found["population"] == [5] * 41
    assert found["motion"] == {"first": 0, "period": 4, "displacement": [1, 1]}
    written = {"recipe.toml", "states.png", "film.gif", "population.png", "last.safetensors"}
    assert written <= {path.name for path in folder.iterdir()}
    # the folder is enough to go on with, without the pattern's file
    Path("mine.rle").unlink()
    runs("render", folder, "--out", "again.png", "--steps", 4)
    assert json.loads(runs("inspect", folder, "--json").out)


def test_on_a_plane_a_pattern_does_not_meet_itself(runs):
    Path("mine.rle").write_text(GLIDER)
    result = runs("run", "mine.rle", "--steps", 900, "--plane")
    assert "5 cells at step 900" in result.out
    assert "from step 0 on it is the same in another place after 4 steps" in result.out
    assert "the plane has grown to" in result.out
    with Image.open("runs/mine-1/film.gif") as film:
        frames = ImageSequence.all_frames(film, lambda frame: frame.convert("L"))
    assert len(frames) == 1 + 900 // 4
    side = frames[0].width  # the box of all that was seen: from corner to corner
    boxes = [ImageChops.invert(frame).getbbox() for frame in (frames[0], frames[-1])]
    if boxes[0] == (0, 0, side, side):  # the cells are light
        boxes = [frame.getbbox() for frame in (frames[0], frames[-1])]
    assert [box and box[:2] for box in boxes[:1]] == [(2, 2)]
    assert [box and box[2:] for box in boxes[1:]] == [(side - 2, side - 2)]


def test_a_film_of_a_plane_that_grows_large_has_fewer_frames(runs, monkeypatch):
    monkeypatch.setattr("nca.evaluation.observe.MOST_BYTES", 200)
    runs("run", "life", "r_pentomino", "--steps", 40, "--plane")
    with Image.open("runs/life-1/film.gif") as film:
        assert 2 <= len(ImageSequence.all_frames(film)) <= 10


@pytest.mark.parametrize(
    ("verb", "expected"), [("run", "a recipe or a pattern"), ("render", "a checkpoint")]
)
def test_a_picture_in_place_of_a_recipe_is_called_one(nca, here, verb, expected):
    Image.new("RGB", (4, 4)).save("pic.png")
    result = nca(verb, "pic.png")
    assert result.code == 1
    assert f"pic.png is a picture, where {expected} was expected." in result.err
    assert "--set task.target=pic.png" in result.err


def test_a_pattern_that_dies_or_stands_still_says_so(runs):
    assert "all cells are 0 from step 130 on" in runs("run", "life", "diehard", "--steps", 200).out
    Path("block.cells").write_text("OO\nOO\n")
    assert "nothing changes from step 0 on" in runs("run", "block.cells", "--steps", 5).out


def test_a_rule_string_is_drawn_streamed_shown_and_exported(runs):
    Path("mine.rle").write_text(GLIDER)
    runs("render", "B3/S23", "mine.rle", "--out", "mine.gif", "--steps", 8)
    assert Path("mine.gif").stat().st_size > 100
    runs("stream", "B3/S23", "--size", "96x80", "--steps", 5, "--soup", 0.3)
    assert 'rule = "b3s23"' in runs("recipes", "show", "b3s23").out
    assert (
        "no fault" in runs("recipes", "check", "B3/S23").err + runs("recipes", "check", "23/3").out
    )


def test_what_only_recipes_without_weights_take_is_refused_elsewhere(nca, here):
    result = nca("run", "growing", "--plane")
    assert result.code == 2
    assert "only a recipe without weights takes it" in result.err
    result = nca("run", "growing", "glider")
    assert result.code != 0
    assert "pattern" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", ["run", "render", "play", "inspect", "export", "evaluate"])
def test_a_faulty_rule_is_one_sentence_everywhere(command, nca, here):
    result = nca(command, "B3/S29")
    assert result.code != 0
    assert "Traceback" not in result.err
    assert "B3/S29" in result.err


def test_a_run_never_replaces_another(runs):
    runs("run", "B3/S23", "glider", "--steps", 2)
    runs("run", "B3/S23", "glider", "--steps", 2)
    assert {path.name for path in Path("runs").iterdir()} == {"B3_S23-1", "B3_S23-2"}


def test_a_rule_whose_table_is_computed_when_it_is_built_runs(runs):
    # its constructor compares tensors, of which an outline without memory has none
    assert "cells at step 2" in runs("run", "B2e3i/S23", "--steps", 2).out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.rle", None, ("there is no pattern file", "there are lies.rle")),
        ("rows.rle", "x = 3, y = 3, rule = W30\no$o$3o!\n", ("has 3 rows", "a row of cells")),
        ("other.rle", "x = 1, y = 1, rule = LifeHistory\no!\n", ("LifeHistory", "other.rle")),
        ("cut.rle", "x = 3, y = 3, rule = B3/S23\n", ("no runs below its header",)),
        ("p.rle", "x = 30, y = 1, rule = B3/S23:P20,9\n30o!", ("30 x 1", "20 x 9")),
        ("wide.rle", "x = 900000, y = 1\n900000o!", ("with room around it 1,800,000 x 128",)),
        ("old.lif", "#Life 1.06\n0 -1\n1 0\n", ("no pattern file that is read", ".rle")),
        ("runs.txt", "#C c\nx = 3, y = 1\n3o!", ("no pattern file that is read", ".rle")),
    ],
)
def test_a_file_that_is_no_pattern_of_its_rule_is_refused_with_its_name(
    nca, here, name, content, words
):
    Path("lies.rle").write_text(GLIDER)
    if content:
        Path(name).write_text(content)
    result = nca("run", name, "--steps", 2)
    assert result.code == 1
    assert all(word in result.err for word in words), result.err
    assert "--set    " not in result.err  # as of a fault in an override


def test_a_folder_is_no_pattern_file(nca, here):
    Path("folder.rle").mkdir()
    assert '"folder.rle" is a folder' in nca("run", "folder.rle").err


def test_on_a_plane_every_step_is_looked_at(runs):
    result = runs("run", "life", "diehard", "--steps", 200, "--plane")
    assert "all cells are 0 from step 130 on" in result.out
    found = json.loads(Path("runs/life-1/observation.json").read_text())
    assert found["steps"] == [*range(201)]
    assert found["cycle"] == {"first": 130, "period": 1}


def test_ants_that_come_back_to_a_ground_of_their_making_do_not_repeat(runs):
    result = runs("run", "langton", "--steps", 100)
    assert "repeats" not in result.out
    assert "20 cells at step 100" in result.out  # black ones, and not ants


@pytest.mark.parametrize("what", ["B03/S23", "B3/S23:P30,30"])
def test_a_plane_that_cannot_be_is_refused_before_there_is_a_folder(nca, here, what):
    result = nca("run", what, "--plane", "--steps", 3)
    assert result.code == 1
    assert "plane" in result.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("command", ["run", "render"])
def test_a_patterns_name_alone_is_told_where_it_belongs(nca, here, command):
    result = nca(command, "orbium")
    assert result.code == 1
    assert "orbium is a pattern, which is given after a recipe: RECIPE orbium" in result.err


def test_what_is_no_name_is_quoted_in_part(nca, here):
    result = nca("run", "B3/S23" * 20_000)
    assert result.code == 1
    assert len(result.err) < 2_000


def test_a_pattern_of_numbers_is_refused_where_cells_have_states(nca, here):
    result = nca("run", "B3/S23", "orbium", "--steps", 2)
    assert result.code == 1
    assert "has numbers between the states of cells" in result.err


@pytest.mark.parametrize("command", ["plan", "sweep"])
def test_where_training_is_needed_a_rule_is_sent_to_run(nca, here, command):
    result = nca(command, "B3/S23")
    assert result.code == 1
    assert "what has no weights is only run: nca run" in result.err


def test_what_fills_the_torus_has_no_centre_that_moves(runs):
    assert "its centre" not in runs("run", "smooth_life", "--steps", 4).out
    assert "its centre moves 0.60" in runs("run", "lenia", "--steps", 60).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "langton", "glider"), "its task turmite takes none"),
        (("render", "growing", "glider", "--steps", 2), "its task image_growth takes none"),
        (("run", "lenia", "mine.rle"), "is of the rule B3/S23, and cells here hold numbers"),
        (
            ("run", "sandpile", "mine.rle"),
            "is of the rule B3/S23, and cells here are empty, 1 grain",
        ),
        (("export", "B3/S23", "glider", "--to", "c"), "only a page begins with a pattern"),
        (("stream", "B3/S23", "glider", "--size", "64x64", "--steps", 2), "this is a part"),
        (("run", "growing_run"), "nca run --resume growing_run"),
        (("check", "B3/S29"), "S29"),
    ],
)
def test_a_pattern_or_a_rule_that_would_not_be_used_is_refused(nca, here, words, said):
    Path("mine.rle").write_text(GLIDER)
    if "growing_run" in words:
        Path("growing_run").mkdir()
        Path("growing_run/last.safetensors").write_bytes(pretrained()["growing"].read_bytes())
    result = nca(*words)
    assert result.code in (1, 2)
    assert said in " ".join(result.err.split()), result.err
    assert "Traceback" not in result.err


def test_a_pattern_follows_the_recipe_at_every_door(runs):
    Path("mine.rle").write_text(GLIDER)
    row = json.loads(runs("evaluate", "B3/S23", "mine.rle", "--steps", 8, "--json").out)[0]
    assert row["population"] == 5
    runs("stream", "B3/S23", "mine.rle", "--size", "128x256", "--steps", 4, "--out", "two.png")
    with Image.open("two.png") as picture:
        colours = {count for count, _ in picture.convert("L").getcolors() or ()}
    assert min(colours) == 10  # a glider on each half
    runs("export", "B3/S23", "mine.rle", "--no-check", "--out", "glider.html")
    assert '"cells":[' in Path("glider.html").read_text()


def test_a_run_without_weights_is_run_again_by_its_folder(runs):
    Path("mine.rle").write_text(GLIDER)
    runs("run", "B3/S23", "mine.rle", "--steps", 4)
    Path("mine.rle").unlink()
    result = runs("run", "runs/B3_S23-1", "--steps", 8)
    assert "5 cells at step 8" in result.out
    assert Path("runs/B3_S23-2/states.png").is_file()
    assert "moved by (+0, -2)" in runs("run", "runs/B3_S23-1", "lwss", "--steps", 4).out


def test_a_rule_string_is_checked_as_the_rule_that_it_stands_for(runs):
    result = runs("check", "B36/S23", "--law", "bits", "--examples", 2)
    assert "life: 1 held" in result.out

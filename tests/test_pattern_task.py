"""The task that shows patterns: first states, counts, pictures, and what does not fit."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nca import (
    Batch,
    Layout,
    Level,
    MappedColours,
    NCAError,
    NCAWarning,
    OptionError,
    ShapeError,
    State,
    StateColours,
    TaskContext,
    register,
    registry,
)
from nca.play.model import PlayedModel, PlayStart
from nca.play.session import Session
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca_plugins.discrete.patterns import RULES, RUNS
from nca_plugins.discrete.task import PatternTask

CPU = torch.device("cpu")
GLIDER = [[0, 1, 0], [0, 0, 1], [1, 1, 1]]


def task(
    size: tuple[int, ...] = (8, 9), channels: int = 1, folder: Path = Path(), **options: object
) -> PatternTask:
    layout = Layout([Level("ground", 2, input=True), Level("cells", channels)])
    made = registry.get("task", "pattern")(TaskContext(layout, size, folder), **options)
    made.prepare(CPU)
    return made


def begun(made: PatternTask, samples: int = 1) -> Tensor:
    return made.first_evaluation_batch("test", samples).state["cells"]


def states_of(made: PatternTask) -> StateColours:
    look = made.display().look
    assert isinstance(look, StateColours)
    return look


def recipe(text: str, folder: Path = Path()) -> Recipe:
    return Recipe.parse(text, name="my", folder=folder)


def played(notation: str, text: str) -> Recipe:
    found = registry.get("notation", notation)(text)
    assert found is not None
    return recipe(found)


# where a pattern lies


def test_a_pattern_lies_in_the_middle_or_where_it_shall():
    cells = begun(task(pattern="glider"))[0, 0]
    assert cells[2:5, 3:6].tolist() == GLIDER
    assert cells.sum() == 5
    assert begun(task(pattern="bo$2bo$3o!", at=[5, 0]))[0, 0, 5:, :3].tolist() == GLIDER


def test_without_a_pattern_one_cell_is_on():
    cells = begun(task((5, 6, 7)))
    assert cells[0, 0, 2, 3, 3] == 1
    assert cells.sum() == 1


def test_a_soup_is_drawn_for_each_sample_and_is_the_same_again():
    made = task((64, 64), soup=0.25, trials=3)
    cells = begun(made, 3)
    assert cells.unique().tolist() == [0, 1]
    assert cells.mean().item() == pytest.approx(0.25, abs=0.01)
    assert not cells[0].equal(cells[1])
    assert begun(task((64, 64), soup=0.25, trials=3), 1).equal(cells[:1])
    assert len([*made.evaluation_batches("test", 2)]) == 2


def test_a_pattern_takes_the_place_of_a_soup():
    both = begun(task((16, 16), pattern="glider", soup=0.25))
    assert both.equal(begun(task((16, 16), pattern="glider")))


def test_a_soup_of_numbers_is_uniform_where_it_is_on():
    cells = begun(task((64, 64), soup=0.5, look="numbers"))
    assert cells[cells > 0].mean().item() == pytest.approx(0.5, abs=0.03)
    assert (cells > 0).double().mean().item() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("size", [(20,), (9, 20), (5, 9, 20)])
def test_a_row_fits_grids_of_any_axes(size):
    cells = begun(task(size, pattern="3o!"))[0, 0]
    assert cells.sum() == 3
    assert cells[tuple(side // 2 for side in size[:-1])][8:11].tolist() == [1, 1, 1]


def test_channels_are_worlds_of_their_own_or_numbers_in_one_of_them(tmp_path):
    assert begun(task(channels=3, pattern="glider")).sum() == 15
    np.save(tmp_path / "spot.npy", np.full((2, 2), 0.5))
    spot = begun(task(channels=3, folder=tmp_path, pattern="spot.npy", channel=1))
    assert spot.sum(dim=(2, 3)).tolist() == [[0, 2, 0]]
    np.save(tmp_path / "three.npy", np.ones((3, 2, 2)) * [[[1]], [[2]], [[3]]])
    three = begun(task(channels=3, folder=tmp_path, pattern="three.npy"))
    assert three.sum(dim=(2, 3)).tolist() == [[4, 8, 12]]


def test_a_registered_pattern_takes_its_options():
    def bar(*, length: int = 2) -> Tensor:
        return torch.ones(1, 1, length)

    register.pattern("bar")(bar)
    assert begun(task(pattern="bar")).sum() == 2
    assert begun(task(pattern={"name": "bar", "length": 5})).sum() == 5


# what is counted and seen


def test_cells_that_are_not_empty_are_counted():
    made = task(pattern="2A$.B2C!", rule="WireWorld")
    batch = made.first_evaluation_batch("test", 1)
    assert made.measure(batch.state, batch)["population"].part.tolist() == [5]
    assert set(made.measure(batch.state, batch)) == {"population"}


def test_numbers_have_a_mass(tmp_path):
    np.save(tmp_path / "spot.npy", np.array([[0.5, 0.05], [0.25, 0.0]]))
    made = task(folder=tmp_path, pattern="spot.npy")
    batch = made.first_evaluation_batch("test", 1)
    found = made.measure(batch.state, batch)
    assert found["population"].part.tolist() == [2]
    assert found["mass"].part.tolist() == pytest.approx([0.8])


def test_two_states_are_white_on_black_and_others_have_colours_of_their_own():
    made = task(pattern="glider")
    picture = made.picture(made.first_evaluation_batch("test", 1).state)
    assert picture.shape == (1, 3, 8, 9)
    assert picture[0, :, 2, 4].tolist() == [1, 1, 1]
    assert picture[0, :, 0, 0].tolist() == [0, 0, 0]
    for rule in ("WireWorld", "B2/S/C3", "B2/S/C4", "B3/S23/C256"):
        colours = states_of(task(rule=rule)).colours
        assert len(colours.unique(dim=0)) == len(colours)
        assert colours.min() >= 0
        assert colours.max() <= 1


@pytest.mark.parametrize(
    ("size", "shown"), [((20,), (1, 20)), ((6, 5), (6, 5)), ((4, 6, 5), (6, 5))]
)
@pytest.mark.parametrize("look", ["states", "numbers"])
def test_grids_of_any_axes_have_a_picture(size, shown, look):
    made = task(size, look=look)
    state = made.first_evaluation_batch("test", 1).state
    odd = state["cells"].clone()
    odd.flatten()[:4] = torch.tensor([torch.nan, torch.inf, -7.0, 300.0])
    for each in (state, state.replace({"cells": odd})):
        picture = made.picture(each)
        assert picture.shape == (1, 3, *shown)
        assert picture.isfinite().all()
        assert picture.min() >= 0
        assert picture.max() <= 1


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"pattern": "glider"}, ("dead", "alive")),
        ({"rule": "B2/S/C3"}, ("dead", "alive", "dying")),
        ({"rule": "R3,C4,M1,S8..16,B8..12,NC"}, ("dead", "alive", "dying 1", "dying 2")),
        ({"rule": "WireWorld"}, ("empty", "head", "tail", "conductor")),
        ({"pattern": "2A$B!"}, ("state 0", "state 1", "state 2")),
        ({"states": ("flat", "steep")}, ("flat", "steep")),
    ],
)
def test_states_have_words_and_colours_of_their_own(options, names):
    made = task(**options)
    look = states_of(made)
    assert (look.names, look.channel, made.display().lattice) == (names, 0, "square")
    assert len(look.colours) == len(names)


def test_rows_of_three_colours_are_no_cells_that_die():
    assert states_of(task((20,), rule="code 777")).names[2] == "state 2"


def test_numbers_are_mapped_and_hexagons_are_hexagons():
    numbers = task(channels=2, look="numbers", channel=1).display().look
    assert numbers == MappedColours("cells", 1, "inferno")
    low = task(look="numbers", shown=(0.0, 0.4)).display().look
    assert low == MappedColours("cells", 0, "inferno", 0.0, 0.4)
    assert task(rule="B2/S34H").display().lattice == "hexagonal"


def test_what_is_greater_than_the_last_word_looks_like_it():
    made = task((1, 4), states=("none", "one", "many"))
    picture = made.picture(State({"cells": torch.tensor([[[[0.0, 1.0, 2.0, 99.0]]]])}))[0, :, 0]
    assert picture[:, 2].equal(picture[:, 3])
    assert len(picture.T.unique(dim=0)) == 3


def test_a_persons_picture_turns_cells_on_and_off():
    made = task(pattern="glider")
    assert made.roles == ("start",)
    assert task((20,)).roles == ()
    picture = torch.zeros(4, 8, 9)
    picture[3, :, :4] = 1  # covers the left part, dark but for one cell
    picture[:3, 0, 0] = 1
    batch = made.apply_picture(made.first_evaluation_batch("test", 1), picture, "start")
    cells = batch.state["cells"][0, 0]
    assert cells[0, 0] == 1
    assert cells[:, :4].sum() == 1
    assert cells[2:5, 4:6].tolist() == [row[1:] for row in GLIDER]
    assert made.add_seed(batch, (7, 8)).state["cells"][0, 0, 7, 8] == 1


def test_there_is_nothing_to_train():
    made = task(pattern="glider")
    batch = made.first_evaluation_batch("test", 1)
    with pytest.raises(NCAError, match="is watched, and not trained for"):
        made.loss([batch.state], batch)


# patterns of other people


def test_a_pasted_pattern_is_runs_or_plain_text():
    made = task()
    for text in ("bo$2bo$3o!", "x = 3, y = 3, rule = B3/S23\r\nbo$2bo$3o!\r\n", ".O\n..O\nOOO",
                 "!Name: Glider\n.O.\n..O\nOOO\n", "\ufeff.*\n..*\n***"):  # fmt: skip
        assert made.read_pattern(text)[0].tolist() == GLIDER, text
    assert task(channels=3).read_pattern("3o!").tolist() == [[[1, 1, 1]]] * 3
    assert task((20,)).read_pattern("3o!").tolist() == [[1, 1, 1]]
    assert task(rule="WireWorld").read_pattern(".A$BC!").tolist() == [[[0, 1], [2, 3]]]


@pytest.mark.parametrize(
    ("options", "text", "words"),
    [
        ({}, "hello", "has no header"),
        ({}, ".O.\n.X.", 'has "X", which is no cell.*line 2, column 2'),
        ({}, "x = 2, y = 1\n3o!", "row 1 has 3 cells"),
        ({}, "!Name: nothing\n", "has no cells"),
        ({"rule": "B3/S23"}, "2A$B!", "cells in state 2.*2 states under B3/S23"),
        ({"rule": "W30", "size": (20,)}, "o$o!", "has 2 rows"),
    ],
)
def test_a_text_that_is_no_pattern_here_is_refused(options, text, words):
    with pytest.raises(NCAError) as refusal:
        task(**options).read_pattern(text)
    assert re.search(words, str(refusal.value), re.DOTALL)


def test_what_is_not_empty_is_written_with_its_rule_and_read_again():
    made = task(pattern="glider", rule="HighLife")
    text = made.write_pattern(made.first_evaluation_batch("test", 1).state)
    assert text == "#P 3 2\nx = 3, y = 3, rule = B36/S23\nbo$2bo$3o!\n"
    assert made.read_pattern(text)[0].tolist() == GLIDER
    said = task(pattern="x = 1, y = 1, rule = B2/S\no!")
    assert "rule = B2/S\n" in said.write_pattern(said.first_evaluation_batch("test", 1).state)
    row = task((20,), pattern="2o!")
    assert row.write_pattern(row.first_evaluation_batch("test", 1).state).endswith("y = 1\n2o!\n")
    empty = State({"cells": torch.zeros(1, 1, 4, 4)})
    assert made.read_pattern(made.write_pattern(empty)).tolist() == [[[0]]]


@pytest.mark.parametrize(
    ("options", "words"), [({"look": "numbers"}, "hold numbers"), ({"size": (4, 5, 6)}, "three")]
)
def test_numbers_and_three_axes_are_not_written(options, words):
    made = task(**options)
    assert not made.has_patterns
    with pytest.raises(ShapeError, match=words):
        made.write_pattern(made.first_evaluation_batch("test", 1).state)


# what does not fit


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"pattern": "gosper_gun"}, "pattern has 9 x 36 cells.*size = \\[9, 36\\] or more"),
        ({"pattern": "glider", "at": [6, 0]}, "begins at \\[6, 0\\].*size = \\[9, 9\\]"),
        ({"pattern": "glider", "at": [6]}, "at has 1 numbers"),
        ({"level": "sky"}, 'level is "sky", which is none'),
        ({"level": "ground"}, "level is an input"),
        ({"channel": 1}, "channel is 1"),
        ({"shown": (1.0, 0.5)}, "shown is \\[1.0, 0.5\\].*smaller number first"),
        ({"states": ("one",)}, "states has 1 words"),
        ({"states": ("a", "b"), "rule": "B2/S/C3"}, "states has 2 words.*has 3 states"),
        ({"rule": "B3/S23x"}, "did you mean B3/S23"),
        ({"rule": "W30"}, "a rule of 1 axis"),
        ({"pattern": "2A$B!", "rule": "B3/S23"}, "cells in state 2.*B3/S23 has 2 states"),
        ({"pattern": "x = 1, y = 1, rule = B2/S/C3\no!", "rule": "B3/S23"}, "of the rule B2/S/C3"),
        ({"pattern": "x = 1, y = 1, rule = B2/S34H\no!", "rule": "B3/S23"}, "hexagonal"),
        ({"pattern": "x = 1, y = 1, rule = W30\no!", "rule": "B3/S23"}, "of the rule W30"),
        ({"pattern": "x = 1, y = 1, rule = JvN29\no!", "rule": "B3/S23"}, "of the rule \"JvN29\""),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_option(options, what):
    with pytest.raises(OptionError) as refusal:
        task(**options)
    assert re.search(what, str(refusal.value), re.DOTALL)


def test_patterns_of_other_axes_and_channels_are_refused(tmp_path):
    np.save(tmp_path / "deep.npy", np.ones((4, 5, 6)))
    np.save(tmp_path / "flat.npy", np.ones((2, 3)))
    with pytest.raises(OptionError, match="pattern has 4 channels"):
        task(folder=tmp_path, pattern="deep.npy")
    with pytest.raises(OptionError, match="pattern has 2 channels"):
        task((20,), folder=tmp_path, pattern="flat.npy")
    with pytest.raises(OptionError, match="pattern has 2 axes"):
        task((20,), pattern="glider")


def test_a_pattern_under_another_rule_of_its_kind_is_said():
    with pytest.warns(NCAWarning, match="of the rule B3/S23, and runs under B36/S23"):
        task(pattern="x = 1, y = 1, rule = B3/S23\no!", rule="HighLife")
    task(pattern="x = 1, y = 1, rule = 23/3:T8,8\no!", rule="Life")


def test_a_smaller_grid_refuses_the_pattern_and_a_larger_one_centres_it():
    made = task(pattern="glider")
    made.resize((12, 12))
    assert begun(made)[0, 0, 4:7, 4:7].tolist() == GLIDER
    made.resize((2, 12))
    with pytest.raises(OptionError, match="3 x 3 cells"):
        made.prepare(CPU)


# recipes


RECIPE = """
format = 1

[grid]
size = [6, 6]

[[levels]]
name = "cells"
channels = 1
rules = [{ name = "discrete", rule = "B3/S23" }]

[rollout]
steps = 4

[task]
name = "pattern"
pattern = "PATTERN"
"""


def test_a_recipe_names_the_line_of_a_pattern_that_does_not_fit(tmp_path):
    (tmp_path / "broken.rle").write_text("x = 3, y = 3\nbo$2bq$3o!")
    for pattern, what in {
        "pulsar": "has 13 x 13 cells",
        "glidr": "no pattern named 'glidr'",
        "no.rle": 'no pattern file "no.rle"',
        "broken.rle": "broken.rle, line 2, column 6",
    }.items():
        made = recipe(RECIPE.replace("PATTERN", pattern), tmp_path)
        with pytest.raises(RecipeError, match=what) as refusal:
            made.check()
        assert "line 17  [task] pattern " in str(refusal.value)


def test_files_are_read_relative_to_the_recipe_and_kept_with_a_run(tmp_path):
    (tmp_path / "my.rle").write_text("x = 3, y = 3\nbo$2bo$3o!")
    made = recipe(RECIPE.replace("PATTERN", "my.rle"), tmp_path)
    made.check()
    built = made.task()
    built.prepare(CPU)
    assert built.first_evaluation_batch("test", 1).state["cells"].sum() == 5
    assert "my.rle" in made.files.kept()


def test_an_override_may_be_runs_or_a_path(tmp_path, monkeypatch):
    (tmp_path / "my.cells").write_text("OO\n")
    monkeypatch.chdir(tmp_path)
    text = RECIPE.replace("PATTERN", "glider")
    for override, cells in {"my.cells": 2, "bo$2bo$4o!": 6, "acorn": None}.items():
        made = Recipe.parse(
            text, name="my", folder=Path("/"), overrides=[f"task.pattern={override}"]
        )
        built = made.task()
        if cells is None:
            with pytest.raises(OptionError):
                built.prepare(CPU)
        else:
            built.prepare(CPU)
            assert built.first_evaluation_batch("test", 1).state["cells"].sum() == cells


# texts that stand for recipes


@pytest.mark.parametrize(
    ("text", "size", "topology"),
    [
        ("B36/S23", (128, 128), "torus"),
        ("b3s23:P40,30", (30, 40), "zeros"),
        ("W30", (256,), "torus"),
        ("W30:T99", (99,), "torus"),
        ("Brian's Brain:T16", (16, 16), "torus"),
        ("WireWorld", (128, 128), "torus"),
        ("R3,C3,M1,S8..16,B8..12,NC", (128, 128), "torus"),
    ],
)
def test_a_rule_string_stands_for_a_recipe(text, size, topology):
    made = played("rule_string", text)
    assert made.tables.grid.size == size
    assert made.topology.of(1 if len(size) == 1 else 2)[0] == topology
    built, automaton = made.task(), made.automaton()
    built.prepare(CPU)
    first = built.first_evaluation_batch("test", 1).state
    assert not automaton.step(first)["cells"].equal(first["cells"])


def test_other_texts_stand_for_none_and_faulty_ones_are_refused(tmp_path):
    rule, file = (registry.get("notation", name) for name in ("rule_string", "pattern_file"))
    for text in ("growing", "recipes/growing.toml", "runs/growing-1", "", "picture.png"):
        assert rule(text) is None
        assert file(text) is None
    with pytest.raises(NCAError, match=r"did you mean B3/S23\?"):
        rule("B3/S23x")
    with pytest.raises(NCAError, match=r"there is no pattern file .*missing\.rle"):
        file(str(tmp_path / "missing.rle"))


def test_a_pattern_file_stands_for_a_recipe_with_room_around_it(tmp_path):
    path = tmp_path / "my glider.rle"
    path.write_text("x = 3, y = 3, rule = B36/S23\nbo$2bo$3o!")
    made = played("pattern_file", str(path))
    assert made.tables.grid.size == (128, 128)
    assert 'rule = "B36/S23"' in made.text
    built = made.task()
    built.prepare(CPU)
    assert built.first_evaluation_batch("test", 1).state["cells"].sum() == 5
    path.write_text("x = 200, y = 1, rule = B3/S23:P300,100\n200o!")
    assert played("pattern_file", str(path)).tables.grid.size == (100, 300)
    path.write_text("x = 3, y = 3, rule = JvN29\nbo$2bo$3o!")
    with pytest.raises(NCAError, match='"JvN29" is no rule string'):
        played("pattern_file", str(path))
    plain = tmp_path / "wide.cells"
    plain.write_text("O" * 100 + "\n")
    assert played("pattern_file", str(plain)).tables.grid.size == (128, 200)


def test_the_name_of_a_pattern_stands_for_a_recipe_under_its_rule():
    for name, rule in {"glider": "B3/S23", "brain_glider": "B2/S/C3", "acorn": "B3/S23"}.items():
        made = played("pattern_name", name)
        made.task().prepare(CPU)
        assert f'rule = "{rule}"' in made.text
    assert registry.get("notation", "pattern_name")("orbium") is None
    for name in RUNS:
        assert name in registry.names("pattern")
    assert not {*RULES} - {*RUNS}


# the live page


@pytest.mark.parametrize(
    "name", ["gosper_gun", "highlife", "brians_brain", "wireworld", "rule_110"]
)
def test_a_recipe_without_weights_is_played(name):
    model = PlayedModel.load(name, CPU)
    assert not model.trained
    first = model.first(PlayStart("task"), 3)
    assert first.state["cells"].any()
    after = model.next(first)
    assert not after.state["cells"].equal(first.state["cells"])
    assert model.task is not None
    assert isinstance(Batch(after.state), Batch)
    assert model.task.picture(after.state).shape[:2] == (1, 3)
    session = Session(model, start=PlayStart("task"))
    assert session is not None


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [("life", "bo$2bo$3o!", 5), ("wireworld", "BA$2C!", 4), ("rule_110", "OO.O", 3)],
)
def test_a_pattern_is_laid_on_the_page_and_saved_from_it(name, text, count):
    session = Session(PlayedModel.load(name, CPU), start=PlayStart("empty"))
    middle = [side // 2 + 0.5 for side in session.model.size]
    session.act({"kind": "pattern", "text": text, "point": middle})
    cells = session.here.snapshot.state["cells"]
    assert int((cells > 0).sum()) == count
    saved = session.pattern()
    session.reset()
    assert not session.here.snapshot.state["cells"].any()
    session.act({"kind": "pattern", "text": saved, "point": middle})
    assert session.here.snapshot.state["cells"].equal(cells)


def test_numbers_take_no_patterns_on_the_page():
    session = Session(PlayedModel.load("lenia", CPU))
    assert not session.model.has_patterns
    with pytest.raises(ShapeError, match="nothing here takes or gives patterns"):
        session.pattern()


def test_the_rule_life_is_played_with_patterns_and_others_alone():
    life = PlayedModel.load("life", CPU, size=(16, 12), overrides=("task.soup=0.5",))
    assert isinstance(life.task, PatternTask)
    assert (life.name, life.size) == ("life", (16, 12))
    assert PlayedModel.load("elementary", CPU).task is None


def test_states_that_differ_look_different_on_the_page():
    model = PlayedModel.load("wireworld", CPU)
    assert isinstance(model.task, PatternTask)
    state = State({"cells": torch.arange(4.0).view(1, 1, 2, 2)})
    assert len(model.task.picture(state).flatten(2)[0].T.unique(dim=0)) == 4


def test_plain_text_stands_in_a_recipe_as_runs_do_and_runs_without_end_are_completed():
    made = task(pattern="!Name: glider\n.O.\n..O\nOOO\n", at=(0, 0))
    made.check()
    assert made.display().first["cells"][0, 0, :3, :3].tolist() == GLIDER
    with pytest.raises(OptionError, match=re.escape('would end with "!": bo$2bo$3o!')):
        task(pattern="bo$2bo$3o").check()

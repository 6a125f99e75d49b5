"""The files that a recipe names: where they are read, and under which names they are kept."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca.recipe.recipe_files import LARGEST, KeptFile, RecipeFiles, copy_name


def test_a_carried_recipe_reads_nothing_from_the_disk_but_what_the_user_names(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    own = str(tmp_path / "b.png")
    Path(own).write_bytes(b"b")
    files = RecipeFiles(tmp_path, {"c.png": KeptFile(b"c")})
    assert [files.get(path) for path in ("a.png", own, "c.png")] == [None, None, b"c"]
    files.permit([own])
    assert files.get(own) == b"b"


def test_what_is_read_is_kept_unless_it_is_too_large(tmp_path):
    (tmp_path / "small").write_bytes(b"s")
    (tmp_path / "large").write_bytes(bytes(LARGEST + 1))
    files = RecipeFiles(tmp_path)
    assert files.get("small") == b"s"
    assert files.get("large") is not None
    assert list(files.kept()) == ["small"]
    assert files.too_large() == ["large"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("tiger.png", "tiger.png"), ("a/rule.py", "a/rule.py"), ("a b.png", "a b.png")],
)
def test_a_copy_keeps_the_name_of_a_path_below_the_recipe(path, name):
    assert copy_name(path) == name


@given(st.lists(st.text(alphabet="ab./~ \\:é", min_size=1), min_size=2, max_size=2, unique=True))
def test_copies_stay_inside_their_folder(paths):
    for path in paths:
        name = copy_name(path)
        assert not Path(name).is_absolute()
        assert not {"..", "", "."} & set(name.split("/"))


def test_two_files_of_one_name_are_two_copies():
    assert len({copy_name(path) for path in ("/a/rule.py", "/b/rule.py", "rule.py")}) == 3


def test_a_recipe_in_a_runs_folder_finds_the_copies(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / copy_name("/far/tiger.png")).parent.mkdir()
    (tmp_path / "files" / copy_name("/far/tiger.png")).write_bytes(b"tiger")
    assert RecipeFiles(tmp_path).get("/far/tiger.png") == b"tiger"


def test_a_checkpoint_finds_a_folder_of_data_by_the_note_of_its_run_alone(tmp_path):
    files = RecipeFiles(tmp_path)
    assert files.data_folder("my/images") == tmp_path / "my/images"
    (note,) = files.kept()
    sealed = RecipeFiles(tmp_path / "run", files.kept(), "a.safetensors")
    assert sealed.data_folder("my/images") is None
    copy = tmp_path / "run" / "files" / copy_name(note)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(files.kept()[note].content)
    assert sealed.data_folder("my/images") == tmp_path / "my/images"
    named = str(tmp_path / "other")
    sealed.permit([named])
    assert sealed.data_folder(named) == tmp_path / "other"

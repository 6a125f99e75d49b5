"""Pictures of one's own from end to end: trained on, evaluated, drawn, exported, played, moved."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from drawn import RECIPE, photos

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.trained import Trained


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A folder with forty pictures and a recipe; the working folder is another one."""
    photos(tmp_path / "own" / "photos")
    (tmp_path / "own" / "mine.toml").write_text(RECIPE)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("NCA_DATA", str(tmp_path / "data"))
    return tmp_path / "own"


@pytest.fixture
def run(nca, own) -> Path:
    """A run that has been trained on them, and moved."""
    result = nca("run", own / "mine.toml", "--out", "done", "--device", "cpu")
    assert result.code == 0, result.err
    assert result.err.count("not taken for pictures of a class") <= 1
    return Path("done").rename("moved")


def test_forty_pictures_train_and_are_evaluated_from_anywhere(nca, own, run):
    rows = json.loads(nca("evaluate", run, "--json").out)
    assert rows[0]["samples"] == 8
    held = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["samples"] for row in held if row["kind"] == "held_out"] == [6, 6]
    assert nca("run", "--resume", run, "--set", "train.iterations=3").code == 0
    assert json.loads((run / "files" / "dataset.json").read_text())["classes"] == ["bar", "ring"]


def test_class_names_are_there_where_the_pictures_are_not(nca, own, run):
    shutil.rmtree(own)
    refused = nca("evaluate", run)
    assert refused.code == 1
    assert "the folder 'photos' cannot be read" in refused.err
    assert "--set task.dataset.path=FOLDER" in refused.err
    assert nca("export", run, "--to", "html", "--out", "page.html").code == 0
    page = Path("page.html").read_text()
    assert '"bar"' in page
    assert '"ring"' in page
    trained = Trained.load(str(run), torch.device("cpu"))
    assert trained.task.display().look.names == ("bar", "ring")


def test_pictures_that_lie_elsewhere_now_are_named_on_the_command_line(nca, own, run):
    before = nca("evaluate", run, "--json").out
    (own / "photos").rename("there")
    after = nca("evaluate", run, "--json", "--set", "task.dataset.path=there")
    assert after.code == 0
    assert json.loads(after.out) == json.loads(before)


def test_a_checkpoint_takes_no_other_pictures_for_its_own(nca, own, run):
    (own / "photos" / "bar" / "3.png").unlink()
    refused = nca("evaluate", run)
    assert refused.code == 1
    assert "holds other data than the checkpoint was trained on" in refused.err
    assert nca("evaluate", run, "--set", f"task.dataset.path={own / 'photos'}").code == 0
    shutil.rmtree(own / "photos" / "ring")
    other = nca("evaluate", run, "--set", f"task.dataset.path={own / 'photos'}")
    assert "has other classes than the automaton has learnt" in other.err


def test_a_strangers_checkpoint_looks_at_no_pictures_of_its_reader(nca, own, run, tmp_path):
    secret = photos(tmp_path / "secret", 4)
    held = Checkpoint.read(run / "last.safetensors")
    text = held.recipe.replace(str(own / "photos"), str(secret))
    assert str(secret) in text
    bare = {n: tensor for n, tensor in held.tensors.items() if not n.startswith("files.")}
    for change in ({}, {"files": {}, "tensors": bare}):
        strange = Checkpoint(**{**held.__dict__, "recipe": text, **change})
        strange.write(Path("strange.safetensors"))
        refused = nca("evaluate", "strange.safetensors")
        assert refused.code == 1
        assert "holds other data" in refused.err


def test_faults_of_a_data_set_have_line_key_and_the_nearest_name(nca, own):
    wrong = RECIPE.replace('name = "folder", path', 'name = "folder", invrt = true, path')
    (own / "wrong.toml").write_text(wrong.replace("size = [12, 12] }", "size = [12] }"))
    refused = nca("recipes", "check", own / "wrong.toml")
    line = next(n for n, row in enumerate(wrong.splitlines(), 1) if "invrt" in row)
    words = " ".join(refused.err.split())
    assert f"line {line} [task.dataset] invrt unknown key did you mean `invert`?" in words
    assert f"line {line} [task.dataset] size is [12] expected: list of 2" in words
    assert "2 faults" in words


def test_a_folder_that_is_not_there_is_a_fault_of_its_path(nca, own):
    (own / "wrong.toml").write_text(RECIPE.replace('"photos"', '"phots"'))
    refused = nca("run", own / "wrong.toml")
    assert "[task.dataset] path" in refused.err
    assert "'phots' cannot be read" in refused.err
    assert not Path("runs").exists()


def test_options_of_a_data_set_are_listed(nca):
    listed = nca("plugins", "folder").out
    assert 'mode = "grey" | "colour"; "grey"' in listed
    assert "folder" in nca("data", "list").out
    assert nca("data", "check", "folder").code == 0
    assert "path is missing" in nca("data", "fetch", "folder").err


IMPORTER = """
from nca import CheckpointError, register

@register.importer("mine")
def mine(path, *, level: str = "body"):
    raise CheckpointError(f"read {level} of {path.name}.", where="here", to_do="nothing")
"""


def test_an_importer_takes_options_and_a_plugin_file(nca, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(IMPORTER)
    Path("w.bin").write_bytes(b"")
    given = ["import", "mine", "w.bin", "--plugin", "mine.py", "--set"]
    assert "read head of w.bin." in nca(*given, "level=head").err
    refused = nca(*given, "levle=head")
    assert refused.code == 1
    assert "levle unknown key" in refused.err
    assert "did you mean `level`?" in refused.err
    assert 'level = text; "body"' in nca("plugins", "mine", "--plugin", "mine.py").out


SET = """
import torch
from nca import Dataset, LabelledImages, register

@register.dataset("stripes")
class Stripes(Dataset):
    classes = ("up", "down")

    def load(self, split, folder=None, progress=None):
        return LabelledImages(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]))
"""


@pytest.mark.parametrize("command", ["list", "check"])
def test_a_data_set_of_a_plugin_file_is_known(nca, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Path("stripes.py").write_text(SET)
    result = nca("data", command, "--plugin", "stripes.py")
    assert result.code == 0
    assert "stripes" in result.out + result.err

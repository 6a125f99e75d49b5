"""Pictures and plugins of one's own: a run takes them along, and paths start where they stand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nca.checkpoint.file import Checkpoint
from nca.registry.registry import registry

RECIPE = """\
format = 1
plugins = ["a/rule.py", "b/rule.py"]
[grid]
size = [12, 12]
[[levels]]
name = "body"
channels = 6
rules = [{ name = "pull" }, { name = "push" }]
[rollout]
steps = 2
[task]
name = "image_growth"
target = "own.png"
side = 8
trials = 1
[train]
batch = 1
iterations = 2
learning_rate = 1e-3
validate_every = 1
[evaluate]
steps = [2]
"""

RULE = """
import torch
from helper import FACTOR
from torch import nn
from nca import UpdateRule, register

@register.rule("{name}")
class Rule(UpdateRule):
    def __init__(self, *, gain: float = FACTOR):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
    def forward(self, view):
        return view.own * self.gain
"""


def draw(path: Path, colour: tuple[int, int, int]) -> Path:
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.paste((*colour, 255), (2, 2, 6, 6))
    picture.save(path)
    return path


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A folder with a recipe, its picture and its plugins; the working folder is another one."""
    folder = tmp_path / "own"
    for name, factor in (("pull", 0.1), ("push", -0.1)):
        inside = folder / {"pull": "a", "push": "b"}[name]
        inside.mkdir(parents=True)
        (inside / "rule.py").write_text(RULE.format(name=name))
        (inside / "helper.py").write_text(f"FACTOR = {factor}")
    draw(folder / "own.png", (255, 0, 0))
    (folder / "mine.toml").write_text(RECIPE)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


@pytest.fixture
def run(nca, own) -> Path:
    """A run whose recipe, pictures and plugins are gone; what it left lies elsewhere."""
    with registry.preserved():
        assert nca("run", own / "mine.toml", "--out", "done").code == 0
    shutil.rmtree(own)
    return Path("done").rename("elsewhere")


def test_a_run_goes_on_anywhere_by_itself(nca, run):
    result = nca("run", "--resume", run, "--set", "train.iterations=3")
    assert result.code == 0
    assert "executing what the recipe names: elsewhere/files/a/rule.py, " in result.err
    assert "next: nca render elsewhere --trust" in result.err


def test_a_checkpoint_alone_is_enough_if_its_maker_is_trusted(nca, run):
    alone = Path("alone")
    alone.mkdir()
    shutil.copy(run / "last.safetensors", alone)
    refused = nca("evaluate", alone)
    assert refused.code == 1
    assert "carries: a/rule.py, b/rule.py" in refused.err
    assert "--plugin FILE, or" in refused.err
    assert "--trust" in refused.err
    assert "pull" not in registry.names("rule")
    resumed = nca("run", "--resume", alone)
    assert (resumed.code, "--trust" in resumed.err) == (1, True)
    result = nca("evaluate", alone, "--trust")
    assert result.code == 0
    assert "executing what the recipe names: alone/last.safetensors/a/rule.py" in result.err
    assert nca("run", "--resume", alone, "--trust", "--set", "train.iterations=3").code == 0


def test_a_plugin_given_by_hand_takes_the_place_of_the_one_that_is_carried(nca, run):
    for folder in ("a", "b"):
        shutil.copytree(run / "files" / folder, folder)
    flags = ["--plugin", "a/rule.py", "--plugin", "b/rule.py"]
    result = nca("evaluate", run, *flags, "--trust")
    assert (result.code, "executing" in result.err) == (0, False)


def test_a_strangers_checkpoint_reads_no_file_of_its_reader(nca, here):
    picture = draw(here / "secret.png", (0, 0, 255))
    held = Checkpoint.read(_growing(nca))
    text = held.recipe.replace('"lizard"', f'"{picture}"')
    Checkpoint(**{**held.__dict__, "recipe": text}).write(here / "strange.safetensors")
    result = nca("evaluate", "strange.safetensors", "--set", "task.side=6")
    assert result.code == 1
    assert "the checkpoint does not carry the picture" in result.err


def test_a_path_on_the_command_line_starts_where_it_is_typed(nca, here):
    draw(here / "my.png", (255, 0, 0))
    plain = _error(nca, "growing")
    assert _error(nca, "growing", "--set", "task.target=my.png") != plain
    keys = ["--set", "task.target=my.png", "--set", "task.side=16", *SMALL]
    result = nca("run", "growing", *keys, "--out", "mine")
    assert result.code == 0
    text = (here / "mine" / "recipe.toml").read_text()
    assert f'target = "{here / "my.png"}"' in text
    (here / "my.png").unlink()
    assert nca("run", "--resume", "mine", "--set", "train.iterations=2").code == 0


def test_the_home_folder_is_written_as_a_tilde(nca, here, monkeypatch):
    home = here / "home"
    home.mkdir()
    draw(home / "my.png", (255, 0, 0))
    monkeypatch.setenv("HOME", str(home))
    plain = _error(nca, "growing")
    assert _error(nca, "growing", "--set", "task.target=~/my.png") != plain
    shutil.copy(_growing(nca), home / "copy.safetensors")
    assert nca("evaluate", "~/copy.safetensors", "--steps", 2, "--samples", 1).code == 0
    text = RECIPE.replace("own.png", "~/my.png").replace('["a/rule.py", "b/rule.py"]', "[]")
    text = text.replace('[{ name = "pull" }, { name = "push" }]', '[{ name = "growing" }]')
    (here / "tilde.toml").write_text(text)
    assert nca("run", "tilde.toml", "--out=~/run").code == 0
    assert (home / "run" / "files").is_dir()


SMALL = ["--set", "train.iterations=1", "--set", "grid.size=[24,24]", "--set", "train.batch=1"]
SMALL += ["--set", "pool.size=2", "--set", "pool.damaged=0", "--set", "rollout.steps=2"]
SMALL += ["--set", "evaluate.steps=[2]", "--set", "task.trials=1"]


def _growing(nca) -> Path:
    from nca.checkpoint.find import pretrained

    return pretrained()["growing"]


def _error(nca, *arguments: object) -> float:
    result = nca("evaluate", *arguments, "--steps", 2, "--samples", 1, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)[0]["error"]


def test_a_target_on_the_command_line_takes_effect_or_is_refused(nca, here):
    plain = _error(nca, "growing")
    assert _error(nca, "growing", "--set", "task.target=butterfly") != plain
    assert _error(nca, "growing", "--set", "task.side=20") != plain
    assert _error(nca, "growing", "--set", "task.target=lizard") == plain
    result = nca("evaluate", "growing", "--set", "task.target=no_such_thing")
    assert (result.code, result.out) == (1, "")
    assert "there is no target named 'no_such_thing'" in result.err


def test_a_run_that_goes_on_under_overrides_says_so(nca, here):
    keys = [*SMALL, "--set", "task.side=16", "--set", "train.validate_every=1"]
    assert nca("run", "growing", *keys, "--out", "done").code == 0
    before = (here / "done" / "recipe.toml").read_text()
    more = ["--set", "task.target=butterfly", "--set", "train.iterations=2"]
    assert nca("run", "--resume", "done", *more).code == 0
    now = (here / "done" / "recipe.toml").read_text()
    assert 'target = "butterfly"' in now
    last = Checkpoint.read(here / "done" / "last.safetensors")
    fresh = nca("run", "growing", *keys, *more, "--out", "fresh")
    assert fresh.code == 0
    wanted = Checkpoint.read(here / "fresh" / "last.safetensors").tensors["task.target"]
    assert last.recipe == now
    assert (last.tensors["task.target"] == wanted).all()
    rows = [json.loads(line) for line in (here / "done" / "metrics.jsonl").read_text().splitlines()]
    (row,) = [row for row in rows if row["kind"] == "recipe"]
    assert (row["iteration"], row["before"], row["overrides"]) == (1, before, more[1::2])
    assert (here / "done" / "best-before-1.safetensors").is_file()
    best = Checkpoint.read(here / "done" / "best.safetensors")
    assert (best.iteration, best.recipe) == (2, now)


def test_a_check_executes_nothing_unless_asked(nca, own):
    mine = own / "mine.toml"
    (own / "a" / "rule.py").write_text("raise ValueError('executed')")
    result = nca("recipes", "check", mine)
    assert result.code == 0
    assert 'a/rule.py, b/rule.py, rule "pull", rule "push"' in result.err
    assert f"nca recipes check {mine} --trust" in result.err
    trusted = nca("recipes", "check", mine, "--trust")
    assert (trusted.code, "ValueError: executed" in trusted.err) == (1, True)
    faulty = nca("recipes", "check", mine, "--set", "train.bach=3")
    assert (faulty.code, "did you mean `batch`?" in faulty.err) == (1, True)


@pytest.mark.parametrize("verb", ["run", "plan", "bench", "play"])
def test_a_faulty_recipe_executes_no_plugin(nca, own, verb):
    (own / "a" / "rule.py").write_text("raise ValueError('executed')")
    result = nca(verb, own / "mine.toml", "--set", "train.bach=3")
    assert (result.code, "executed" in result.err) == (1, False)
    whole = nca(verb, own / "mine.toml")
    assert (whole.code, "executing what the recipe names: " in whole.err) == (1, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("self.late = nn.LazyLinear(2)", "has layers without sizes (torch.nn.Lazy...)"),
        ("raise SystemExit(3)", "cannot be built: SystemExit: 3"),
        ("self.x = 1 / 0", "cannot be built: ZeroDivisionError: division by zero"),
    ],
)
def test_a_rule_that_cannot_be_built_is_refused_in_words(nca, own, body, words):
    text = RULE.format(name="pull").replace("super().__init__()", f"super().__init__(); {body}")
    (own / "a" / "rule.py").write_text(text)
    result = nca("run", own / "mine.toml", "--out", "never")
    assert (result.code, words in result.err) == (1, True)
    assert not Path("never").exists()


def test_a_recipe_given_as_a_checkpoint_is_called_one(nca, here):
    result = nca("evaluate", "tiny.toml")
    assert result.code == 1
    assert "is a recipe" in result.err
    assert "nca run tiny.toml" in result.err


def test_a_key_without_end_is_refused_at_once(nca, here):
    result = nca("recipes", "check", "tiny.toml", "--set", f"{'a.' * 20000}a=1")
    assert (result.code, "has a key that is too long" in result.err) == (1, True)


def test_what_lies_in_the_working_folder_takes_no_place_of_a_module(here):
    for name in ("queue.py", "json.py", "threading.py"):
        (here / name).write_text("raise SystemExit('executed')")
    command = [sys.executable, "-m", "nca", "sweep", "growing", "--seeds", "1", *SMALL]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

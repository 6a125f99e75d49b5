"""`nca export`: what it writes, what it prints, and what it says when it cannot."""

import json
import re

import pytest
from extras import needs_onnx

from nca.export import browser


def test_export_writes_a_page_and_says_how_far_it_strays(nca, here):
    if browser.find_browser() is None:
        pytest.skip("needs a browser of the Chromium family")
    result = nca("export", "growing", "--steps", "6")
    assert result.code == 0
    said, written = result.out.splitlines()
    greatest = re.match(r"(\d\.\de-\d\d) is the greatest difference from torch after 6 steps", said)
    assert greatest
    assert re.fullmatch(r"growing\.html  \d+ kB", written)
    page = (here / "growing.html").read_text()
    assert greatest[0] in page
    told = json.loads(re.search(r'<script id="plan"[^>]*>(.*?)</script>', page)[1])
    assert 0 < told["checked"]["greatest"] < 1e-4
    assert told["checked"]["steps"] == 6
    assert "WebGL2, float32" in told["checked"]["engine"]
    assert not [path for path in here.iterdir() if path.suffix == ".part"]


def test_export_says_plainly_that_nothing_was_compared(nca, here, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("NCA_BROWSER", raising=False)
    result = nca("export", "growing", "--json", "--out", "page.html")
    assert result.code == 0
    told = json.loads(result.out)
    assert (told["file"], told["checked"]) == ("page.html", None)
    assert told["bytes"] == (here / "page.html").stat().st_size
    plain = nca("export", "growing", "--out", "page.html")
    assert "there is no browser of the Chromium family" in plain.err
    assert "not compared with torch" in (here / "page.html").read_text()


def test_a_browser_that_does_not_start_leaves_nothing_behind(nca, here, monkeypatch):
    monkeypatch.setenv("NCA_BROWSER", str(here / "nowhere"))
    before = sorted(here.iterdir())
    result = nca("export", "growing", "--steps", "2")
    assert result.code == 1
    assert "the page could not be tried out: it does not start" in result.err
    assert "--no-check" in result.err
    assert sorted(here.iterdir()) == before


@needs_onnx
def test_export_of_what_no_shader_can_do_takes_the_graph(nca, here):
    what = ("export", "glom_mnist_long", "--set", "levels.1.rules.0.shown=normalised")
    result = nca(*what, "--no-check")
    assert result.code == 1
    assert 'automaton: rule BottomUp of level "part" standardises each cell' in result.err
    assert "export it with --engine onnx instead" in result.err
    assert not list(here.glob("*.html"))
    result = nca(*what, "--engine", "onnx", "--no-check", "--out", "graph.html")
    assert result.code == 0
    page = (here / "graph.html").read_text()
    assert "class Interpreter extends Engine" in page
    assert '"SplitToSequence"' in page


def test_export_of_ones_own_run(nca, done, here):
    result = nca("export", "done", "--plugin", "blobs.py", "--no-check", "--out", "own.html")
    assert result.code == 0
    assert "not compared with torch, as you asked for" in result.err
    assert '"words":["dark","light"]' in (here / "own.html").read_text()


@pytest.mark.parametrize("source", ["life", "logic_life", "mine.toml"])
def test_export_writes_a_c_program_of_a_rule_or_a_recipe(nca, here, source):
    text = (
        'format = 1\n[grid]\nsize = [9]\n[[levels]]\nname = "row"\nchannels = 1\n'
        'rules = [{ name = "elementary", number = 30 }]\n[rollout]\nsteps = 1\n'
    )
    (here / "mine.toml").write_text(text)
    result = nca("export", source, "--to", "c", "--steps", "3", "--json")
    assert result.code == 0
    told = json.loads(result.out)
    assert told["to"] == "c"
    assert told["checked"].get("greatest", 0) == 0
    assert told["file"] == f"{source.removesuffix('.toml')}.c"
    program = (here / told["file"]).read_text()
    assert program.startswith("/* A cellular automaton, written by nca ")
    assert ("each row for itself" in program) == (source == "mine.toml")


def test_export_to_c_replaces_its_own_files_alone(nca, here):
    for _ in range(2):
        assert nca("export", "life", "--to", "c", "--no-check", "--out", "life.c").code == 0
    assert "Not compared with nca" in (here / "life.c").read_text()
    (here / "mine.c").write_text("int main(void) { return 0; }")
    result = nca("export", "life", "--to", "c", "--out", "mine.c")
    assert result.code == 1
    assert "what is there is not a C program of nca export, and stays" in result.err
    result = nca("export", "growing", "--to", "c")
    assert result.code == 1
    assert "no C program can be written of this automaton: it has an alive mask" in result.err
    assert sorted(file.name for file in here.glob("*.c")) == ["life.c", "mine.c"]

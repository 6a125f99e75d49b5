"""What a file says reaches a terminal as text: no control character passes, by any way."""

import ast
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.progress import Progress, TextColumn
from rich.table import Table
from safetensors.torch import save_file

from nca.checkpoint.find import recipe_path
from nca.cli import console
from nca.cli.visible import VisibleConsole, visible
from nca.errors import NCAError

ROOT = Path(__file__).parents[2]
CLIPBOARD = "\x1b]52;c;bmNh\x07"
SHOWN = r"\x1b]52;c;bmNh\x07"
OTHERS = "\x9b31m \x7f \x08 \r \u202e \u2066 \u200b \ud800"


def test_control_characters_are_written_as_python_writes_them():
    assert visible(CLIPBOARD) == SHOWN
    assert visible("a\tb\r\nc\n\u202e\x9b") == "a\tb\nc\n\\u202e\\x9b"
    assert visible("Grüße, 数, 🦎, 0.5 ± 0.1") == "Grüße, 数, 🦎, 0.5 ± 0.1"


@given(st.text(st.characters(codec=None)))
def test_what_is_visible_is_printable_and_stays_as_it_is(text):
    shown = visible(text)
    assert not any(
        ord(c) < 32 or 127 <= ord(c) < 160 for c in shown.replace("\n", "").replace("\t", "")
    )
    assert shown.encode().decode() == shown
    assert visible(shown) == shown


@pytest.mark.parametrize("text", [CLIPBOARD, *OTHERS.split(" ")])
def test_no_way_to_the_terminal_lets_one_pass(capsys, text):
    console.say(text)
    console.print_result(text)
    console.show_rows([{text: text, "steps": 3}])
    console.fail(NCAError(text, where=text, to_do=text))
    console.show_json({text: text})
    told = capsys.readouterr()
    for written in (told.out, told.err):
        assert text not in written
        assert written.isprintable() or all(c.isprintable() or c in "\n\t" for c in written)


def test_panels_and_bars_let_none_pass_but_their_own():
    file = io.StringIO()
    one = VisibleConsole(file=file, force_terminal=True, width=80, markup=False)
    table = Table(CLIPBOARD)
    table.add_row(f"[bold]{CLIPBOARD}")
    bars = Progress(TextColumn("{task.description}", markup=False), console=one)
    with Live(table, console=one):
        one.print(CLIPBOARD)
    with bars:
        bars.add_task(CLIPBOARD)
    written = file.getvalue()
    assert "\x1b[" in written, "the cursor was never moved, so nothing was tested"
    assert "\x1b]" not in written
    assert "\x07" not in written
    assert r"[bold]\x1b]52" in written


def test_json_keeps_its_escapes(capsys):
    console.show_json({"a": "\x7f\x1b\u202e\ud800"})
    assert json.loads(capsys.readouterr().out) == {"a": "\x7f\x1b\u202e\ud800"}


def test_a_table_beyond_reading_is_cut_and_says_so(capsys):
    console.show_rows([{f"column {number}": 1} for number in range(300)])
    told = capsys.readouterr()
    assert len(told.out.splitlines()) <= 202
    assert told.err == "the table is cut: 300 rows in all; --json prints everything\n"


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"steps": "3"},
        {"steps": None, "after": True},
        {"steps": 3, "after": 1},
        {"after": CLIPBOARD},
    ],
)
def test_inspect_shows_rows_of_any_shape(nca, tmp_path, row):
    facts = {"format": 1, "name": "growing", "recipe": recipe_path("growing").read_text()}
    metadata = {"nca": json.dumps({**facts, "metrics": {"test": [row, row], "odd": []}})}
    save_file({}, tmp_path / "foreign.safetensors", metadata=metadata)
    result = nca("inspect", tmp_path / "foreign.safetensors")
    assert result.code == 0
    assert "\x1b" not in result.out + result.err


@pytest.mark.parametrize("flags", [[], ["--recipe"]])
def test_inspect_shows_what_a_foreign_file_says_as_text(nca, tmp_path, flags):
    recipe = "# \u202ehello \x9b2J\n" + recipe_path("growing").read_text()
    facts = {"format": 1, "name": "growing", "recipe": recipe, "overrides": [CLIPBOARD]}
    rows = [{"steps": 1, "[/bold]": CLIPBOARD, CLIPBOARD: "\u202e"}]
    metadata = {"nca": json.dumps({**facts, "metrics": {"test": rows, CLIPBOARD: CLIPBOARD}})}
    save_file({}, tmp_path / "foreign.safetensors", metadata=metadata)
    result = nca("inspect", tmp_path / "foreign.safetensors", *flags)
    assert result.code == 0
    assert not set("\x1b\x07\x9b\u202e") & set(result.out + result.err)
    assert (r"\u202ehello \x9b2J" if flags else SHOWN) in result.out


def test_nothing_else_writes_to_the_terminal():
    """All texts pass `nca.cli.console`: nothing prints, echoes or opens a console of its own."""
    for path in sorted((ROOT / "nca").rglob("*.py")):
        if path.parent.name == "cli" and path.stem in ("console", "visible"):
            continue
        parts = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        calls = [node.func for node in parts if isinstance(node, ast.Call)]
        names = {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}
        assert not names & {"echo", "secho", "Console"}, path
        assert "print" not in {f.id for f in calls if isinstance(f, ast.Name)}, path

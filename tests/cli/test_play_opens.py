"""`nca play` opens a page in a browser, or says why not, and what to try."""

import os
import stat
import sys
import urllib.request
import webbrowser
from pathlib import Path

import pytest
from extras import needs_play

from nca.play import launch as launching
from nca.play.ending import Ending
from nca.play.follow import loss_curve
from nca.play.launch import open_in_browser

ADDRESS = "http://127.0.0.1:1234/?token=a&secret"


class Browser(webbrowser.BaseBrowser):
    """Notes what it is to open."""

    opened: str = ""

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        """Note it."""
        self.opened = url
        return True


def test_the_token_stands_in_a_file_of_ones_own_and_in_no_command_line(monkeypatch, tmp_path):
    browser, ending = Browser(), Ending()
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    monkeypatch.setattr(launching.tempfile, "tempdir", str(tmp_path))
    assert open_in_browser(ADDRESS, ending)
    assert "secret" not in browser.opened
    file = Path(urllib.request.url2pathname(browser.opened.removeprefix("file://")))
    assert "http://127.0.0.1:1234/?token=a&amp;secret" in file.read_text()
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    ending.clean()
    assert not list(tmp_path.iterdir())


def none() -> None:
    raise webbrowser.Error("could not locate runnable browser")


@pytest.mark.parametrize(
    "get", [none, lambda: webbrowser.GenericBrowser("w3m")], ids=["none", "in the terminal"]
)
def test_where_there_is_no_browser_nothing_is_opened(monkeypatch, get):
    monkeypatch.setattr(webbrowser, "get", get)
    assert open_in_browser(ADDRESS, Ending()) is False


def test_a_browser_that_does_not_start_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.BackgroundBrowser("no-such-program"))
    monkeypatch.setattr(launching.tempfile, "tempdir", str(tmp_path))
    assert open_in_browser(ADDRESS, Ending()) is False


@pytest.mark.parametrize("option", [["--follow"], ["--trust"], ["--history", "mine.json"]])
def test_without_anything_to_play_options_of_it_are_refused(nca, here, option):
    result = nca("play", "--no-open", *option)
    assert result.code == 2
    words = " ".join(result.err.replace("│", " ").split())
    assert option[0] in words
    assert "name what is played" in words


STRANGE = {
    "empty": b"",
    "text": b"hello",
    "zeros": bytes(100),
    "a long header": b"\xff" * 8 + b"{}",
    "a zip": b"PK\x03\x04" + bytes(50),
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("ending", ["safetensors", "pt", "toml", ""])
def test_what_is_no_checkpoint_is_refused_in_words(nca, here, name, ending):
    path = Path(f"strange.{ending}" if ending else "strange")
    path.write_bytes(STRANGE[name])
    result = nca("play", path, "--no-open")
    assert result.code == 1
    assert "where" in result.err or "fault" in result.err
    assert "Traceback" not in result.err


HISTORIES = {
    "missing": None,
    "empty": b"",
    "bytes": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "half": b'{"format": 1, "name": "li',
    "another": b'{"format": 2}',
    "null": b"null",
}


@pytest.mark.parametrize("name", HISTORIES)
@needs_play
def test_what_is_no_history_is_refused_in_words(nca, here, name):
    if HISTORIES[name] is not None:
        Path("history.json").write_bytes(HISTORIES[name])
    result = nca("play", "life", "--size", "8x8", "--no-open", "--history", "history.json")
    assert result.code == 1
    assert "history" in result.err
    assert "to do" in result.err
    Path("folder").mkdir()
    result = nca("play", "life", "--size", "8x8", "--no-open", "--history", "folder")
    assert result.code == 1
    assert "the history cannot be read" in result.err


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "example.org", "127.0.0.2", "127.0.0.1:80"])
def test_a_host_that_others_reach_is_refused(nca, here, host):
    result = nca("play", "life", "--no-open", "--host", host)
    assert result.code == 2
    assert "the page is for this machine alone" in " ".join(result.err.split())


@pytest.mark.skipif(sys.platform != "linux", reason="ports below 1024 are free to take elsewhere")
@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_that_is_none_is_a_usage_error(nca, here, port):
    assert nca("play", "life", "--no-open", "--port", port).code == 2


LOG = [
    '{"iteration": 1, "loss": 0.5}',
    '{"iteration": 2, "loss": NaN}',
    '{"iteration": 3, "loss": 1e999}',
    '{"iteration": true, "loss": 1}',
    '{"iteration": 4, "loss": true}',
    '{"iteration": 5, "loss": ' + "9" * 400 + "}",
    '{"iteration": 6, "loss": "low"}',
    "[1, 2]",
    "\0\0",
    '{"iteration": 7, "loss": 0.25}',
    '{"iteration": 8, "lo',
]


def test_a_damaged_log_of_a_run_is_followed_as_far_as_it_can_be_read(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("\n".join(LOG))
    assert loss_curve(tmp_path) == {"iterations": [1, 7], "losses": [0.5, 0.25]}

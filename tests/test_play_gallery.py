"""The gallery lists what is installed, faulty or not, and plays what is chosen."""

import json
import shutil
from pathlib import Path

import httpx
import pytest
import torch
from served import Served, serving, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from nca.checkpoint.find import pretrained
from nca.errors import NCAError
from nca.play import PlayedModel, Session
from nca.play.gallery import PlayGallery
from nca.play.work import StoppedError, watching
from nca.progress import Progress
from nca.registry.registry import registry

CPU = torch.device("cpu")
HOSTILE = "<img src=x onerror=alert(1)> ' \" & \N{RIGHT-TO-LEFT OVERRIDE}gnp.exe"

PLAIN = """\
# Four cells & <b>no</b> task.
format = 1
[grid]
size = [8, 8]
[[levels]]
name = "cells"
channels = 1
rules = [{ name = "life" }]
[rollout]
steps = 2
"""

PLUGIN = """
from pathlib import Path
from nca import UpdateRule, register
Path(__file__).with_name("executed").touch()

@register.rule("touching")
class Touching(UpdateRule):
    def forward(self, view):
        return view.own * 0
"""

RAISING = """
from nca import UpdateRule, register
@register.rule("raising")
class Raising(UpdateRule):
    def __init__(self):
        raise LookupError("nothing was found")
    def forward(self, view):
        return view.own
"""


def load(name: str) -> PlayedModel:
    return PlayedModel.load(name, CPU)


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """A package's folder of recipes, good and bad ones."""
    (tmp_path / "plain.toml").write_text(PLAIN)
    (tmp_path / f"{HOSTILE}.toml").write_text(PLAIN)
    (tmp_path / "torn.toml").write_text("# Torn.\nformat = 1\n[grid\n")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "wrong.toml").write_text(PLAIN.replace("life", "no_such_rule"))
    for name, source in {"touching": PLUGIN, "raising": RAISING}.items():
        (tmp_path / f"{name}.py").write_text(source)
        text = PLAIN.replace('"life"', f'"{name}"')
        (tmp_path / f"{name}.toml").write_text(
            text.replace("format = 1", f'format = 1\nplugins = ["{name}.py"]')
        )
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained" / "empty.safetensors").write_bytes(b"")
    for module in ("nca.play.gallery", "nca.play.gallery_entries", "nca.checkpoint.find"):
        monkeypatch.setattr(
            f"{module}.recipes", lambda: {path.stem: path for path in tmp_path.glob("*.toml")}
        )
        monkeypatch.setattr(
            f"{module}.pretrained",
            lambda: {path.stem: path for path in tmp_path.glob("pretrained/*")},
        )
    return tmp_path


@pytest.fixture
def gallery() -> PlayGallery:
    return PlayGallery(load)


def test_all_that_is_installed_is_listed_with_a_line_and_none_is_faulty(gallery):
    found = gallery.entries
    assert found["trained", "growing"].line.startswith("A lizard that grows from one cell")
    assert found["untrained", "growing_lizard"].line.startswith("The lizard at the numbers")
    assert "Game of Life" in found["rules", "life"].line
    assert ("rules", "growing") not in found, "under this name the checkpoint is played"
    assert ("rules", "lateral") not in found, "it is nothing without weights"
    assert ("rules", "bottom_up") not in found, "it is nothing without another level"
    assert not [entry for entry in found.values() if entry.fault]
    assert gallery.to_json()[0]["name"] == "trained"
    assert {entry["name"] for group in gallery.to_json() for entry in group["entries"]} == {
        name for _, name in found
    }


def test_what_is_faulty_is_listed_with_its_reason_and_nothing_is_executed(installed, gallery):
    registry.promise("rule", "broken", "no_such_module:Rule", "a package")
    found = gallery.entries
    assert "is no TOML" in found["untrained", "torn"].fault
    assert found["untrained", "torn"].line == "Torn."
    assert found["untrained", "binary"].fault
    assert "no_such_rule" in found["untrained", "wrong"].fault
    assert "no_such_module" in found["rules", "broken"].fault
    assert found["trained", "empty"].fault
    assert found["weightless", "touching"].plugins == ("touching.py",)
    assert not found["weightless", "touching"].fault
    assert not found["weightless", "touching"].pictured
    assert found["weightless", HOSTILE].line == "Four cells & <b>no</b> task."
    assert not (installed / "executed").exists()
    json.dumps(gallery.to_json())

    gallery.session("weightless", "touching")
    assert (installed / "executed").exists(), "as nca play NAME would"
    with pytest.raises(NCAError, match="LookupError: nothing was found"):
        gallery.session("weightless", "raising")
    assert gallery.session("weightless", HOSTILE).model.size == (8, 8)


def test_patterns_are_played_under_their_rules(gallery):
    assert gallery.entries["patterns", "acorn"].line.startswith("Seven cells")
    assert ("patterns", "gosper_gun") not in gallery.entries, "it is a recipe"
    assert ("patterns", "orbium") not in gallery.entries, "no rule is its own"
    session = gallery.session("patterns", "brain_glider")
    assert session.model.task.rule.text == "B2/S/C3"
    assert session.here.snapshot.state["cells"].sum() == 6
    assert gallery.picture("patterns", "glider").startswith(b"\x89PNG")


def test_what_is_written_is_played_if_it_is_a_rule(gallery, tmp_path, monkeypatch):
    session = gallery.session("written", " B36/S23 ")
    assert (session.model.size, session.model.task.rule.text) == ((128, 128), "B36/S23")
    monkeypatch.chdir(tmp_path)
    Path("mine.rle").write_text("x = 1, y = 1\no!")
    Path("mine.toml").write_text(PLAIN)
    for text in ("nothing of the kind", "mine.rle", "mine.toml", "/etc/passwd", "\0", "B" * 300):
        with pytest.raises(NCAError, match="is neither a name here nor a rule"):
            gallery.session("written", text)
    with pytest.raises(NCAError, match=r"did you mean B3/S23\?"):
        gallery.session("written", "B3/S23x")


def test_runs_of_the_working_folder_are_listed(gallery, tmp_path, monkeypatch):
    for name in ("mine", "empty"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "torn").mkdir()
    (tmp_path / "runs" / "torn" / "best.safetensors").write_bytes(b"")
    shutil.copy(pretrained()["growing"], tmp_path / "runs" / "mine" / "last.safetensors")
    monkeypatch.chdir(tmp_path)
    runs = {name: entry for (group, name), entry in gallery.entries.items() if group == "runs"}
    assert [*runs] == ["mine", "torn"]
    assert runs["torn"].fault
    assert runs["mine"].line.startswith("A lizard")
    assert gallery.session("runs", "mine").model.trained


def test_a_rule_that_raises_as_it_is_made_is_listed_with_its_reason(gallery, tmp_path):
    from nca.registry.discovery import load_file

    (tmp_path / "raising.py").write_text(RAISING)
    load_file(tmp_path / "raising.py")
    assert "nothing was found" in gallery.entries["rules", "raising"].fault


@pytest.mark.parametrize(
    ("group", "name"),
    [("trained", "life"), ("", ""), ("rules", "../life"), ("rules", "/etc/passwd"), ("x", "life")],
)
def test_only_what_is_listed_can_be_chosen(gallery, group, name):
    for asked in (gallery.session, gallery.picture):
        with pytest.raises(NCAError, match="the gallery has no"):
            asked(group, name)


def test_a_small_picture_is_drawn_once_and_of_nothing_that_needs_data(gallery, monkeypatch):
    png = gallery.picture("rules", "life")
    assert png.startswith(b"\x89PNG")
    monkeypatch.setattr("nca.play.gallery._drawn", None)
    assert gallery.picture("rules", "life") is png
    assert not gallery.entries["trained", "glom_mnist"].pictured
    with pytest.raises(NCAError, match="no picture is drawn"):
        gallery.picture("trained", "glom_mnist")


def test_the_random_seed_is_the_recipes_unless_one_is_given():
    assert PlayGallery(load).session("rules", "life").here.branch.random_seed == 0
    assert PlayGallery(load, 7).session("rules", "life").here.branch.random_seed == 7


def test_looking_is_stopped_between_two_entries(gallery):
    class Stopping(Progress):
        def stopped(self) -> bool:
            return True

    with watching(Stopping()), pytest.raises(StoppedError):
        gallery.to_json()
    assert gallery.entries, "and begins again"


def talk(served: Served, token: str = "", **more) -> ClientConnection:
    auth = served.server.auth
    address = f"ws://127.0.0.1:{auth.port}/talk?token={token or auth.token}"
    return connect(address, proxy=None, **more)


def said(wire: ClientConnection, kind: str) -> dict:
    """Return the next words of a kind; frames between are passed over."""
    while True:
        data = wire.recv(timeout=60)
        if isinstance(data, str) and json.loads(data)["type"] == kind:
            return json.loads(data)


def send(wire: ClientConnection, kind: str, **rest: object) -> None:
    wire.send(json.dumps({"type": kind, **rest}))


def test_before_anything_is_chosen_all_messages_are_answered(gallery, caplog):
    with serving(None, moving=True, gallery=gallery) as served, talk(served) as wire:
        assert said(wire, "gallery")["idle"] is True
        for kind, rest in {
            "step": {"count": 1},
            "go": {"step": 3},
            "act": {"event": {"kind": "damage"}},
            "reset": {},
            "branch": {},
            "show": {"branch": 0},
            "load": {"history": "{}"},
        }.items():
            send(wire, kind, **rest)
            assert said(wire, "fault")["what"] == "nothing is played yet.", kind
        for kind, rest in {"play": {"on": True}, "ack": {}, "speed": {"value": 5.0}}.items():
            send(wire, kind, **rest)
        send(wire, "choose", group="rules", name="nothing")
        assert "the gallery has no 'nothing'" in said(wire, "fault")["what"]
        send(wire, "choose", group="rules", name=3)
        assert "cannot be read" in said(wire, "fault")["what"]
        token = {"token": served.server.auth.token}
        with httpx.Client(trust_env=False) as client:
            address = f"http://127.0.0.1:{served.server.auth.port}/take/history.json"
            assert client.get(address, params=token).status_code == 400
        send(wire, "choose", group="rules", name="life")
        about = said(wire, "about")
        assert (about["name"], about["chosen"], about["gallery"]) == ("life", 1, True)
        until(lambda: served.session.step > 2)
    assert not caplog.records


def test_another_one_is_chosen_on_the_same_server_and_what_fails_leaves_it(
    installed, gallery, caplog
):
    first = Session(PlayedModel.load("life", CPU, size=(8, 8)))
    with serving(first, gallery=gallery) as served, talk(served) as wire, talk(served) as other:
        about = said(wire, "about")
        assert (about["chosen"], about["gallery"]) == (0, True)
        said(other, "about")
        send(wire, "choose", group="untrained", name="torn")
        assert "fault" in said(wire, "fault")["what"]
        assert served.session is first
        send(wire, "choose", group="weightless", name=HOSTILE)
        assert said(other, "about")["name"] == HOSTILE
        assert served.session is not first
        send(other, "gallery")
        assert said(other, "gallery")["idle"] is False
    assert not caplog.records


def test_a_page_without_a_gallery_says_so():
    with serving(Session(load("life"))) as served, talk(served) as wire:
        assert said(wire, "about")["gallery"] is False
        for kind, rest in {"gallery": {}, "choose": {"group": "rules", "name": "life"}}.items():
            send(wire, kind, **rest)
            assert "has no gallery" in said(wire, "fault")["what"]


def test_pictures_need_the_token_the_host_and_a_name(gallery):
    with serving(None, gallery=gallery) as served, httpx.Client(trust_env=False) as client:
        auth = served.server.auth
        address = f"http://127.0.0.1:{auth.port}/picture"
        life = {"group": "rules", "name": "life"}
        given = {**life, "token": auth.token}
        assert client.get(address, params=life).status_code == 403
        assert client.get(address, params={**life, "token": "wrong"}).status_code == 403
        foreign = {"host": f"evil.example:{auth.port}"}
        assert client.get(address, params=given, headers=foreign).status_code == 403
        assert client.get(address, params={"token": auth.token}).status_code == 404
        bad = client.get(address, params={**given, "name": "../../etc/passwd"})
        assert bad.status_code == 400
        assert "the gallery has no" in bad.json()["what"]
        found = client.get(address, params=given)
        assert (found.status_code, found.content[:4]) == (200, b"\x89PNG")
        assert found.headers["x-content-type-options"] == "nosniff"
        with pytest.raises((InvalidStatus, ConnectionClosed)):
            talk(served, token="wrong").recv(timeout=60)
        served.hub.end()
        gone = client.get(address, params={**given, "name": "lenia"})
        assert (gone.status_code, "was stopped" in gone.json()["what"]) == (503, True)


def test_loading_is_stopped_by_the_page(monkeypatch):
    from nca.play.work import ask

    def forever(name: str) -> PlayedModel:
        while True:
            ask()

    with serving(None, gallery=PlayGallery(forever)) as served, talk(served) as wire:
        said(wire, "gallery")
        send(wire, "choose", group="rules", name="life")
        until(lambda: served.hub._job is not None)
        send(wire, "stop")
        assert said(wire, "notice")["text"] == "Stopped."
        assert served.hub.idle

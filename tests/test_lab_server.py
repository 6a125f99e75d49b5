"""The server lets in its own page alone, and never queues a frame."""

import json

import httpx
import pytest
import torch
from served import Served, serving, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from nca.lab import Session, Subject


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject.load("life", torch.device("cpu"), size=(16, 16))


@pytest.fixture
def served(subject):
    with serving(Session(subject, random_seed=1)) as served:
        yield served


def talk(served: Served, token: str = "", origin: str | None = None, **more) -> ClientConnection:
    gate = served.server.gate
    address = f"ws://127.0.0.1:{gate.port}/talk?token={token or gate.token}"
    return connect(address, origin=origin, proxy=None, **more)


def get(served: Served, path: str, **more) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(f"http://127.0.0.1:{served.server.gate.port}{path}", **more)


def said(wire: ClientConnection, kind: str) -> dict:
    """Return the next words of a kind; frames between are passed over."""
    while True:
        data = wire.recv(timeout=10)
        if isinstance(data, str) and json.loads(data)["type"] == kind:
            return json.loads(data)


def send(wire: ClientConnection, kind: str, **rest: object) -> None:
    wire.send(json.dumps({"type": kind, **rest}))


def test_only_the_token_opens_the_page(served):
    assert get(served, "/").status_code == 403
    assert get(served, "/?token=wrong").status_code == 403
    found = httpx.get(served.address, trust_env=False)
    assert found.status_code == 200
    assert "default-src 'self'" in found.headers["content-security-policy"]
    assert get(served, "/take/history.json").status_code == 403
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        talk(served, token="wrong").recv(timeout=5)


def test_a_foreign_page_and_a_foreign_name_are_refused(served):
    gate = served.server.gate
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        talk(served, origin="http://evil.example").recv(timeout=5)
    token = {"token": gate.token}
    foreign = {"host": f"evil.example:{gate.port}"}
    assert get(served, "/", params=token, headers=foreign).status_code == 403
    assert get(served, "/page/app.js", headers=foreign).status_code == 404
    with talk(served, origin=f"http://127.0.0.1:{gate.port}") as wire:
        assert said(wire, "about")["size"] == [16, 16]


def test_files_beside_the_page_are_out_of_reach(served):
    assert get(served, "/page/app.js").status_code == 200
    for path in ("/page/..%2fserver.py", "/page/../server.py", "/page/server.py", "/etc/passwd"):
        assert get(served, path).status_code == 404


def test_a_frame_comes_only_after_the_one_before_is_acknowledged(served):
    with talk(served) as wire:
        said(wire, "about")
        assert isinstance(wire.recv(timeout=5), bytes)
        send(wire, "speed", value=None)
        send(wire, "play", on=True)
        until(lambda: served.session.step > 20)
        with pytest.raises(TimeoutError):
            wire.recv(timeout=0.3)
        send(wire, "ack")
        data = wire.recv(timeout=5)
        length = int.from_bytes(data[:4], "little")
        assert json.loads(data[4 : 4 + length])["step"] > 20, "what is sent is what is now"


def test_time_stands_still_when_the_last_page_is_closed(served):
    with talk(served) as wire, talk(served) as other:
        for each in (wire, other):
            said(each, "about")
        send(wire, "play", on=True)
        until(lambda: served.session.step > 2)
        other.close()
        until(lambda: len(served.lab.guests) == 1)
        step = served.session.step
        until(lambda: served.session.step > step)
    until(lambda: not served.lab.guests)
    assert not served.lab.playing


def test_nonsense_is_answered_and_changes_nothing(served):
    with talk(served) as wire:
        said(wire, "about")
        for text in ("", "[]", '{"type": "__init__"}', '{"type": "go", "step": "x"}', "[" * 5000):
            wire.send(text)
            assert "makes no sense" in said(wire, "fault")["what"]
        send(wire, "act", event={"kind": "erase", "radius": -1, "points": []})
        assert "has a fault" in said(wire, "fault")["what"]
        send(wire, "look", look={"view": "nothing"})
        wire.send('{"type": "ack"}')
        assert "no view" in said(wire, "fault")["what"]
        assert served.session.step == 0


def test_what_is_taken_away_can_be_brought_back(served):
    with talk(served) as wire:
        said(wire, "about")
        send(wire, "step", count=5)
        send(wire, "act", event={"kind": "damage"})
        until(lambda: bool(served.session.here.branch.events))
        token = {"token": served.server.gate.token}
        saved = get(served, "/take/history.json", params=token)
        assert 'filename="life.json"' in saved.headers["content-disposition"]
        send(wire, "reset", random_seed="new")
        send(wire, "load", history=saved.text)
        until(lambda: served.session.save() == saved.text)
        assert served.session.history.branches[0].length == 5
        wished = {**token, "first": 0, "last": 3}
        assert get(served, "/take/film.gif", params=wished).content[:4] == b"GIF8"
        bad = get(served, "/take/film.gif", params={**wished, "last": "x"})
        assert bad.status_code == 400

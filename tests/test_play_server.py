"""The server lets in its own page alone, and never queues a frame."""

import json
import threading

import httpx
import pytest
import torch
from served import Served, serving, until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from nca.play import PlayedModel, PlayStart, Session
from nca.play.views import VIEWS, ViewKind


@pytest.fixture(scope="module")
def model() -> PlayedModel:
    return PlayedModel.load("life", torch.device("cpu"), size=(16, 16))


@pytest.fixture
def served(model):
    with serving(Session(model, random_seed=1)) as served:
        yield served


def talk(served: Served, token: str = "", origin: str | None = None, **more) -> ClientConnection:
    auth = served.server.auth
    address = f"ws://127.0.0.1:{auth.port}/talk?token={token or auth.token}"
    return connect(address, origin=origin, proxy=None, **more)


def get(served: Served, path: str, **more) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(f"http://127.0.0.1:{served.server.auth.port}{path}", **more)


def said(wire: ClientConnection, kind: str) -> dict:
    """Return the next words of a kind; frames between are passed over."""
    while True:
        data = wire.recv(timeout=60)
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
        talk(served, token="wrong").recv(timeout=60)


def test_a_foreign_page_and_a_foreign_name_are_refused(served):
    auth = served.server.auth
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        talk(served, origin="http://evil.example").recv(timeout=60)
    token = {"token": auth.token}
    foreign = {"host": f"evil.example:{auth.port}"}
    assert get(served, "/", params=token, headers=foreign).status_code == 403
    assert get(served, "/page/app.js", headers=foreign).status_code == 404
    with talk(served, origin=f"http://127.0.0.1:{auth.port}") as wire:
        assert said(wire, "about")["size"] == [16, 16]


def test_files_beside_the_page_are_out_of_reach(served):
    assert get(served, "/page/app.js").status_code == 200
    for path in ("/page/..%2fserver.py", "/page/../server.py", "/page/server.py", "/etc/passwd"):
        assert get(served, path).status_code == 404


def silent(wire) -> None:
    """Take words until nothing more comes; a frame is an error."""
    while True:
        assert isinstance(wire.recv(timeout=0.3), str), "no frame"


def test_a_frame_comes_only_after_the_one_before_is_acknowledged(served):
    with talk(served) as wire:
        said(wire, "about")
        while isinstance(wire.recv(timeout=30), str):
            pass
        send(wire, "speed", value=None)
        send(wire, "play", on=True)
        until(lambda: served.session.step > 20)
        with pytest.raises(TimeoutError):
            silent(wire)
        send(wire, "ack")
        while isinstance(data := wire.recv(timeout=30), str):
            pass
        length = int.from_bytes(data[:4], "little")
        assert json.loads(data[4 : 4 + length])["step"] > 20, "what is sent is what is now"


def test_time_stands_still_when_the_last_page_is_closed(served):
    with talk(served) as wire, talk(served) as other:
        for each in (wire, other):
            said(each, "about")
        send(wire, "play", on=True)
        until(lambda: served.session.step > 2)
        other.close()
        until(lambda: len(served.hub.clients) == 1)
        step = served.session.step
        until(lambda: served.session.step > step)
    until(lambda: not served.hub.clients)
    assert not served.hub.playing


def test_nonsense_is_answered_and_changes_nothing(served):
    with talk(served) as wire:
        said(wire, "about")
        for text in ("", "[]", '{"type": "__init__"}', '{"type": "go", "step": "x"}', "[" * 5000):
            wire.send(text)
            assert "cannot be read" in said(wire, "fault")["what"]
        send(wire, "act", event={"kind": "erase", "radius": -1, "points": []})
        assert "has a fault" in said(wire, "fault")["what"]
        send(wire, "look", look={"view": "nothing"})
        wire.send('{"type": "ack"}')
        assert "no view" in said(wire, "fault")["what"]
        assert served.session.step == 0


DEEP = 5000
MALFORMED = {
    "no JSON": "",
    "a list": "[]",
    "a number": "5",
    "null": "null",
    "no type": "{}",
    "a list as type": '{"type": []}',
    "an unknown type": '{"type": "__init__"}',
    "a key too many": '{"type": "ack", "more": 1}',
    "a key too few": '{"type": "play"}',
    "a word for a number": '{"type": "go", "step": "x"}',
    "a step below zero": '{"type": "go", "step": -1}',
    "too many steps": '{"type": "step", "count": 1001}',
    "a speed of a hundred digits": f'{{"type": "speed", "value": {"9" * 100}}}',
    "a speed of four hundred digits": f'{{"type": "speed", "value": {"9" * 400}}}',
    "a speed of five thousand digits": f'{{"type": "speed", "value": {"9" * 5000}}}',
    "a speed that is no number": '{"type": "speed", "value": NaN}',
    "an infinite random seed": '{"type": "reset", "random_seed": 1e999}',
    "a random seed that is too large": f'{{"type": "reset", "random_seed": {2**63}}}',
    "an infinite sample": '{"type": "reset", "start": {"kind": "noise", "sample": 1e999}}',
    "a list as start": '{"type": "reset", "start": {"kind": []}}',
    "a branch below zero": '{"type": "show", "branch": -1}',
    "a number as name": '{"type": "rename", "branch": 0, "name": 1}',
    "half a character": '{"type": "rename", "branch": 0, "name": "\\ud800"}',
    "a look without bounds": '{"type": "look", "look": {"threshold": NaN}}',
    "a table as history": '{"type": "load", "history": {}}',
    "an event that is a list": '{"type": "act", "event": []}',
    "deep lists": "[" * DEEP,
    "deep tables": '{"type": "act", "event": ' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
    "bytes": b'{"type": "ack"}',
    "many bytes": b"\xff" * 1000,
}


def test_what_is_malformed_is_refused_in_words_and_the_connection_goes_on(served, caplog):
    with talk(served) as wire:
        said(wire, "about")
        for name, message in MALFORMED.items():
            wire.send(message)
            told = said(wire, "fault")
            assert "cannot be read: " in told["what"], name
            assert len(told["what"] + told["where"]) < 500, name
        send(wire, "step", count=2)
        until(lambda: served.session.step == 2)
    assert len(served.session.history.branches) == 1
    assert served.hub.speed == 10.0
    assert not caplog.records, "none of it is a bug of ours"


def test_an_event_that_cannot_be_done_is_no_bug_of_ours(caplog):
    digits = Session(PlayedModel.load("self_classifying_mnist_small", torch.device("cpu")))
    stroke = {"radius": 1.0, "points": [[5.5, 14.5], [22.5]]}
    with serving(digits) as served, talk(served) as wire:
        said(wire, "about")
        for event, words in {
            "ink": {"kind": "ink", "value": 1.0, **stroke},
            "plant": {"kind": "plant", "points": stroke["points"]},
            "erase": {"kind": "erase", **stroke},
        }.items():
            send(wire, "act", event=words)
            assert "a point has 1 numbers" in said(wire, "fault")["what"], event
        huge = {"kind": "erase", "radius": 1e999, "points": [[1.0, 1.0]]}
        send(wire, "act", event=huge)
        assert "has a fault" in said(wire, "fault")["what"]
    assert not caplog.records


@pytest.mark.parametrize("kind", [KeyError, TypeError, ValueError, ZeroDivisionError])
def test_a_bug_in_a_handler_reaches_log_and_page_and_all_goes_on(served, caplog, monkeypatch, kind):
    def broken(*_):
        raise kind("our own")

    with talk(served) as wire:
        said(wire, "about")
        monkeypatch.setattr(served.session, "act", broken)
        send(wire, "act", event={"kind": "damage"})
        told = said(wire, "fault")
        assert "a bug of its own" in told["what"]
        assert told["where"].startswith(f"{kind.__name__}: ")
        (record,) = caplog.records
        assert (record.levelname, record.exc_info[0]) == ("ERROR", kind)
        assert "in broken" in caplog.text
        send(wire, "step", count=2)
        until(lambda: served.session.step == 2)


def test_a_bug_in_a_view_reaches_log_and_page_and_the_next_view_is_shown(
    served, caplog, monkeypatch
):
    def broken(_):
        return [][0]

    monkeypatch.setitem(VIEWS, "broken", ViewKind("broken", broken))
    with talk(served) as wire:
        said(wire, "about")
        send(wire, "ack")
        send(wire, "look", look={"view": "broken"})
        assert said(wire, "fault")["where"].startswith("IndexError: ")
        assert "in broken" in caplog.text
        send(wire, "speed", value=None)
        send(wire, "play", on=True)
        until(lambda: served.session.step > 20)
        assert len(caplog.records) == 1, "the same again is not reported at every step"
        send(wire, "look", look={"view": "levels"})
        until(lambda: isinstance(wire.recv(timeout=60), bytes))


def test_a_bug_as_time_passes_is_reported_and_time_stands_still(served, caplog, monkeypatch):
    with talk(served) as wire:
        said(wire, "about")
        with monkeypatch.context() as patch:
            patch.setattr(served.session, "advance", lambda *_: 1 / 0)
            send(wire, "play", on=True)
            assert said(wire, "fault")["where"].startswith("ZeroDivisionError: ")
            until(lambda: not served.hub.playing)
        assert "1 / 0" in caplog.text
        send(wire, "play", on=True)
        until(lambda: served.session.step > 2)


def test_a_bug_in_what_a_page_must_know_does_not_end_the_connection(served, caplog, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("nca.play.protocol.about", lambda _: 1 / 0)
        with talk(served) as wire:
            assert said(wire, "fault")["where"].startswith("ZeroDivisionError: ")
            patch.undo()
            send(wire, "about")
            assert said(wire, "about")["name"] == "life"
    assert "1 / 0" in caplog.text


def test_what_cannot_be_taken_away_is_refused_in_words(served, caplog):
    token = {"token": served.server.auth.token}
    for wrong in (
        {"rate": 1e-9},
        {"rate": "nan"},
        {"rate": 61},
        {"last": "x"},
        {"last": 10**400},
        {"first": 3, "last": 2},
        {"every": 0},
        {"view": "nothing"},
        {"more": 1},
    ):
        refused = get(served, "/take/film.gif", params={**token, "first": 0, "last": 1, **wrong})
        assert refused.status_code == 400, wrong
        assert refused.json()["what"], wrong
    assert get(served, "/take/film.avi", params={**token, "first": 0, "last": 1}).status_code == 400
    assert not caplog.records


QUERIES = [
    "",
    "first=0",
    "first=0&last=1&first=2",
    "first=&last=",
    "first=0&last=1&rate=1e999",
    "first=0&last=1&rate=-inf",
    "first=0&last=1&rate=",
    "first=0.5&last=1",
    "first=0&last=1&every=1e9",
    "first=0&last=10000001",
    "first=0&last=9999999",
    "first=0&last=1&channel=-1",
    "first=0&last=1&threshold=nan",
    "first=0&last=1&level=nowhere&view=components",
    "first=0&last=1&%ff=%ff",
    "first=%00&last=1",
    "first=0&last=1&view=" + "x" * 5000,
    "first=" + "9" * 5000 + "&last=1",
]
"""What is asked of a film, and makes none."""


@pytest.mark.parametrize("name", ["film.gif", "film.png", "film.mp4", "nothing", "%00", "..."])
def test_an_address_with_anything_in_it_is_refused_in_words(served, caplog, name):
    token = served.server.auth.token
    for query in QUERIES:
        refused = get(served, f"/take/{name}?token={token}&{query}")
        assert refused.status_code == 400, (query, refused.text)
        fault = refused.json()
        assert fault["what"].endswith("."), query
        assert fault["where"], query
        assert fault["to_do"], query
        assert len(refused.text) < 1000, query
        assert not caplog.records, query


@pytest.mark.parametrize("path", ["/nothing", "/page/", "/take/", "/take/a/b", "/talk", "/%00"])
def test_what_is_not_there_is_said(served, path):
    refused = get(served, path)
    assert 400 <= refused.status_code < 500
    assert len(refused.text.split()) > 4
    assert refused.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_another_method_is_refused_in_words(served, method):
    with httpx.Client(trust_env=False) as client:
        refused = client.request(method, served.address)
    assert refused.status_code == 405
    assert method in refused.text


def test_a_page_stops_what_takes_long_and_the_session_goes_on(served):
    with talk(served) as wire:
        said(wire, "about")
        send(wire, "step", count=1000)
        send(wire, "step", count=1000)
        until(lambda: served.session.step > 5)
        send(wire, "stop")
        assert said(wire, "notice")["text"] == "Stopped."
        send(wire, "reset")
        until(lambda: served.session.step == 0)


def test_work_is_stopped_when_the_page_that_asked_for_it_has_gone(served, monkeypatch):
    advance = served.session.advance
    ended = threading.Event()

    def forever(*_: object) -> int:
        try:
            while True:
                advance(1)
        finally:
            ended.set()

    monkeypatch.setattr(served.session, "advance", forever)
    with talk(served) as wire:
        said(wire, "about")
        send(wire, "step", count=1)
        until(lambda: served.session.step > 5)
    assert ended.wait(30)


def test_long_work_is_said_to_the_page_and_so_is_its_end(served, monkeypatch):
    monkeypatch.setattr("nca.play.hub.LONG", 0.1)
    release = threading.Event()
    monkeypatch.setattr(served.session, "advance", lambda *_: release.wait(30))
    with talk(served) as wire:
        said(wire, "about")
        send(wire, "step", count=1)
        assert said(wire, "busy")["job"]["done"] == 0
        release.set()
        while said(wire, "busy")["job"]:
            pass


def test_a_slow_film_of_a_picture_that_stands_still_is_no_bug(served, caplog):
    wished = {"token": served.server.auth.token, "first": 0, "last": 99, "rate": 0.1}
    served.session.reset(start=PlayStart("empty"))
    refused = get(served, "/take/film.gif", params=wished, timeout=60)
    assert refused.status_code == 400
    assert "a GIF cannot show one picture for 1,000 seconds" in refused.json()["what"]
    assert get(served, "/take/film.png", params=wished, timeout=60).status_code == 200
    assert not caplog.records


def test_a_film_says_what_it_leaves_out(served):
    wished = {"token": served.server.auth.token, "first": 0, "last": 9}
    fast = get(served, "/take/film.gif", params={**wished, "rate": 60})
    assert "at most 50 frames per second of a GIF" in fast.headers["x-notice"]
    assert not get(served, "/take/film.gif", params={**wished, "rate": 50}).headers["x-notice"]


def test_a_bug_in_a_film_reaches_log_and_page(served, caplog, monkeypatch):
    wished = {"token": served.server.auth.token, "first": 0, "last": 1}
    with monkeypatch.context() as patch:
        patch.setattr("nca.play.recording.encode", lambda *_: {}["our own"])
        failed = get(served, "/take/film.gif", params=wished)
    assert failed.status_code == 500
    assert "a bug of its own" in failed.json()["what"]
    assert "KeyError: 'our own'" in caplog.text
    assert get(served, "/take/film.gif", params=wished).status_code == 200


def test_what_is_taken_away_can_be_brought_back(served):
    with talk(served) as wire:
        said(wire, "about")
        send(wire, "step", count=5)
        send(wire, "act", event={"kind": "damage"})
        until(lambda: bool(served.session.here.branch.events))
        token = {"token": served.server.auth.token}
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


def test_an_automaton_that_does_not_hold_pauses_at_the_last_evaluated_step_and_says_so(fading):
    model = PlayedModel.load(fading, torch.device("cpu"))
    assert model.pause is not None
    session = Session(model)
    with serving(session) as served, talk(served) as wire:
        about = said(wire, "about")
        assert about["pause"]["measured"] == 40
        assert about["pause"]["why"].startswith("It does not hold")
        assert about["input_change"] == "begin anew"
        send(wire, "speed", value=None)
        send(wire, "play", on=True)
        text = "Paused: trained for 10 steps; measured to 40: press play to go on."
        assert said(wire, "notice")["text"] == text
        assert (session.step, served.hub.playing) == (40, False)
        stroke = {"kind": "ink", "value": 1.0, "radius": 1.0, "points": [[5.5, 14.5]]}
        send(wire, "act", event=stroke)  # all begins anew, so time goes on, to the same step
        assert said(wire, "notice")["text"] == text
        assert (session.step, session.here.snapshot.state.step) == (80, 40)
        send(wire, "play", on=True)
        until(lambda: session.here.snapshot.state.step > 45)  # a person may go on


def test_an_automaton_that_holds_is_never_paused(served, model):
    with talk(served) as wire:
        assert said(wire, "about")["pause"] is None
        assert model.pause is None

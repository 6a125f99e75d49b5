"""The live page from Python: in a notebook's cell, behind a forwarded port, behind a proxy."""

import httpx
import pytest
import torch
from browser import page  # noqa: F401, a fixture
from served import until

import nca
from nca.model import playing as frames
from nca.model.playing import Playing
from nca.play.model import PlayedModel


@pytest.fixture(scope="module")
def playing():
    model = nca.load("growing", device="cpu", overrides={"grid.size": [48, 48]})
    playing = model.play()
    yield playing
    playing.stop()
    assert repr(playing) == "Playing(ended)"


def asked(playing: Playing, host: str, **headers: str) -> httpx.Response:
    return httpx.get(playing.address, headers={"host": host, **headers}, trust_env=False)


def test_a_frame_in_a_page_shows_it_living(playing, page):  # noqa: F811
    page.set_content(f"<!doctype html><body>{playing._repr_html_()}</body>")
    (frame,) = page.frames[1:]
    frame.wait_for_selector("canvas")
    session = playing._server._hub.session
    until(lambda: session.step > 5)
    assert "growing" in frame.locator("body").inner_text()


def test_what_is_played_is_a_copy(playing):
    assert playing._server._hub.session.model.automaton.layout is not None
    model = nca.load("growing", device="cpu")
    played = model.play()
    try:
        own = played._server._hub.session.model.automaton
        assert own is not model.automaton
        model.automaton.rules_of("body")[0].angle = 1.0
        assert own.rules_of("body")[0].angle == 0.0
    finally:
        played.stop()


def test_a_forwarded_port_is_answered_with_the_token(playing):
    for host in ("localhost:9000", "127.0.0.1:1", "[::1]:9000"):
        assert asked(playing, host, origin=f"http://{host}").status_code == 200
    assert asked(playing, "localhost:9000", origin="http://localhost:9001").status_code == 403
    answer = httpx.get(playing.address.split("?")[0], headers={"host": "localhost:9000"})
    assert answer.status_code == 403
    assert "with its token" in answer.text


def test_another_name_is_refused_with_what_to_do(playing):
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "["):
        answer = asked(playing, host)
        assert answer.status_code == 403
        assert "nca play ... --allow-host NAME" in answer.text


def test_a_proxy_that_was_named_is_answered_from_its_own_origin(monkeypatch):
    model = nca.load("growing", device="cpu")
    played = model.play(hosts=["hub.example"])
    try:
        assert asked(played, "hub.example", origin="https://hub.example").status_code == 200
        assert asked(played, "localhost:1", origin="https://hub.example").status_code == 200
        assert asked(played, "hub.example", origin="https://evil.example").status_code == 403
        assert asked(played, "other.example").status_code == 403
    finally:
        played.stop()
    monkeypatch.setenv(frames.REMOTE[0], "/user/one/")
    played = model.play()
    try:
        assert asked(played, "any.example", origin="https://any.example").status_code == 200
        assert asked(played, "any.example", origin="https://evil.example").status_code == 403
    finally:
        played.stop()


def test_pages_of_the_command_line_cannot_be_framed(playing):
    from nca.play.auth import Auth

    assert "frame-ancestors" not in asked(playing, "localhost").headers["content-security-policy"]
    assert "frame-ancestors 'none'" in Auth("127.0.0.1", 1).headers["Content-Security-Policy"]


def test_what_serves_pages_is_asked_for_in_a_sentence(monkeypatch):
    monkeypatch.setattr("nca.play.extra.find_spec", lambda name: None)
    with pytest.raises(nca.NCAError, match="needs starlette, uvicorn, websockets") as refused:
        nca.load("growing", device="cpu").play()
    assert refused.value.to_do == 'pip install "nca[play]"'


def test_what_does_not_hold_pauses_as_on_the_command_line():
    played = nca.load("growing_once", device="cpu").play()
    try:
        found = played._server._hub.session.model.pause
        own = PlayedModel.load("growing_once", torch.device("cpu")).pause
        assert found is not None
        assert found == own
    finally:
        played.stop()

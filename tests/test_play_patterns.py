"""Patterns: laid on the grid where a person wants them, refused in words, and saved from it."""

import json
from dataclasses import replace

import httpx
import pytest
import torch
from drawn_patterns import GLIDER, Lines, with_patterns
from served import serving, until
from websockets.sync.client import connect

from nca.errors import NCAError, PluginError, ShapeError
from nca.play import Session, parse_event
from nca.play.events import MOST_PATTERN
from nca.tasks.no_task import NoTask

BLINK = {"kind": "pattern", "text": "OOO", "point": [3.5, 3.5]}


def cells(session: Session) -> set[tuple[int, int]]:
    """Return where cells are alive."""
    return {tuple(at) for at in session.here.snapshot.state["cells"][0, 0].nonzero().tolist()}


def test_a_pattern_is_laid_with_its_middle_on_a_cell_and_replayed():
    session = Session(with_patterns())
    session.act(BLINK)
    assert cells(session) == {(3, 2), (3, 3), (3, 4)}
    session.advance(1)
    assert cells(session) == {(2, 3), (3, 3), (4, 3)}
    again = Session(session.model)
    again.load(session.save())
    again.go(1)
    assert again.here.snapshot.state == session.here.snapshot.state
    assert session.model.task.reads == 1, "a text is read once, however often it is replayed"


def test_what_lies_in_the_box_is_replaced_and_all_else_stays():
    session = Session(with_patterns())
    session.act({**BLINK, "text": "OOO\nOOO\nOOO"})
    session.act({**BLINK, "text": ".O."})
    assert cells(session) == {(2, 2), (2, 3), (2, 4), (3, 3), (4, 2), (4, 3), (4, 4)}


def test_on_a_torus_it_reaches_over_the_edge_and_elsewhere_it_is_cut():
    session = Session(with_patterns())
    session.act({**BLINK, "point": [0.5, 0.5]})
    assert cells(session) == {(0, 7), (0, 0), (0, 1)}
    session.reset()
    session.act({"kind": "turn", "knob": "topology", "value": "zeros"})
    session.act({**BLINK, "point": [0.5, 0.5]})
    assert cells(session) == {(0, 0), (0, 1)}
    session.act({**BLINK, "point": [1e4, -1e4]})
    assert cells(session) == {(0, 0), (0, 1)}


def test_what_is_saved_can_be_laid_again():
    session = Session(with_patterns())
    session.act({**BLINK, "text": GLIDER})
    session.advance(2)
    text, alive = session.pattern(), cells(session)
    session.reset()
    session.act({"kind": "pattern", "text": text, "point": [4.5, 4.5]})
    assert cells(session) == alive


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"text": "hello"}, "this is no pattern"),
        ({"text": "O" * 9}, "the pattern has 1x9 cells"),
        ({"text": ""}, "has a fault"),
        ({"text": 3}, "has a fault"),
        ({"point": [1.0]}, "a point has 1 numbers"),
        ({"point": [1.0, float("nan")]}, "has a fault"),
        ({"point": [1e5, 0.0]}, "has a fault"),
        ({"level": "cells"}, "has a fault"),
    ],
)
def test_what_is_no_pattern_is_refused_in_words_and_not_kept(changed, words):
    session = Session(with_patterns())
    with pytest.raises(NCAError, match=words):
        session.act({**BLINK, **changed})
    assert not cells(session)
    assert not session.here.branch.events


def test_a_text_that_is_too_long_is_refused_before_it_is_read():
    model = with_patterns()
    with pytest.raises(NCAError, match="has a fault"):
        parse_event({**BLINK, "step": 0, "text": "." * (MOST_PATTERN + 1)})
    session = Session(model)
    long = ".\n" * 200_000
    event = parse_event({**BLINK, "step": 0, "text": long})
    assert event.pixels > 1_000_000, "a history is bounded in what there is to read"
    with pytest.raises(NCAError, match="the pattern has 200000x1 cells"):
        session.act({**BLINK, "text": long})


def test_where_no_task_has_patterns_it_is_said():
    alone = Session(replace(with_patterns(), task=None))
    without = Session(
        with_patterns(
            task=type("Bare", (NoTask,), {"evaluation_batches": Lines.evaluation_batches})
        )
    )
    for session in (alone, without):
        assert not session.model.has_patterns
        for ask in (lambda s=session: s.act(BLINK), session.pattern):
            with pytest.raises(ShapeError, match="nothing here takes or gives patterns"):
                ask()
    with pytest.raises(ShapeError, match="Bare reads and writes none"):
        without.model.task.read_pattern("O")


@pytest.mark.parametrize(
    "answer", [None, torch.ones(3, 3), torch.ones(2, 3, 3), torch.ones(1, 0, 3), "O"]
)
def test_a_task_that_answers_with_no_pattern_is_at_fault(answer):
    class Wrong(Lines):
        def read_pattern(self, text):
            return answer

        def write_pattern(self, state):
            return b"O"

    session = Session(with_patterns(task=Wrong))
    with pytest.raises(PluginError, match=r"Wrong\.read_pattern returns"):
        session.act(BLINK)
    with pytest.raises(PluginError, match=r"Wrong\.write_pattern returns"):
        session.pattern()


def test_a_page_lays_a_pattern_and_takes_one_away():
    with serving(Session(with_patterns())) as served:
        auth = served.server.auth
        address = f"127.0.0.1:{auth.port}"
        with connect(f"ws://{address}/talk?token={auth.token}", proxy=None) as wire:
            about = json.loads(wire.recv(timeout=60))
            assert about["patterns"] is True
            wire.send(json.dumps({"type": "act", "event": BLINK}))
            until(lambda: len(cells(served.session)) == 3)
        with httpx.Client(trust_env=False) as client:
            url = f"http://{address}/take/pattern.rle"
            assert client.get(url).status_code == 403
            found = client.get(url, params={"token": auth.token})
            assert found.text == served.session.pattern()
            assert 'filename="life.rle"' in found.headers["content-disposition"]
            assert found.headers["content-type"].startswith("text/plain")

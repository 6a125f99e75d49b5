"""Whatever a page sends is answered in words; no message ends its connection."""

import asyncio
import copy
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from nca.play import PlayedModel, Session
from nca.play.events import KINDS
from nca.play.hub import Client, Hub
from nca.play.protocol import Act, Known, Load, read_message, respond

MESSAGES = get_args(Known)
JUNK = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "minus one": "-1",
    "half": "0.5",
    "minus zero": "-0.0",
    "not a number": "NaN",
    "infinite": "1e999",
    "minus infinite": "-Infinity",
    "two to the 63rd": str(2**63),
    "four thousand digits": "9" * 4000,
    "five thousand digits": "9" * 5000,
    "tiny": "1e-320",
    "empty text": '""',
    "text": '"x"',
    "long text": json.dumps("x" * 10_000),
    "half a character": '"\\ud800"',
    "a null character": '"\\u0000"',
    "markup": '"<script>"',
    "empty list": "[]",
    "empty table": "{}",
    "lists in lists": "[" * 300 + "]" * 300,
    "lists without end": "[" * 5000,
    "tables in tables": '{"a":' * 300 + "1" + "}" * 300,
    "a list of everything": '[null, true, 1, "x", [], {}]',
    "a key twice": '{"a": 1, "a": 2}',
    "nothing at all": "",
}
HOLE = "\N{WHITE SQUARE}"


class Wire:
    """Keeps the messages that are sent to a page."""

    def __init__(self) -> None:
        self.said: list[dict] = []

    async def send_bytes(self, data: bytes) -> None:
        """Frames do not matter here."""

    async def send_text(self, data: str) -> None:
        """Keep one."""
        self.said.append(json.loads(data))


@pytest.fixture(scope="module")
def model() -> PlayedModel:
    return PlayedModel.load("life", torch.device("cpu"), size=(8, 8))


def answered(model: PlayedModel, *texts: str | None) -> list[list[dict]]:
    """Return what a page is answered to each of its messages."""

    async def talk() -> list[list[dict]]:
        hub, answers = Hub(Session(model)), []
        wire = Wire()
        client = Client(wire)
        hub.clients.append(client)
        for text in texts:
            wire.said = []
            await respond(hub, client, text)
            answers.append(wire.said)
        hub.close()
        return answers

    with ThreadPoolExecutor(1) as thread:  # another test's browser may have a loop in this one
        return thread.submit(asyncio.run, talk()).result()


def fields(kind: type[BaseModel]) -> st.SearchStrategy[dict]:
    """The fields of a message or an event, each within its own bounds."""
    drawn = {n: st.from_type(f.rebuild_annotation()) for n, f in kind.model_fields.items()}
    return st.fixed_dictionaries(drawn).map(
        lambda given: to_jsonable_python(given, inf_nan_mode="constants")
    )


def messages(kind: type[BaseModel]) -> st.SearchStrategy[dict]:
    """Messages of a kind, most of them well formed."""
    if kind is Act:  # an event without its step
        events = st.one_of(*(fields(each) for each in KINDS.values()))
        return events.map(lambda event: {"type": "act", "event": without(event, "step")})
    if kind is Load:
        return st.just({"type": "load", "history": "{}"})
    return fields(kind)


def without(table: dict, name: str) -> dict:
    """Return a table without one of its keys."""
    return {key: value for key, value in table.items() if key != name}


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of all that is in a message, and of itself."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value[:2]) if isinstance(value, list) else items
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(message: dict, path: tuple, text: str) -> str:
    """Return a message as text, with another text in some place of it."""
    if not path:
        return text
    changed = copy.deepcopy(message)
    *above, last = path
    held = changed
    for key in above:
        held = held[key]
    held[last] = HOLE
    return json.dumps(changed, ensure_ascii=False).replace(
        json.dumps(HOLE, ensure_ascii=False), text
    )


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=5)
def test_a_message_with_anything_in_any_place_is_answered(model, kind, data):
    message = data.draw(messages(kind).filter(lambda m: m.get("count", 0) < 50))
    texts = [replaced(message, path, text) for path in places(message) for text in JUNK.values()]
    answers = answered(model, json.dumps(message), *texts)
    for text, said in zip([json.dumps(message), *texts], answers, strict=True):
        faults = [each for each in said if each["type"] == "fault"]
        assert not [each for each in faults if "a bug of its own" in each["what"]], text
        assert all(each["what"] and each["where"] and each["to_do"] for each in faults), text


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_every_field_refuses_every_wrong_kind_of_value(kind):
    wrong = ("not a number", "infinite", "five thousand digits", "lists without end", "a key twice")
    wanted = {"type": next(iter(get_args(kind.model_fields["type"].annotation)))}
    for name in kind.model_fields:
        for word in wrong:
            text = replaced({**wanted, name: None}, (name,), JUNK[word])
            with pytest.raises(Exception, match="cannot be read") as fault:
                read_message(text)
            assert type(fault.value).__name__ == "NCAError", (name, word)


@pytest.mark.parametrize("text", [None, "", "{", '{"type": "ack", "type": "ack"}', "x" * 10**7])
def test_what_is_no_message_is_refused(model, text):
    ((said,),) = answered(model, text)
    assert "cannot be read" in said["what"]
    assert len(json.dumps(said)) < 1000


def test_bounds_of_the_protocol_are_where_it_says():
    assert read_message('{"type": "speed", "value": 0.1}').model_dump()["value"] == pytest.approx(
        0.1
    )
    for value in (0.0999, 10_001, math.pi * 1e300):
        with pytest.raises(Exception, match="cannot be read"):
            read_message(json.dumps({"type": "speed", "value": value}))

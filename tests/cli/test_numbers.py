"""Every number on the command line has a least and a greatest value, and nothing else is one."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from nca.cli import app


def options(typed: Any, verb: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each verb with what it says of each of its options that takes a number."""
    for command in typed.registered_commands:
        hints = get_type_hints(command.callback, include_extras=True)
        for hint in hints.values():
            if get_origin(hint) is Annotated:
                kind, option = get_args(hint)
                if re.search(r"\b(int|float)\b", str(kind)):
                    yield f"{verb} {command.name}".strip(), option
    for group in typed.registered_groups:
        yield from options(group.typer_instance, group.name)


def name_of(option: Any) -> str:
    return next(iter(option.param_decls), option.default)


NUMBERS = dict.fromkeys((verb, name_of(o), o.min, o.max) for verb, o in options(app))
NAMES = [f"{verb} {name}" for verb, name, *_ in NUMBERS]


@pytest.mark.parametrize(("verb", "name", "least", "most"), NUMBERS, ids=NAMES)
def test_a_number_has_bounds(verb, name, least, most):
    assert None not in (least, most)


def test_numbers_of_all_verbs_are_found():
    assert len(NUMBERS) > 30
    assert {verb for verb, *_ in NUMBERS} >= {"render", "sweep", "bench", "stream", "play"}


@pytest.mark.parametrize("text", ["nan", "inf", "-1e9", "9223372036854775808", "1" * 400])
@pytest.mark.parametrize(("verb", "name"), [row[:2] for row in NUMBERS], ids=NAMES)
def test_what_is_out_of_bounds_is_refused_in_a_sentence(nca, verb, name, text):
    needed = {"stream": ["--size", "8x8", "--steps", "1"]}.get(verb, [])
    result = nca(*verb.split(), "nothing", *needed, name, text)
    assert result.code == 2
    assert name in result.err

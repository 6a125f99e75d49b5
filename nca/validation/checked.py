"""Python's door to the options of a recipe: what a recipe refuses is refused here as well.

A dataclass that is a table of a recipe derives from `Options`, a constructor or function whose
keyword-only arguments recipes may give is `checked`, and one number alone is a `checked_value`.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache, wraps
from typing import Any, ClassVar, ParamSpec, TypeVar, get_type_hints

from pydantic import BaseModel, ValidationError, create_model

from nca.validation.arguments import SETTINGS, arguments_of
from nca.validation.faults import Fault, faults_of, refuse, strange

Given = ParamSpec("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Options:
    """A table of a recipe as a frozen dataclass: its annotations are types and ranges.

    Raises:
        OptionError: A value that a recipe would refuse, with the same sentence.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def __post_init__(self) -> None:
        """Check every value alone, then all of them together."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in _checked(_table(type(self)), given, f"{self!r}").items():
            object.__setattr__(self, name, value)
        refuse(self.conflicts(), f"{self!r}")

    def conflicts(self) -> Iterable[Fault]:
        """Return the faults of values that are fine alone, but not together."""
        return ()


def checked(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Check the keyword-only arguments of a function or constructor in every call.

    Raises:
        OptionError: In a call: a value that a recipe would refuse, with the same sentence.
    """
    where = f"{function.__qualname__.removesuffix('.__init__')}(...)"

    @wraps(function)
    def checking(*given: Given.args, **options: Given.kwargs) -> Made:
        model = arguments_of(function)
        known = {name: options[name] for name in model.model_fields if name in options}
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        if known.keys() >= required:  # else Python itself says what is missing
            options.update(_checked(model, known, where))
        return function(*given, **options)

    return checking


def checked_options(thing: Any) -> None:
    """Check the options of a class from now on wherever it is constructed."""
    if isinstance(thing, type) and any(_options(thing)):
        thing.__init__ = checked(thing.__init__)  # pyright: ignore[reportAttributeAccessIssue]


def checked_value(kind: Any, name: str, value: Any, where: str) -> Any:
    """Return a value that is of a kind, such as `Count`.

    Args:
        kind: Type and range.
        name: What the caller calls it.
        value: What was given.
        where: The call.

    Raises:
        OptionError: It is not of that kind.
    """
    return _checked(_single(name, kind), {name: value}, where)[name]


def _options(thing: type) -> Iterable[str]:
    for name, argument in inspect.signature(thing).parameters.items():
        if argument.kind is argument.KEYWORD_ONLY:
            yield name


@cache
def _table(thing: type) -> type[BaseModel]:
    hints = get_type_hints(thing, include_extras=True)
    kinds: Any = {field.name: (hints[field.name], ...) for field in fields(thing)}
    return create_model(thing.__name__, __config__=SETTINGS, **kinds)


@cache
def _single(name: str, kind: Any) -> type[BaseModel]:
    options: Any = {name: (kind, ...)}
    return create_model(name, __config__=SETTINGS, **options)


def _checked(model: type[BaseModel], given: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the values, lists as tuples where those are meant."""
    odd = strange(given)
    try:
        made = validated(model, given)
    except ValidationError as error:
        covered = {fault.path for fault in odd}
        odd += [fault for fault in faults_of(error, model) if fault.path not in covered]
        made = None
    refuse(odd, where)
    return {name: getattr(made, name) for name in given}


def validated(model: type[BaseModel], given: dict[str, Any]) -> BaseModel:
    """Return a model of options, in which lists may stand for tuples.

    Raises:
        ValidationError: A value that is none of its kind.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wanted = {d["loc"][0] for d in error.errors(include_url=False) if d["type"] == "tuple_type"}
        lists = [name for name in given if name in wanted and isinstance(given[name], list)]
        if not lists:
            raise
        return model.model_validate({**given, **{name: _tuples(given[name]) for name in lists}})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value

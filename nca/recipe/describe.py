"""The recipe of an automaton that was built in Python: what it would take to build it again."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import tomlkit

from nca.engine.automaton import Automaton
from nca.engine.layout import Level
from nca.engine.rule import UpdateRule
from nca.errors import NCAError
from nca.recipe.recipe import Recipe
from nca.registry.registry import registry
from nca.types import Size
from nca.validation.arguments import options_of
from nca.validation.checked import validated


def describe(automaton: Automaton, *, name: str, size: Size, steps: int) -> Recipe:
    """Return a recipe that builds an automaton like this one; it has no task and no training.

    Args:
        automaton: Its rules are registered, and were given options that a recipe can hold.
        name: What the recipe shall be called.
        size: Cells along each axis of the grid.
        steps: How many a rollout shall have if none are given.

    Raises:
        NCAError: A rule is not registered, or would be built with other weights.
        RecipeError: The size or the steps make no recipe.
    """
    document = tomlkit.document()
    document["format"] = 1
    document["grid"] = _grid(automaton, size)
    document["levels"] = [_level(automaton, name) for name in automaton.layout]
    document["rollout"] = _rollout(automaton, steps)
    recipe = Recipe.parse(tomlkit.dumps(document), name=name, folder=Path())
    _compare(automaton, recipe)
    return recipe


def _grid(automaton: Automaton, size: Size) -> dict[str, Any]:
    beyond = automaton.topology.boundaries
    table = {"size": list(size), "topology": beyond if isinstance(beyond, str) else list(beyond)}
    return table | ({"coordinates": True} if automaton.coordinates else {})


def _level(automaton: Automaton, name: str) -> dict[str, Any]:
    level = automaton.layout[name]
    table: dict[str, Any] = {"name": name, "channels": level.channels}
    for option in fields(Level):
        if option.default is not MISSING and getattr(level, option.name) != option.default:
            table[option.name] = getattr(level, option.name)
    if rules := [_rule(rule) for rule in automaton.rules_of(name)]:
        table["rules"] = rules
    return table


def _rule(rule: UpdateRule) -> dict[str, Any]:
    kind = type(rule)
    name = registry.name_of("rule", kind)
    if name is None:
        raise NCAError(
            f"the rule {kind.__name__} has no name that a recipe could call it by.",
            where=f"{kind.__module__}.{kind.__qualname__}",
            to_do=f'register it where it is defined: @nca.register.rule("{kind.__name__.lower()}")',
        )
    model = options_of(kind)
    given = dict(rule.given_options)
    for attribute, _, _ in rule.adjustable.values():  # which may have been turned since
        if attribute in model.model_fields:
            given[attribute] = getattr(rule, attribute)
    for key, value in given.items():
        if value is None and model.model_fields[key].default is not None:
            raise NCAError(
                f"a recipe cannot say that {key} of {kind.__name__} is None.",
                where=f"{kind.__module__}.{kind.__qualname__}",
                to_do="let None be the option's default, or give it another value",
            )
    options = validated(model, given).model_dump(mode="json", exclude_none=True)
    return {"name": name, **{key: options[key] for key in given if key in options}}


def _rollout(automaton: Automaton, steps: int) -> dict[str, Any]:
    table: dict[str, Any] = {"steps": steps, "fire_rate": automaton.fire_rate}
    if automaton.noise:
        table["noise"] = _changed(automaton.noise)
    if automaton.alive:
        table["alive"] = _changed(automaton.alive)
    if automaton.skips:
        table["skips"] = [_changed(skip) for skip in automaton.skips]
    if automaton.step_size != 1:
        table["step_size"] = automaton.step_size
    return table


def _changed(options: Any) -> Mapping[str, Any]:
    """Return the options of a table that are not at their defaults."""
    usual = {field.name: field.default for field in fields(options)}
    given = {key: value for key, value in asdict(options).items() if value != usual[key]}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in given.items()}


def _compare(automaton: Automaton, recipe: Recipe) -> None:
    """Refuse a recipe whose automaton has other weights."""
    own, built = (_shapes(each) for each in (automaton, recipe.automaton()))
    if own != built:
        names = sorted(name for name in {*own, *built} if own.get(name) != built.get(name))
        raise NCAError(
            f"the automaton cannot be built again from its rules' options: {', '.join(names[:4])}.",
            where=", ".join(type(rule).__name__ for rule in _rules(automaton)),
            to_do="let the sizes of a rule follow from keyword-only arguments of its constructor",
        )


def _shapes(automaton: Automaton) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in automaton.state_dict().items()}


def _rules(automaton: Automaton) -> list[UpdateRule]:
    return [rule for name in automaton.layout for rule in automaton.rules_of(name)]

"""Every registered rule, once for each value of an option that has few."""

from functools import partial
from typing import Literal, get_args, get_origin

from nca import PluginError
from nca.registry.registry import registry
from nca.testing.harness import PlaceRule, placed
from nca.validation.arguments import options_of


def rule_names() -> list[str]:
    """Return the names of all registered rules."""
    return registry.names("rule")


def variants() -> dict[str, PlaceRule]:
    """Return every rule once for each value of an option that has few, by name and value."""
    found = {}
    for name in rule_names():
        try:
            rule = placed(name)
        except PluginError:
            continue  # each law fails on it already
        for option, field in options_of(registry.get("rule", name)).model_fields.items():
            values = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
            for value in (True, False) if field.annotation is bool else values:
                if value != field.default:
                    found[f"{name}, {option}={value}"] = partial(rule, **{option: value})
    return found

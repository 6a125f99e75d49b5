"""The contract of targets: functions that draw a picture; keyword-only arguments are options."""

from nca.registry.registry import registry, takes_beside_options


def _contract(thing: object) -> str | None:
    fits = callable(thing) and takes_beside_options(thing, "", 40)
    return None if fits else "it is not a function of an argument and a side"


registry.demand("target", _contract)

"""The contracts of patterns and notations.

A pattern is a function that draws a small first state, `(C, *cells)`; keyword-only arguments are
options. A notation is a function of a text, such as a rule string, that returns the recipe for
which it stands, as TOML, None if the text is not of its kind, or raises an `NCAError` if it is,
and faulty.
"""

from nca.registry.registry import registry, takes_beside_options


def _pattern(thing: object) -> str | None:
    fits = callable(thing) and takes_beside_options(thing)
    return None if fits else "it is not a function without positional arguments"


def _notation(thing: object) -> str | None:
    fits = callable(thing) and takes_beside_options(thing, "")
    return None if fits else "it is not a function of one text"


registry.demand("pattern", _pattern)
registry.demand("notation", _notation)

"""The door for tests of others: all laws as one test, and one example of a law again.

Nothing is imported before it is needed, so that the file of a rule may hold its test, too.
"""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from nca.errors import NCAError
from nca.suggest import did_you_mean

if TYPE_CHECKING:
    from nca.testing.law import Law
    from nca.testing.verdict import Verdict


def laws(
    rule: str | Callable[..., Any],
    *,
    seconds: float = 60.0,
    options: Mapping[str, Any] | None = None,
) -> Callable[[str], None]:
    """Return a test of pytest that checks a rule against every law, one by one.

        test_mine = laws(Mine)

    Args:
        rule: The class of the rule, its registered name, or a function of a `RuleContext`.
        seconds: How long all laws may take together, one example of each aside.
        options: Keyword arguments of the rule, such as those that have no defaults.
    """

    def keeps(law: str) -> None:
        import pytest

        verdict, words = _judged(rule, law, seconds, options or {})
        if verdict.outcome == "does not apply":
            pytest.skip(verdict.why)
        if verdict.outcome != "held":
            pytest.fail(words, pytrace=False)

    if "pytest" not in sys.modules:  # the file is loaded for the rule
        return keeps
    import pytest

    demand_hypothesis()
    from nca.testing.checks import LAWS

    return pytest.mark.parametrize("law", [law.name for law in LAWS])(keeps)


def _judged(
    rule: str | Callable[..., Any], law: str, seconds: float, options: Mapping[str, Any]
) -> tuple["Verdict", str]:
    """Return the verdict of a law, and what to say of it."""
    from nca.registry.discovery import discover
    from nca.testing.checks import LAWS
    from nca.testing.harness import Harness, placed
    from nca.testing.verdict import judge
    from nca.testing.words import example_in_words, line_of_python

    discover()
    place_rule = placed(rule, _as_made(rule, options))
    verdict = judge(_law_of(law), place_rule, seconds=seconds / len(LAWS))
    name = repr(rule) if isinstance(rule, str) else getattr(rule, "__name__", "rule")
    example = example_in_words(verdict.example, Harness(place_rule).axes)
    lines = [
        f"{name}, {verdict.outcome}: {verdict.law.statement}",
        verdict.why,
        f"smallest example: {example or 'that of the defaults'}",
        line_of_python(name, law, verdict.example, options=options),
    ]
    return verdict, "\n".join(lines)


def _as_made(rule: str | Callable[..., Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of a rule: those of a registered one are as a recipe has them."""
    from nca.testing.subject import made_options

    return made_options(rule, options) if isinstance(rule, str) else options


def reproduce(
    rule: str | Callable[..., Any],
    law: str,
    *,
    plugin: str = "",
    options: Mapping[str, Any] | None = None,
    **example: Any,
) -> None:
    """Check one example of a law again.

    Args:
        rule: The registered name of the rule, or its class.
        law: The name of the law.
        plugin: A file to execute first, which registers the rule.
        options: Keyword arguments of the rule.
        example: Arguments of the law's check; what is missing has its default.

    Raises:
        AssertionError: The law does not hold.
        NCAError: There is no such rule or law.
    """
    from pathlib import Path

    from nca.registry.discovery import discover, load_file
    from nca.testing.harness import placed

    discover()
    if plugin:
        load_file(Path(plugin))
    demand_hypothesis()
    _law_of(law).check(placed(rule, _as_made(rule, options or {})), **example)


def demand_hypothesis() -> None:
    """Refuse to check anything where Hypothesis, which draws the examples, is missing.

    Raises:
        NCAError: It is.
    """
    if find_spec("hypothesis") is None:
        raise NCAError(
            "the laws cannot be checked: the package hypothesis is missing.",
            where=sys.prefix,
            to_do='pip install "hypothesis>=6.120"',
        )


def _law_of(name: str) -> "Law":
    from nca.testing.checks import LAWS

    known = {law.name: law for law in LAWS}
    if name not in known:
        raise NCAError(
            f"there is no law {name!r}.",
            where=f"laws: {', '.join(known)}",
            to_do=f"{did_you_mean(name, known)}choose one of these",
        )
    return known[name]

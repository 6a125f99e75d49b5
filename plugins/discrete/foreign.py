"""Patterns of another kind of rule than the automaton's: refused, or said."""

import warnings
from typing import NoReturn

from nca import Fault, NCAWarning, OptionError
from nca_plugins.discrete.families import read_rule
from nca_plugins.discrete.pattern_files import NamedPattern
from nca_plugins.discrete.rule_string import RuleString, RuleStringError

WHERE = "PatternTask(...)"


def refuse_foreign(opened: NamedPattern, rule: RuleString | None, held: str) -> None:
    """Refuse a pattern of another kind of rule; say so where only the rule differs.

    Args:
        opened: The pattern.
        rule: That of the automaton, if it is known.
        held: What cells do in an automaton that goes by no rule string, `hold numbers`; empty: it
            is not known.

    Raises:
        OptionError: It does not fit.
    """
    said = opened.said.rule if opened.said else ""
    if rule is None:
        if said and held:
            _refuse_any(said, held)
        return
    if opened.cells.is_floating_point() and (opened.cells != opened.cells.round()).any():
        to_do = f"the rule {rule.text} has the states 0 to {rule.states - 1}"
        _refuse("has numbers between the states of cells", to_do)
    greatest = int(opened.cells.max()) if opened.cells.numel() else 0
    if greatest >= rule.states:
        to_do = f"the rule {rule.text} has {rule.states} states: give its rule"
        _refuse(f"has cells in state {greatest}", to_do)
    if said:
        _compare(said, rule)


def _compare(said: str, ours: RuleString) -> None:
    try:
        theirs = read_rule(said)
    except RuleStringError as fault:
        _refuse(f'is of the rule "{said[:80]}": {fault.what.rstrip(".")}', fault.to_do)
    kinds = [(one.states, one.axes, one.hexagonal) for one in (ours, theirs)]
    if kinds[0] != kinds[1]:
        words = f"is of the rule {said}, {theirs.states} states, {theirs.family}"
        to_do = f"the automaton's is {ours.text}, {ours.states} states, {ours.family}"
        _refuse(words, to_do)
    if not ours.same(theirs):
        words = f"the pattern is of the rule {said}, and runs under {ours.text}"
        warnings.warn(words, NCAWarning, stacklevel=2)


def _refuse_any(said: str, held: str) -> None:
    """Refuse a pattern of any rule string that can be read."""
    try:
        theirs = read_rule(said)
    except RuleStringError:  # of some other world, perhaps of this one
        return
    to_do = f"play it under its rule: nca play {theirs.text}; or leave the rule out of the file"
    _refuse(f"is of the rule {said}, and cells here {held}", to_do)


def _refuse(what: str, to_do: str) -> NoReturn:
    raise OptionError([Fault(("pattern",), what, to_do)], WHERE)

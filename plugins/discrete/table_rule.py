"""Rules that rule strings say: `discrete` takes every string, `life` those of Life's own kind."""

from torch import Tensor

from nca import Fault, Needs, OptionError, Program, RuleContext, TableTerm, UpdateRule, register
from nca_plugins.discrete.families import read_rule
from nca_plugins.discrete.rule_string import MOORE, RuleString, RuleStringError


class TableRule(UpdateRule):
    """A rule that is the table of a rule string.

    Every channel is a world of its own; a cell is in the state nearest to its number.

    Args:
        found: The rule string.
    """

    successors: Tensor
    cellwise = True

    def __init__(self, found: RuleString) -> None:
        super().__init__()
        self.found = found
        self.radius = found.term.radius
        self.register_buffer("successors", found.term.successors, persistent=False)

    def program(self) -> Program:
        """Return the table of successors."""
        term = self.found.term
        return Program((TableTerm(term.offsets, term.weights, self.successors, term.counted),))


@register.rule("discrete")
class Discrete(TableRule):
    """Cells of a few states, by the rule string that Golly, LifeViewer or MCell has for the rule.

    Args:
        context: Where the rule stands.
        rule: `B3/S23`, `23/3`, `B2-a/S12`, `B2/S/C3`, `B2/S34H`, `R5,C0,M1,S34..58,B34..45,NM`,
            `MAP...`, `W30` or a name such as `WireWorld`; `nca help discrete` has them all.

    Raises:
        OptionError: The string is none, or does not suit the grid.
    """

    needs = Needs(axes=(1, 2), states="binary")

    def __init__(self, context: RuleContext, *, rule: str = "B3/S23") -> None:
        super().__init__(rule_for(context, rule, f"Discrete(rule={rule!r})"))


@register.rule("life")
class Life(TableRule):
    """Conway's Game of Life and its kin: cells that live or not, and count their eight neighbours.

    Args:
        context: Where the rule stands.
        rule: `B3/S23` (Life), `23/3`, `B36/S23`, `B2-a/S12`, or a name such as `HighLife`.

    Raises:
        OptionError: The string is no such rule.
    """

    needs = Needs(axes=(2,), states="binary")

    def __init__(self, context: RuleContext, *, rule: str = "B3/S23") -> None:
        where = f"Life(rule={rule!r})"
        found = rule_for(context, rule, where)
        if not is_life_like(found):
            words = f'is "{rule}", which is {found.family}'
            raise OptionError([Fault(("rule",), words, "the rule `discrete` takes it")], where)
        super().__init__(found)


def is_life_like(rule: RuleString) -> bool:
    """Return whether a rule has two states and looks at the eight cells around: one for `life`."""
    return rule.states == 2 and rule.term.offsets == MOORE


def rule_for(context: RuleContext, rule: str, where: str) -> RuleString:
    """Return what a rule string stands for in its surroundings.

    Args:
        context: Where the rule stands.
        rule: The string.
        where: The call, for errors.

    Raises:
        OptionError: It is none, or does not suit the axes or the topology of the grid.
    """
    try:
        found = read_rule(rule)
    except RuleStringError as fault:
        what = f'is "{rule[:80]}": {fault.what.rstrip(".")} ({fault.where})'
        raise OptionError([Fault(("rule",), what, fault.to_do)], where) from None
    if found.axes != context.axes:
        words = f'is "{rule}", a rule of {found.axes} {"axis" if found.axes == 1 else "axes"}'
        to_do = f"give [grid] size {found.axes} number{'s' * (found.axes > 1)}"
        raise OptionError([Fault(("rule",), words, to_do)], where)
    if found.bounds and {*context.topology.of(context.axes)} != {found.bounds.boundary}:
        words = f'is "{rule}", whose suffix asks for a topology of {found.bounds.boundary}'
        to_do = f'leave the suffix out, or write [grid] topology = "{found.bounds.boundary}"'
        raise OptionError([Fault(("rule",), words, to_do)], where)
    return found

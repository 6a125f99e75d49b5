"""Colours and words for the states of cells, as a `StateColours` shows them.

A live cell is white on black, what dies fades, and the states of Wireworld have the colours that
they have elsewhere. All lie on black, by day and by night.

Legend: S states.
"""

import torch
from torch import Tensor

from nca.display import colour_map, state_palette
from nca_plugins.discrete.rule_string import RuleString

BLACK = torch.zeros(3)
ALIVE = torch.ones(3)

WIREWORLD = torch.tensor([(0.0, 0.0, 0.0), (0.55, 0.85, 1.0), (0.85, 0.2, 0.15), (0.85, 0.6, 0.1)])

FADING = "inferno"
FRESH, GONE = 0.7, 0.25
"""Where on that colour map a cell lies that has just died, and one that is nearly empty."""


def is_fading(rule: RuleString | None) -> bool:
    """Return whether what dies under a rule goes through states in which it is dying."""
    if rule is None or rule.states < 3 or rule.family == "Wireworld":
        return False
    return rule.term.counted == (1,)


def state_colours(states: int, rule: RuleString | None = None) -> Tensor:
    """Return a colour for each state, `(S, 3)`, from 0 to 1.

    Args:
        states: S.
        rule: The rule, if it is known.
    """
    if rule and rule.family == "Wireworld":
        return WIREWORLD
    if states > 2 and not is_fading(rule):
        return state_palette(states, BLACK)
    table = colour_map(FADING)
    places = torch.linspace(FRESH, GONE, max(states - 2, 1)) * (len(table) - 1)
    below = places.long()
    faded = table[below].lerp(table[below + 1], (places - below)[:, None])
    return torch.cat([BLACK[None], ALIVE[None], faded])[:states]


def state_names(states: int, rule: RuleString | None = None) -> tuple[str, ...]:
    """Return a word for each state.

    Args:
        states: S.
        rule: The rule, if it is known.
    """
    if rule and rule.family == "Wireworld":
        return ("empty", "head", "tail", "conductor")
    if states == 2:
        return ("dead", "alive")
    if not is_fading(rule):
        return tuple(f"state {number}" for number in range(states))
    dying = ["dying"] if states == 3 else [f"dying {number}" for number in range(1, states - 1)]
    return ("dead", "alive", *dying)

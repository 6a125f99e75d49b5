"""Study whether the cells of a trained automaton form islands, and those a hierarchy.

The automaton runs beside two controls, and every figure is taken alike of all three: the same
recipe untrained, and the trained one on inputs whose cells are shuffled. `plan` says what is
measured when, `figures` measures one state, `groups` runs automaton and controls, `summary` adds
up, `verdict` says it in words.
"""

from nca.reports.islands.plan import IslandsPlan
from nca.reports.islands.run import Group, IslandsResult, measure_islands
from nca.reports.islands.verdict import Finding, headline, verdict

__all__ = [
    "Group",
    "Finding",
    "IslandsPlan",
    "IslandsResult",
    "headline",
    "measure_islands",
    "verdict",
]

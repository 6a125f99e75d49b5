"""Report on islands: whether the cells of a trained automaton form them, and a hierarchy.

    nca islands CHECKPOINT --samples 200
    nca islands CHECKPOINT --image my.png      on pictures of your own

The automaton runs beside two controls, and every figure is taken alike of all three: the same
recipe untrained, and the trained one on inputs whose cells are shuffled. Where a task knows the
truth, islands are compared with it. The answer is one page, `report.html`. The measures are pure
functions: `nca help analysis`.

`plan` says what is measured when, `measures` measures one state, `run` runs automaton and
controls, `summary` adds up, `verdict` says it in words; `tables`, `charts`, `pictures` and `page`
show it, `publish` writes the folder.
"""

from nca.reports.islands.plan import IslandsPlan
from nca.reports.islands.publish import islands_report, islands_to_json, publish_islands
from nca.reports.islands.run import Group, IslandsResult, demand_plane, measure_islands
from nca.reports.islands.verdict import islands_headline, verdict

__all__ = [
    "Group",
    "IslandsPlan",
    "IslandsResult",
    "demand_plane",
    "islands_headline",
    "islands_report",
    "measure_islands",
    "publish_islands",
    "islands_to_json",
    "verdict",
]

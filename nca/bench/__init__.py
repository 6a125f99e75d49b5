"""How fast an automaton runs, in every way that the engine can run it, beside the plain one.

`case` is what is measured, `ways` how it may be run, `work` the least that must be computed and
moved, `ceiling` what the device can do at best, `memory` what a run adds, `timing` the clock, and
`results` what follows from its readings.
"""

from nca.bench.backends import WAYS, Way, ways
from nca.bench.case import Case, cases
from nca.bench.results import Measured, Report, Result
from nca.bench.roofline import Ceiling
from nca.bench.run import Plan, bench

__all__ = [
    "Case",
    "Ceiling",
    "Measured",
    "Plan",
    "Report",
    "Result",
    "WAYS",
    "Way",
    "bench",
    "cases",
    "ways",
]

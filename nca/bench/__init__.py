"""Benchmarks: how fast an automaton runs with every backend, compared with the plain one.

`case` is what is measured, `backends` how it may be run, `flops` the least that must be computed
and moved, `roofline` what the device can do at best, `timing` the clock, and `results` what
follows from its readings.
"""

from nca.bench.backends import BACKENDS, Backend, select_backends
from nca.bench.case import Case, cases
from nca.bench.results import BenchReport, Measured, Result
from nca.bench.roofline import Roofline
from nca.bench.run import BenchPlan, bench

__all__ = [
    "Case",
    "Roofline",
    "Measured",
    "BenchPlan",
    "BenchReport",
    "Result",
    "BACKENDS",
    "Backend",
    "bench",
    "cases",
    "select_backends",
]

"""Benchmarks: how fast an automaton runs with every backend, compared with the plain one.

    nca bench                                        the built-in set
    nca bench RECIPE --way engine                    one recipe, one way
    nca bench --device cuda --out bench.json
    nca bench --way engine --way bfloat16 --processor-time --budget 600

`plain` is the whole grid, every rule its own convolution, eager, float32. Forward rollouts and
training iterations are timed; the ways take turns, and medians, quartiles and memory are printed
beside the device's best. On a CUDA device `compiled` is what torch compiles, and `fused` a launch
or two for each step, replayed as graphs of powers of two steps; `compiled_graph` and `fused_graph`
are whole rollouts captured as CUDA graphs, which leaves out all time of Python. What was measured:
`nca help measured`.

`case` is what is measured, `backends` how it may be run, `captured` a rollout as a CUDA graph,
`flops` the least that must be computed and moved, `roofline` what the device can do at best,
`timing` the clock, and `results` what follows from its readings. Public to the other folders:
`backends`, `results`, `timing`, and what `__all__` names.
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

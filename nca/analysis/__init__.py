"""Measure whether cells agree in islands, and what those islands have to do with each other.

Pure functions of tensors: of the features of one level `(B, C, *space)`, or of labels, int64
`(B, *space)` with 0 for cells that belong to nothing. All return one number per sample, `(B,)`,
unless they say otherwise; where a sample has nothing to measure, that number is NaN. What the
measures are to show, and why, is in G. Hinton, "How to represent part-whole hierarchies in a
neural network" (2021): cells agree in islands, which grow with level and lie in one another.
`OrbitWatch` finds out whether states come back; `population` counts cells.
`error_correlation`, `risk_at` and `area_under_risk` ask whether uncertainty predicts error.

Public to the other folders: what `__all__` names; users take it from `nca.analysis`.
`nca islands` applies all of it to a checkpoint: `nca help islands`.
"""

from nca.analysis.agreement import (
    agreement,
    baseline,
    bonds,
    collapse,
    contrast,
    directions,
    effective_rank,
)
from nca.analysis.clusters import average_linkage, clusters_of_places
from nca.analysis.dynamics import energy, settling_time
from nca.analysis.growth import rising, spearman
from nca.analysis.islands import Sizes, components, gather, islands, patches, sizes
from nca.analysis.orbits import (
    Cycle,
    Motion,
    OrbitWatch,
    PlaneOrbitWatch,
    population,
    shift_between,
)
from nca.analysis.overlap import (
    contingency,
    foreground_ari,
    foreground_nmi,
    mean_best_overlap,
    nesting,
    resized,
    segments_in,
    translated,
)
from nca.analysis.probes import most_frequent, probe
from nca.analysis.reliability import area_under_risk, error_correlation, risk_at
from nca.engine.rollouts import relative_change

__all__ = [
    "Cycle",
    "Motion",
    "OrbitWatch",
    "PlaneOrbitWatch",
    "agreement",
    "area_under_risk",
    "average_linkage",
    "baseline",
    "bonds",
    "clusters_of_places",
    "collapse",
    "components",
    "contingency",
    "contrast",
    "directions",
    "effective_rank",
    "energy",
    "error_correlation",
    "foreground_ari",
    "foreground_nmi",
    "gather",
    "Sizes",
    "islands",
    "mean_best_overlap",
    "most_frequent",
    "nesting",
    "patches",
    "population",
    "probe",
    "relative_change",
    "resized",
    "rising",
    "risk_at",
    "segments_in",
    "shift_between",
    "settling_time",
    "sizes",
    "spearman",
    "translated",
]

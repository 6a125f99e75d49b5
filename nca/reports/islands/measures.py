"""Measures of a state: of each level, from level to level, and against the truth.

Figures have names of several words, the first of which says of what kind they are:

- `sample, diverged`: `(B,)`, 1 where a step has led out of the finite numbers, else 0.
- `sample, diverged at`: `(B,)`, the first such step; NaN where there is none.
- `level, NAME, FIGURE`: `(B,)`.
- `sweep, NAME, FIGURE`: `(B, thresholds)`.
- `area, NAME, FIGURE`: `(B,)`, the area under the curve of a sweep, over its width.
- `nesting, LOWER, UPPER, FIGURE`: `(B,)`.
- `growth, WHERE, FIGURE`: `(B,)`, at the threshold or of the areas under the curves.
- `truth, KIND, NAME, FIGURE`: `(B,)`.
- `probe, KIND, NAME`: `(B,)`.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from nca import analysis
from nca.engine.resample import on_grid
from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.engine.topology import Topology
from nca.reports.islands.plan import IslandsPlan

Figures = dict[tuple[str, ...], Tensor]

PATCHES = "patches of the foreground"
"""What stands in the place of a level's name where segments follow from the true foreground."""

PLACES = "places of the foreground"
"""What stands in the place of a level's name where clusters follow from where cells lie."""

ALWAYS = "the most frequent"
"""What stands in the place of a level's name for a probe that has seen no level."""


def level_figures(name: str, features: Tensor, topology: Topology, plan: IslandsPlan) -> Figures:
    """Return agreement, collapse and islands of a level."""
    bonds = analysis.bonds(features, topology)
    agreement = bonds.flatten(1).nanmean(dim=1)
    baseline = analysis.baseline(features)
    sizes = analysis.sizes(analysis.gather(bonds, plan.threshold, smallest=plan.smallest))
    figures = {
        "contrast": agreement - baseline,
        "agreement": agreement,
        "baseline": baseline,
        "collapse": analysis.collapse(features),
        "rank": analysis.effective_rank(features),
        "islands": sizes.count,
        "area": sizes.mean,
        "weighted area": sizes.weighted,
        "coverage": sizes.coverage,
        "entropy": sizes.entropy,
        "effective": sizes.effective,
        "energy": analysis.energy(features, topology),
    }
    return {("level", name, figure): value for figure, value in figures.items()}


def sweep_figures(name: str, features: Tensor, topology: Topology, plan: IslandsPlan) -> Figures:
    """Return how islands depend on their threshold, so that none is picked to please."""
    bonds = analysis.bonds(features, topology)
    cells = features[0, 0].numel()
    rows = [
        analysis.sizes(analysis.gather(bonds, threshold, smallest=plan.smallest))
        for threshold in plan.thresholds
    ]
    curves = {
        "islands": torch.stack([row.count for row in rows], dim=1),
        "weighted share": torch.stack([row.weighted / cells for row in rows], dim=1),
        "coverage": torch.stack([row.coverage for row in rows], dim=1),
    }
    at = torch.tensor(plan.thresholds, dtype=torch.float64, device=features.device)
    figures: Figures = {}
    for figure, curve in curves.items():
        figures["sweep", name, figure] = curve
        figures["area", name, figure] = torch.trapezoid(curve, at, dim=1) / (at[-1] - at[0])
    return figures


def growth_figures(where: str, areas: Tensor) -> Figures:
    """Return how areas `(B, L)` grow with level, for one way to take them."""
    return {
        ("growth", where, "spearman"): analysis.spearman(areas),
        ("growth", where, "rising"): analysis.rising(areas).double(),
    }


def level_relations(labels: Mapping[str, Tensor], source: CellRNG, plan: IslandsPlan) -> Figures:
    """Return how islands grow with level, and how they nest, also when moved by chance.

    Args:
        labels: The islands of each level, bottom level first.
        source: Draws the translations.
        plan: How many of them.
    """
    figures: Figures = {}
    areas = torch.stack(
        [analysis.sizes(own).weighted / own[0].numel() for own in labels.values()], dim=1
    )
    if len(labels) > 1:
        figures |= growth_figures("at the threshold", areas)
    for lower, upper in pairwise(labels):
        above = labels[upper]
        below = analysis.resized(labels[lower], above.shape[1:])
        moved = [
            analysis.nesting(analysis.translated(below, offset), above)
            for offset in _offsets(source, f"{lower}/{upper}", above, plan.shifts)
        ]
        nested, by_chance = analysis.nesting(below, above), torch.stack(moved).nanmean(dim=0)
        figures["nesting", lower, upper, "nesting"] = nested
        figures["nesting", lower, upper, "moved"] = by_chance
        figures["nesting", lower, upper, "beyond"] = nested - by_chance
    return figures


def truth_figures(
    state: State,
    truth: Mapping[str, Tensor],
    guesses: Mapping[str, Tensor],
    topology: Topology,
    plan: IslandsPlan,
) -> Figures:
    """Return how well islands and clusters match true segments, beside what needs no automaton.

    Args:
        state: Whose levels, input too, are matched.
        truth: True segments by kind, int64 `(B, *space)`; 0: background.
        guesses: Segments that a task finds by simple means, by name.
        topology: Of the grid.
        plan: The threshold.
    """
    figures: Figures = {}
    for kind, segments in truth.items():
        foreground, counts = segments > 0, analysis.segments_in(segments)
        found = {
            (PATCHES, "islands"): analysis.patches(foreground, topology),
            (PLACES, "clusters"): analysis.clusters_of_places(foreground, counts, topology),
            **{(name, "islands"): labels for name, labels in guesses.items()},
        }
        for name, features in state.items():
            features = _on_grid(features, segments.shape[1:])
            found[name, "islands"] = analysis.islands(
                features, plan.threshold, topology, smallest=plan.smallest
            )
            found[name, "clusters"] = analysis.average_linkage(features, foreground, counts)
        for (name, how), labels in found.items():
            ari = analysis.foreground_ari(labels, segments)
            nmi = analysis.foreground_nmi(labels, segments)
            # one segment alone leaves nothing to tell apart
            figures["truth", kind, name, f"{how}: ARI"] = ari.where(counts > 1, torch.nan)
            figures["truth", kind, name, f"{how}: NMI"] = nmi.where(counts > 1, torch.nan)
            overlap = analysis.mean_best_overlap(labels, segments)
            figures["truth", kind, name, f"{how}: overlap"] = overlap
    return figures


def probe_figures(state: State, categories: Mapping[str, Tensor]) -> Figures:
    """Return how well a linear probe tells what cells are, from each level, input too.

    A probe is fitted to half of the samples, so all that there are are given at once.

    Args:
        state: Whose levels are probed.
        categories: By kind, int64 `(B, *space)`; 0: the cell does not count.
    """
    figures: Figures = {}
    for kind, marks in categories.items():
        figures["probe", kind, ALWAYS] = analysis.most_frequent(marks)
        for name, features in state.items():
            figures["probe", kind, name] = analysis.probe(
                _on_grid(features, marks.shape[1:]), marks
            )
    return figures


def state_figures(
    state: State,
    names: Sequence[str],
    truth: Mapping[str, Tensor],
    guesses: Mapping[str, Tensor],
    topology: Topology,
    plan: IslandsPlan,
    random_seed: int,
) -> Figures:
    """Return all figures of a state.

    Args:
        state: To be measured.
        names: The levels that are not input, bottom level first.
        truth: True segments by kind; none is fine.
        guesses: Segments that a task finds by simple means, by name.
        topology: Of the grid.
        plan: What to measure.
        random_seed: From which the translations follow.
    """
    figures: Figures = {}
    labels = {}
    for name in names:
        figures |= level_figures(name, state[name], topology, plan)
        figures |= sweep_figures(name, state[name], topology, plan)
        labels[name] = analysis.islands(
            state[name], plan.threshold, topology, smallest=plan.smallest
        )
    figures |= level_relations(labels, CellRNG(random_seed, 0, state.samples), plan)
    if len(names) > 1:
        swept = [figures["area", name, "weighted share"] for name in names]
        figures |= growth_figures("over all thresholds", torch.stack(swept, dim=1))
    return figures | truth_figures(state, truth, guesses, topology, plan)


def joined(parts: Sequence[Figures]) -> Figures:
    """Return the figures of several batches as those of one."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _offsets(source: CellRNG, stream: str, labels: Tensor, count: int) -> list[Tensor]:
    """Return random translations of each sample, `(B, axes)` each; none stands still."""
    size = labels.shape[1:]
    cells = labels[0].numel()
    drawn = source.each(f"study/shift/{stream}", count).double()  # (B, count)
    place = 1 + (drawn * max(cells - 1, 1)).long()
    return [torch.stack(torch.unravel_index(one % cells, size), dim=1) for one in place.T]


def _on_grid(features: Tensor, size: Sequence[int]) -> Tensor:
    return on_grid(features, size[0] // features.shape[2])

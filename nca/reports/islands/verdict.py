"""Verdict on islands: findings in words, each of which follows from a number."""

import math
from collections.abc import Iterable
from itertools import pairwise

from torch import Tensor

from nca.reports.finding import Answer, Finding
from nca.reports.islands.doubt import any_finite, divergence_findings, sentence, unless_too_few
from nca.reports.islands.measures import PATCHES
from nca.reports.islands.run import UNTRAINED, IslandsResult
from nca.reports.islands.summary import gain, over_samples
from nca.reports.numbers import format_number, format_share

ALONE = "One level has none above it to compare with."
COLLAPSED = 0.9
GROWN = 0.5

FORM = "islands form"
GROW = "islands grow with level"
NEST = "islands lie in those of the level above"


def verdict(result: IslandsResult) -> list[Finding]:
    """Return the findings, in the order of the report."""
    found = [_contrast(result), _growth(result), _nesting(result), _collapse(result)]
    kinds = dict.fromkeys(name[1] for name in result.own.figures if name[0] == "truth")
    found += [_truth(result, kind) for kind in kinds]
    if not any_finite(result, result.plan.steps):
        words = "No sample was finite at the step that counts."
        found = [Finding(one.question, "cannot tell", "", words, one.wanted) for one in found]
    return [*divergence_findings(result), *found, _rest(result)]


def islands_headline(findings: Iterable[Finding]) -> str:
    """Return what was found, what was not, whether that is a hierarchy, and why; a sentence each.

    Segments that are known come first, since they are what a hierarchy is to find.
    """
    findings = list(findings)
    judged = [finding for finding in findings if finding.wanted]
    known = [one for one in findings if one.subject]
    others = [one for one in judged if not one.subject]
    found = [one for one in known if one.good] + [one for one in known if not one.good]
    why = [one for one in others if not one.good]
    if all(finding.good for finding in judged):
        said, why = "a part-whole hierarchy appears", others
    elif any(finding.good is False for finding in judged):
        said = "a part-whole hierarchy does not appear"
    else:
        said = "whether a part-whole hierarchy appears cannot be told"
    clauses = [*(one.clause for one in found), said, *(one.clause for one in why)]
    return " ".join(sentence(clause) for clause in dict.fromkeys(clauses) if clause)


def _contrast(result: IslandsResult) -> Finding:
    question = "Do cells agree in islands, more than in the controls?"
    rows = {n: over_samples(result.own.figures["level", n, "contrast"]) for n in result.levels}
    parts = [f"Island contrast: {_listed({n: row.mean for n, row in rows.items()})}."]
    used, matched = list(rows.values()), []
    for control, group in result.controls.items():
        asleep = [name for name in result.levels if group.still(name)]
        gains = {
            name: gain(result, control, "level", name, "contrast")
            for name in result.levels
            if name not in asleep
        }
        used += gains.values()
        matched += [control] if not all(row.positive for row in gains.values()) else []
        if gains:
            listed = _listed({n: row.mean for n, row in gains.items()}, signed=True)
            parts.append(f"More than in the {control} control by: {listed}.")
        if asleep:
            parts.append(f"The {control} control stands still at {', '.join(asleep)}.")
    agreed = sum(row.positive for row in rows.values())
    words, alone = " ".join(parts), len(used) == len(rows)
    if not agreed:
        return unless_too_few(Finding(question, "no", "no islands form", words), used, FORM)
    if agreed == len(rows) and not matched:
        clause = "islands form, but there is no control to compare with" if alone else FORM
        return Finding(question, "cannot tell" if alone else "yes", clause, words)
    clause = f"cells of the {' and the '.join(matched)} control agree as much at some level"
    clause = clause if matched else "islands form at some levels only"
    return unless_too_few(Finding(question, "partly", clause, words), used, FORM)


def _growth(result: IslandsResult) -> Finding:
    question = "Do islands grow with level?"
    if len(result.levels) < 2:
        return Finding(question, "cannot tell", "there is one level only", ALONE)
    parts, rows, beaten = [], [], True
    for where, areas in (
        ("at the threshold", ("level", "weighted area")),
        ("over all thresholds", ("area", "weighted share")),
    ):
        name = ("growth", where, "spearman")
        rows.append(over_samples(result.own.figures[name]))
        beaten = beaten and _beats(result, result.levels, *name)
        share = format_share(over_samples(result.own.figures["growth", where, "rising"]).mean)
        rank = format_number(rows[-1].mean, signed=True)
        listed = {
            n: over_samples(result.own.figures[areas[0], n, areas[1]]).mean for n in result.levels
        }
        parts.append(
            f"{where.capitalize()}: {areas[1]} {_listed(listed)}; rank correlation with the "
            f"level {rank}{_beside(result, *name)}; never falls in {share} of the samples."
        )
    chance = 1 / math.factorial(len(result.levels))
    parts.append(f"In random order it would never fall in {format_share(chance)}.")
    words, sure = " ".join(parts), [row.positive for row in rows]
    clause = (
        "islands do not grow with level"
        if not any(sure)
        else "whether islands grow with level depends on the threshold"
        if not all(sure)
        else "islands grow with level only weakly"
        if min(row.mean for row in rows) < GROWN
        else "islands grow with level no more than in the untrained control"
        if not beaten
        else ""
    )
    if not clause:
        return Finding(question, "yes", GROW, words)
    answer: Answer = "partly" if any(sure) else "no"
    return unless_too_few(Finding(question, answer, clause, words), rows, GROW)


def _nesting(result: IslandsResult) -> Finding:
    question = "Does each island lie inside one of the level above, more than by chance?"
    pairs = list(pairwise(result.levels))
    if not pairs:
        return Finding(question, "cannot tell", "none can lie in another", ALONE)
    parts, sure, beaten, used = [], 0, 0, []
    for lower, upper in pairs:
        name = ("nesting", lower, upper)
        beyond = over_samples(result.own.figures[*name, "beyond"])
        if not beyond.known:
            parts.append(f"{lower} in {upper}: no sample has two islands to tell apart.")
            continue
        used.append(beyond)
        sure += beyond.positive
        beaten += _beats(result, [lower, upper], *name, "beyond")
        own, moved = (
            format_number(over_samples(result.own.figures[*name, figure]).mean)
            for figure in ("nesting", "moved")
        )
        parts.append(
            f"{lower} in {upper}: {own}, and {moved} once moved at random: "
            f"{format_number(beyond.mean, signed=True)}{_beside(result, *name, 'beyond')}."
        )
    words = " ".join(parts)
    if not used:
        clause = "there are too few islands to lie in one another"
        return Finding(question, "cannot tell", clause, words)
    clause = (
        "islands lie in those of the level above no more than by chance"
        if not sure
        else "islands lie in those of the level above at some levels only"
        if sure < len(pairs)
        else "islands lie in those of the level above no more than in the untrained control"
        if beaten < len(used)
        else ""
    )
    if not clause:
        return Finding(question, "yes", NEST, words)
    answer: Answer = "partly" if sure else "no"
    return unless_too_few(Finding(question, answer, clause, words), used, NEST)


def _collapse(result: IslandsResult) -> Finding:
    question = "Have levels collapsed to one vector that all cells share?"
    rows = {n: over_samples(result.own.figures["level", n, "collapse"]).mean for n in result.levels}
    gone = [name for name, value in rows.items() if value > COLLAPSED]
    lost = [name for name, value in rows.items() if math.isnan(value)]
    words = f"Collapse number: {_listed(rows)}; above {COLLAPSED} counts as collapsed."
    if lost:
        clause = f"{', '.join(lost)} stayed empty or left the finite numbers"
        return Finding(question, "cannot tell", clause, words, "no")
    if not gone:
        return Finding(question, "no", "no level has collapsed", words, "no")
    answer: Answer = "yes" if len(gone) == len(rows) else "partly"
    return Finding(question, answer, f"{', '.join(gone)} collapsed", words, "no")


def _truth(result: IslandsResult, kind: str) -> Finding:
    question = f"Does a level find the true segments of kind {kind}, beyond what needs no cells?"
    rows = result.own.figures
    if not over_samples(rows["truth", kind, PATCHES, "islands: ARI"]).known:
        clause = f"no sample has two segments of kind {kind}"
        words = "There is nothing to tell apart."
        return Finding(question, "cannot tell", clause, words, subject=kind)
    parts, used, said = [], [], []
    inputs = [name for name, level in result.trained.automaton.layout.items() if level.input]
    for how in ("islands", "clusters"):
        figure = f"{how}: ARI"
        means = {n: over_samples(rows["truth", kind, n, figure]).mean for n in result.levels}
        found_alone = _without_cells(result, kind, how)
        rivals = {name: over_samples(values).mean for name, values in found_alone.items()}
        best, rival = (max(of, key=lambda name: of[name]) for of in (means, rivals))
        used.append(over_samples(rows["truth", kind, best, figure] - found_alone[rival]))
        said.append(f"{format_number(means[best])} by {how} at {best}")
        raw = {n: over_samples(rows["truth", kind, n, figure]).mean for n in inputs}
        beside = f" (the input alone: {_listed(raw)})" if raw else ""
        untrained = result.groups[UNTRAINED]
        if not all(untrained.still(name) for name in result.levels):
            asleep = {n: untrained.figures["truth", kind, n, figure] for n in result.levels}
            listed = _listed({n: over_samples(own).mean for n, own in asleep.items()})
            beside += f"; untrained {listed}"
        parts.append(f"Foreground ARI of {how}: {_listed(means)}; best at {best}{beside}.")
        parts.append(f"Without any automaton: {_listed(rivals)}.")
    found = f"segments of kind {kind} are found"
    better = [one for one, row in zip(said, used, strict=True) if row.positive]
    if better:
        clause = f"{found} (ARI {', '.join(better)})"
        return Finding(question, "yes", clause, " ".join(parts), subject=kind)
    clause = f"{found} no better than without cells (ARI {', '.join(said)})"
    finding = Finding(question, "no", clause, " ".join(parts), subject=kind)
    return unless_too_few(finding, used, found)


def _without_cells(result: IslandsResult, kind: str, how: str) -> dict[str, Tensor]:
    """Return the Rand index of what no automaton has a part in, by name.

    Clusters know how many segments there are, so that they have to beat those who do not as well.
    """
    figures = {f"{how}: ARI", "islands: ARI"}
    return {
        name[2]: values
        for name, values in result.own.figures.items()
        if name[:2] == ("truth", kind)
        and name[3] in figures
        and name[2] not in result.trained.automaton.layout
    }


def _rest(result: IslandsResult) -> Finding:
    question = "Do the levels come to rest?"
    last, parts, shares = result.plan.moments[-1], [], []
    for name in result.levels:
        settled = over_samples(result.own.figures["level", name, "settled"])
        shares.append(settled.known / result.followed)
        when = f" after {format_number(settled.mean)} steps" if settled.known else ""
        change = over_samples(result.own.figures["change", name][:, -1]).mean
        parts.append(
            f"{name} in {format_share(shares[-1])}{when} (last change {format_number(change)})"
        )
    answer: Answer = "yes" if min(shares) > 0.95 else "no" if max(shares) < 0.05 else "partly"
    words = f"Of {result.followed} samples, within {last} steps: {', '.join(parts)}."
    return Finding(question, answer, "", f"{words} {_diverged(result)}", "")


def _diverged(result: IslandsResult) -> str:
    """Return how many samples left the finite numbers, of the automaton and its controls."""
    counts = {g: int(v.sum()) for g, v in result.figures("sample", "diverged").items()}
    listed = ", ".join(f"{group} {count}" for group, count in counts.items() if count)
    return f"Diverged of {result.samples} samples: {listed or 'none'}."


def _beats(result: IslandsResult, levels: list[str], *name: str) -> bool:
    """Tell whether training brought it: whether the untrained control, if it moves, has less.

    The shuffled control is no measure of growth and nesting: it has hardly any islands, and a
    whole that every cell infers from its own part encloses that part on any input.
    """
    if all(result.groups[UNTRAINED].still(level) for level in levels):
        return True
    row = gain(result, UNTRAINED, *name)
    return row.positive or row.known < 2


def _beside(result: IslandsResult, *name: str) -> str:
    rows = {
        group: over_samples(own.figures[name])
        for group, own in result.controls.items()
        if not all(own.still(level) for level in result.levels)
    }
    known = [
        f"{group} {format_number(row.mean, signed=True)}"
        + f" in {row.known} samples" * (row.known < result.samples)
        for group, row in rows.items()
        if row.known
    ]
    return f" ({', '.join(known)})" if known else ""


def _listed(values: dict[str, float], *, signed: bool = False) -> str:
    return ", ".join(f"{name} {format_number(v, signed=signed)}" for name, v in values.items())

"""Say in words what an examination amounts to; every word follows from a number."""

import math

from nca.reports.islands.verdict import Answer, Finding
from nca.reports.robustness.check import Check
from nca.reports.robustness.run import RobustnessResult
from nca.reports.robustness.summary import CheckSummary, Interval

NONE = "–"  # noqa: RUF001


def number(value: float) -> str:
    """Return a number as people read it: about three digits that count."""
    if not math.isfinite(value):
        return NONE
    size = abs(value)
    if value == round(value) and size < 1e5:
        return f"{value:,.0f}"
    if size >= 1e5 or size < 1e-4:
        return f"{value:.1e}"
    if size < 0.1:
        return f"{value:.3g}"
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 3}f}"


def spread(one: Interval | None) -> str:
    """Return a mean with its interval."""
    if one is None or math.isnan(one.mean):
        return NONE
    ends = "" if math.isnan(one.low) else f" [{number(one.low)}, {number(one.high)}]"
    return f"{number(one.mean)}{ends}"


def counted(result: RobustnessResult, check: Check) -> list[tuple[CheckSummary, bool]]:
    """Return the conditions of a check that count, and whether each counts as a yes."""
    rows = []
    for line in result.summaries.get(check.name, []):
        passed = None if line.barred else check.passes(line, result.model)
        if passed is not None:
            rows.append((line, bool(passed)))
    return rows


def findings(result: RobustnessResult) -> list[Finding]:
    """Return the answer to each check."""
    return [_finding(result, check) for check in result.checks]


def headline(result: RobustnessResult) -> str:
    """Return what the examination amounts to, in two or three sentences."""
    model = result.model
    name, steps = model.trained.recipe.name, model.plan.steps
    told, found = [], findings(result)
    clauses = [finding.clause for finding in found if finding.clause]
    if (line := as_trained(result)) is not None:
        seeds = line.headline.asked
        told.append(
            f"{name} has {_article(model.headline)} of {spread(line.headline)} after {steps} "
            f"steps ({seeds} random seed{'s' * (seeds != 1)})."
        )
    if clauses:
        who = "it" if told else name
        told.append(f"Of what was asked {who} passes {', '.join(clauses)}.")
    blown = [
        line
        for lines in result.summaries.values()
        for line in lines
        if not line.barred and line.exploded
    ]
    if blown:
        first = min(blown, key=lambda line: line.exploded_at or math.inf)
        told.append(
            f"It explodes under {len(blown)} conditions, first at step {first.exploded_at:,} "
            f"({first.check}: {first.condition})."
        )
    return " ".join(told) or f"Nothing has been asked of {name}."


def as_trained(result: RobustnessResult) -> CheckSummary | None:
    """Return what was measured after the trained steps with nothing changed."""
    return next(
        (line for line in result.summaries.get("duration", []) if line.beside is None), None
    )


def _finding(result: RobustnessResult, check: Check) -> Finding:
    if check.name in result.barred:
        reason = f"Does not apply: {result.barred[check.name]}."
        return Finding(check.question, "cannot tell", "", reason, "")
    if not result.asked[check.name]:
        return Finding(check.question, "cannot tell", "", "Not asked: there was no time.", "")
    rows = counted(result, check)
    if not rows:
        reasons = dict.fromkeys(line.barred for line in result.summaries[check.name])
        words = f"Does not apply: {' '.join(filter(None, reasons))}"
        return Finding(check.question, "cannot tell", "", words, "")
    passed = sum(good for _, good in rows)
    answer: Answer = "yes" if passed == len(rows) else "partly" if passed else "no"
    clause = f"{passed} of {len(rows)} {check.conditions}"
    words = f"{clause[0].upper()}{clause[1:]}. {_told(rows)}".strip()
    barred = [line.condition for line in result.summaries[check.name] if line.barred]
    if barred:
        words += f" Does not apply: {'; '.join(barred)}."
    return Finding(check.question, answer, clause, words)


def _told(rows: list[tuple[CheckSummary, bool]]) -> str:
    """Return the figures of the conditions that fail; of all, where none does or few are there."""
    failed = [line for line, good in rows if not good]
    told = [line for line, _ in rows] if len(rows) <= 4 else failed
    words = "; ".join(_figures(line) for line in told[:6])
    more = f"; and {len(told) - 6} more" if len(told) > 6 else ""
    slow = [
        line.figures["steps to heal"].mean
        for line, good in rows
        if good and "steps to heal" in line.figures
    ]
    healing = f"Steps to heal: {number(min(slow))} to {number(max(slow))}. " if slow else ""
    start = "Not " if failed and told is failed else ""
    return f"{healing}{start}{words}{more}." if words else healing.strip()


def _figures(line: CheckSummary) -> str:
    if "largest difference" in line.figures:
        return f"{line.condition}: {number(line.figures['largest difference'].mean)}"
    if line.exploded:
        return f"{line.condition}: explodes at step {line.exploded_at:,}"
    beside = "" if line.beside is None else f" instead of {number(line.beside.mean)}"
    return f"{line.condition}: {number(line.headline.mean)}{beside}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"

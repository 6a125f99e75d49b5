"""Verdict on robustness: findings in words, each of which follows from a number."""

import math

from nca.reports.finding import Answer, Finding
from nca.reports.numbers import format_number, with_interval
from nca.reports.robustness.check import Check
from nca.reports.robustness.damage import RECOVERY, STEPS_TO_HEAL
from nca.reports.robustness.run import RobustnessResult
from nca.reports.robustness.summary import CheckSummary
from nca.reports.robustness.translation import DIFFERENCE


def counted(result: RobustnessResult, check: Check) -> list[tuple[CheckSummary, bool]]:
    """Return the conditions of a check that count, and whether each counts as a yes."""
    rows = []
    for line in result.summaries.get(check.name, []):
        passed = None if line.barred else check.passes(line, result.model)
        if passed is not None:
            rows.append((line, bool(passed)))
    return rows


def findings(result: RobustnessResult) -> list[Finding]:
    """Return the answer of each check."""
    return [_finding(result, check) for check in result.checks]


def robustness_headline(result: RobustnessResult) -> str:
    """Return what the checks amount to, in two or three sentences."""
    model = result.model
    name, steps = model.trained.recipe.name, model.plan.steps
    parts, found = [], findings(result)
    clauses = [finding.clause for finding in found if finding.clause]
    if (line := as_trained(result)) is not None:
        seeds = line.headline.asked
        parts.append(
            f"{name} has {_article(model.headline)} of {with_interval(line.headline)} after "
            f"{steps} steps ({seeds} random seed{'s' * (seeds != 1)})."
        )
    if clauses:
        who = "it" if parts else name
        parts.append(f"Of what was asked {who} passes {', '.join(clauses)}.")
    blown = [
        line
        for lines in result.summaries.values()
        for line in lines
        if not line.barred and line.exploded
    ]
    if blown:
        first = min(blown, key=lambda line: line.exploded_at or math.inf)
        parts.append(
            f"It explodes under {len(blown)} conditions, first at step {first.exploded_at:,} "
            f"({first.check}: {first.condition})."
        )
    return " ".join(parts) or f"Nothing has been asked of {name}."


def as_trained(result: RobustnessResult) -> CheckSummary | None:
    """Return what was measured after the trained steps with nothing changed."""
    return next(
        (line for line in result.summaries.get("duration", []) if line.unchanged is None), None
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
    words = f"{clause[0].upper()}{clause[1:]}. {_listed(rows)}".strip()
    barred = [str(line.condition) for line in result.summaries[check.name] if line.barred]
    if barred:
        words += f" Does not apply: {'; '.join(barred)}."
    return Finding(check.question, answer, clause, words)


def _listed(rows: list[tuple[CheckSummary, bool]]) -> str:
    """Return the figures of the conditions that fail; of all, where none does or few are there."""
    failed = [line for line, good in rows if not good]
    parts = [line for line, _ in rows] if len(rows) <= 4 else failed
    words = "; ".join(_figures(line) for line in parts[:6])
    more = f"; and {len(parts) - 6} more" if len(parts) > 6 else ""
    slow = [
        line.figures[STEPS_TO_HEAL].mean
        for line, good in rows
        if good and STEPS_TO_HEAL in line.figures
    ]
    healing = (
        f"Steps to heal: {format_number(min(slow))} to {format_number(max(slow))}. " if slow else ""
    )
    back = [line.figures[RECOVERY].mean for line, _ in rows if RECOVERY in line.figures]
    if back := [value for value in back if math.isfinite(value)]:
        healing += f"Recovery: {format_number(min(back))} to {format_number(max(back))} %. "
    start = "Not " if failed and parts is failed else ""
    return f"{healing}{start}{words}{more}." if words else healing.strip()


def _figures(line: CheckSummary) -> str:
    if DIFFERENCE in line.figures:
        return f"{line.condition}: {format_number(line.figures[DIFFERENCE].mean)}"
    if line.exploded:
        return f"{line.condition}: explodes at step {line.exploded_at:,}"
    instead = "" if line.unchanged is None else f" instead of {format_number(line.unchanged.mean)}"
    return f"{line.condition}: {format_number(line.headline.mean)}{instead}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"

"""Lay an examination out in tables of text, and in rows for the terminal."""

from nca.reports.islands.tables import Table
from nca.reports.robustness.check import Check
from nca.reports.robustness.run import RobustnessResult
from nca.reports.robustness.summary import CheckSummary
from nca.reports.robustness.verdict import NONE, counted, number, spread

PASSED = {True: "yes", False: "no", None: ""}


def table(result: RobustnessResult, check: Check) -> Table:
    """Return the conditions of a check as rows."""
    headline = result.model.headline
    lines = [line for line in result.summaries[check.name] if not line.barred]
    passed = {line.condition: good for line, good in counted(result, check)}
    measured = any(line.metrics for line in lines)
    figures = list(dict.fromkeys(name for line in lines for name in line.figures))
    columns = ["condition", "passes"]
    columns += ["step", headline, "unchanged", "change"] if measured else []
    columns += [*figures, *(["exploded"] if measured else [])]
    rows = []
    for line in lines:
        row = [line.condition, PASSED[passed.get(line.condition)]]
        if measured:
            row += [f"{line.steps:,}", spread(line.headline), spread(line.beside)]
            row += [spread(line.change)]
        row += [spread(line.figures.get(name)) for name in figures]
        rows.append([*row, *([exploded(line)] if measured else [])])
    return Table(2, columns, rows)


def all_metrics(result: RobustnessResult, check: Check) -> Table:
    """Return every metric of the task under every condition of a check."""
    lines = [line for line in result.summaries[check.name] if not line.barred]
    names = list(dict.fromkeys(name for line in lines for name in line.metrics))
    rows = [[line.condition, *(spread(line.metrics.get(name)) for name in names)] for line in lines]
    return Table(1, ["condition", *names], rows)


def exploded(line: CheckSummary) -> str:
    """Return which share of the samples exploded, and when the first did."""
    return f"{100 * line.exploded:.3g} % from step {line.exploded_at:,}" if line.exploded else NONE


def rows(result: RobustnessResult) -> list[tuple[str, str, str, str]]:
    """Return check, condition, figure and change of each condition, for a narrow table."""
    found = []
    for check in result.checks:
        for line in result.summaries.get(check.name, []):
            if line.barred:
                continue
            told, change = spread(line.headline), "" if line.change is None else _signed(line)
            if "largest difference" in line.figures:
                told = number(line.figures["largest difference"].mean)
            if line.exploded:
                change = f"explodes at {line.exploded_at:,}"
            elif "steps to heal" in line.figures:
                change = _healing(line)
            found.append((check.name, line.condition, told, change))
    return found


def _signed(line: CheckSummary) -> str:
    assert line.change is not None
    mean = line.change.mean
    return number(mean) if mean != mean or mean <= 0 else f"+{number(mean)}"


def _healing(line: CheckSummary) -> str:
    healed = line.figures["healed"]
    steps = line.figures["steps to heal"].mean
    if healed.mean == 1:
        return f"heals in {number(steps)}" if steps else "unharmed"
    return (
        f"heals in {healed.asked * healed.mean:.0f} of {healed.asked} seeds"
        if healed.mean
        else "never heals"
    )

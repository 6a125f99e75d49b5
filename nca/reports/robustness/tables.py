"""Tables of the checks, for the page and for the terminal."""

from nca.reports.numbers import format_number, format_share, with_interval
from nca.reports.robustness.check import Check
from nca.reports.robustness.damage import HEALED, RECOVERY, STEPS_TO_HEAL
from nca.reports.robustness.run import RobustnessResult
from nca.reports.robustness.summary import CheckSummary
from nca.reports.robustness.translation import DIFFERENCE
from nca.reports.robustness.verdict import counted
from nca.reports.table import Table

PASSED = {True: "yes", False: "no", None: ""}


def check_table(result: RobustnessResult, check: Check) -> Table:
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
        row = [str(line.condition), PASSED[passed.get(line.condition)]]
        if measured:
            row += [f"{line.steps:,}", with_interval(line.headline), with_interval(line.unchanged)]
            row += [with_interval(line.change)]
        row += [with_interval(line.figures.get(name)) for name in figures]
        rows.append([*row, *([exploded(line)] if measured else [])])
    return Table(2, columns, rows)


def all_metrics(result: RobustnessResult, check: Check) -> Table:
    """Return every metric of the task under every condition of a check."""
    lines = [line for line in result.summaries[check.name] if not line.barred]
    names = list(dict.fromkeys(name for line in lines for name in line.metrics))
    rows = [
        [str(line.condition), *(with_interval(line.metrics.get(name)) for name in names)]
        for line in lines
    ]
    return Table(1, ["condition", *names], rows)


def exploded(line: CheckSummary) -> str:
    """Return which share of the samples exploded, and when the first did."""
    if not line.exploded:
        return "no"
    return f"{format_share(line.exploded)} from step {line.exploded_at:,}"


def result_rows(result: RobustnessResult) -> list[tuple[str, str, str, str]]:
    """Return check, condition, figure and change of each condition, for a narrow table."""
    found = []
    for check in result.checks:
        for line in result.summaries.get(check.name, []):
            if line.barred:
                continue
            value = with_interval(line.headline)
            change = "" if line.change is None else format_number(line.change.mean, signed=True)
            if DIFFERENCE in line.figures:
                value = format_number(line.figures[DIFFERENCE].mean)
            if line.exploded:
                change = f"explodes at {line.exploded_at:,}"
            elif STEPS_TO_HEAL in line.figures:
                change = _healing(line)
            found.append((check.name, str(line.condition), value, change))
    return found


def _healing(line: CheckSummary) -> str:
    healed = line.figures[HEALED]
    steps = line.figures[STEPS_TO_HEAL].mean
    back = line.figures[RECOVERY]
    share = f", {format_number(back.mean)} % back" if back.known else ""
    if healed.mean == 1:
        return f"heals in {format_number(steps)}{share}" if steps else "unharmed"
    if healed.mean:
        return f"heals in {healed.asked * healed.mean:.0f} of {healed.asked} seeds{share}"
    return f"never heals{share}"

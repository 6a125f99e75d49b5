"""Print what was measured: for each case two tables, plain first, and what to know."""

from collections.abc import Iterator

from rich.table import Table

from nca.bench import BenchReport, Measured, Result
from nca.bench.backends import WHATS
from nca.bench.results import UNSTEADY
from nca.cli.console import print_result, show_table

WIDTH = 80
"""At least so wide, since figures that are cut in two cannot be compared."""

OFF = 1e-3
"""From which difference on the outcome of a backend is said to be another than plain's."""

DISTURBED = 0.9
"""Below which share of the time at work a backend is said to have been disturbed by other load."""

LEGEND = (
    "spread   half the distance of the quartiles, as a share of the median",
    "M/s      million cells a second, each for one step, dead ones included",
    "speed    times as fast as plain in the same round; level: rounds disagree",
    "MB       what it adds to the memory, at its highest",
    "ceiling  share of what the device can do; over 100% where cells are spared",
    "compile  seconds that the first call took longer",
)

HEADS = {"forward": "forward: a rollout", "training": "training: an iteration"}

COLUMNS = ("ms", "spread", "M/s", "speed", "", "MB", "ceiling", "compile")


def show_measured(measured: Measured) -> None:
    """Print a case: what it is, then a table for forward and one for training."""
    case = measured.case
    size = "x".join(map(str, case.size))
    print_result(f"{case.name}: {size} cells, batch {case.batch}, {case.steps} steps")
    facts = [f"{measured.parameters:,} weights"]
    if measured.alive[0] < 1:
        facts.append(f"{measured.alive[0]:.0%} alive")
    flop = {what: f"{work.operations:,.0f}" for what, work in measured.work.items()}
    if "forward" in flop:
        facts.append(f"{flop['forward']} FLOP per cell and step")
    if "training" in flop:
        facts.append(f"{flop['training']} in training")
    print_result(f"  {', '.join(facts)}")
    for what in WHATS:
        results = [result for result in measured.results if result.what == what]
        if what in measured.left_out:
            print_result(f"{HEADS[what]}: not measured, {measured.left_out[what]}")
        if results:
            print_result(HEADS[what])
            _show_table(results, case.cell_steps)
            for line in _notes(results):
                print_result(f"  {line}")
    print_result("")


def show_machine(report: BenchReport) -> None:
    """Print what the device is and does at best, and how to read the tables."""
    machine, ceiling, after = report.machine, report.ceiling, report.after
    rounds = [len(r.seconds) for m in report.measured for r in m.results if not r.failed]
    print_result(f"{machine['device']}, torch {machine['torch']}, {machine['system']}")
    print_result(f"  time {machine['time']}")
    for dtype, before in ceiling.products.items():
        later = after.products[dtype]
        print_result(
            f"  products in {dtype:<9}{before / 1e9:8,.0f} GFLOP/s, afterwards {later / 1e9:,.0f}"
        )
    print_result(
        f"  copies{ceiling.copied / 1e9:21,.1f} GB/s, afterwards {after.copied / 1e9:,.1f}"
    )
    many = f"{min(rounds)} to {max(rounds)}" if rounds else "no"
    print_result(f"  medians of {many} rounds of all steps; {report.seconds:.0f} s in all")
    for line in LEGEND:
        print_result(f"  {line}")


def _show_table(results: list[Result], cell_steps: int) -> None:
    if all(result.failed for result in results):
        return
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("  way", min_width=14, no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "" else "right", no_wrap=True)
    for result in results:
        if not result.failed:
            table.add_row(f"  {result.backend.name}", *_row(result, cell_steps))
    show_table(table, WIDTH)


def _row(result: Result, cell_steps: int) -> Iterator[str]:
    time = result.time
    yield f"{time.median * 1e3:,.1f}"
    yield f"{time.share:.1%}" if len(result.seconds) > 1 else "?"
    yield f"{cell_steps / time.median / 1e6:,.2f}"
    yield f"{result.speedup.median:.2f}"
    yield "" if result.verdict == "reference" else result.verdict
    yield "?" if result.peak is None else f"{result.peak / 1e6:,.0f}"
    yield f"{result.share:.1%}"
    yield "" if result.compiling is None else f"{result.compiling:.1f}"


def _notes(results: list[Result]) -> Iterator[str]:
    for result in results:
        name = result.backend.name
        if result.failed:
            yield f"{name} cannot: {result.failed}"
            continue
        if result.difference > OFF:
            yield f"{name}: its outcome is {result.difference:.1%} of the change away from plain's"
        if result.at_work < DISTURBED:
            yield f"{name}: disturbed, it was at work for {result.at_work:.0%} of the time"
        if result.time.share > UNSTEADY:
            yield f"{name}: unsteady, the quartiles are {2 * result.time.share:.0%} apart"

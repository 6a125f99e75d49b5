"""The report on islands as one page of HTML, without network or other files."""

from collections.abc import Mapping
from html import escape

from PIL import Image

from nca.reports.finding import Finding
from nca.reports.html import answered, definitions, document, figure, section, table
from nca.reports.islands import tables
from nca.reports.islands.captions import CAPTIONS, MEANINGS
from nca.reports.islands.run import IslandsResult
from nca.reports.islands.verdict import islands_headline, verdict
from nca.reports.publish import checkpoint_settings

CHARTS = ("course", "sweep", "rest")
"""Which of the pictures are ink on white."""


def islands_page(result: IslandsResult, pictures: Mapping[str, Image.Image]) -> str:
    """Return the page.

    Args:
        result: What was found.
        pictures: Its pictures by name, as captions call them.
    """
    findings = verdict(result)
    sections = [
        section("Levels", [_picture(pictures, "outlines"), *_levels(result)]),
        section("Beside the controls", _controls(result)),
        *([section("From level to level", _relations(result))] if len(result.levels) > 1 else []),
        *_truths(result),
        *_probes(result),
        section("What the cells hold", [_picture(pictures, n) for n in ("components", "angles")]),
        section("Any threshold", [_picture(pictures, "sweep"), table(tables.areas(result))]),
        section("Over time", _time(result, pictures)),
        section("The measures", [_meanings(result)]),
        section("How it was measured", [_settings(result)]),
    ]
    title = f"Islands of {result.trained.recipe.name}"
    return document(title, [_head(result, findings), *sections])


def _head(result: IslandsResult, findings: list[Finding]) -> str:
    name, plan = escape(result.trained.recipe.name), result.plan
    return (
        f"<header><h1>Islands of {name}</h1>\n"
        f"<p class=quiet>{result.samples} {plan.kind} samples at step "
        f"{plan.steps}. Numbers are means ± standard deviations across samples.</p></header>\n"
        f"{answered(islands_headline(findings), findings)}"
    )


def _levels(result: IslandsResult) -> list[str]:
    return [
        "<p>Contrast and collapse stand side by side on purpose: where all cells share one large "
        "vector, neighbours look alike without any island.</p>",
        table(tables.levels(result)),
    ]


def _controls(result: IslandsResult) -> list[str]:
    parts = [
        f"<p><b>{escape(name)}</b>: {escape(MEANINGS[name])}"
        + ("" if not still else f" It stands still at {escape(', '.join(still))}.")
        + "</p>"
        for name, group in result.controls.items()
        for still in [[level for level in result.levels if group.still(level)]]
    ]
    return [*parts, table(tables.beside_controls(result))]


def _relations(result: IslandsResult) -> list[str]:
    return [
        f"<p>{escape(_filled('growth', result))}</p>",
        table(tables.growth(result)),
        f"<p>{escape(_filled('nesting', result))}</p>",
        table(tables.nesting_table(result)),
    ]


def _truths(result: IslandsResult) -> list[str]:
    names = (
        "islands against the truth",
        "clusters against the truth",
        "patches of the foreground",
        "places of the foreground",
    )
    parts = [f"<p><b>{name.split()[0]}</b>: {escape(MEANINGS[name])}</p>" for name in names]
    return [
        section(f"True segments: {kind}", [*parts, table(found)])
        for kind, found in tables.truths(result)
    ]


def _probes(result: IslandsResult) -> list[str]:
    found = tables.probes(result)
    parts = f"<p>{escape(MEANINGS['probe'])}</p>"
    return [section("What the cells know", [parts, table(found)])] if found.rows else []


def _time(result: IslandsResult, pictures: Mapping[str, Image.Image]) -> list[str]:
    shown = [_picture(pictures, name) for name in ("through_time", "pictures", "course", "rest")]
    folded = f"<details><summary>The same in numbers</summary>{table(tables.course_table(result))}"
    return [*shown, f"{folded}</details>"]


def _meanings(result: IslandsResult) -> str:
    return definitions({tables.LEVEL.get(name, name): _filled(name, result) for name in MEANINGS})


def _filled(name: str, result: IslandsResult) -> str:
    plan = result.plan
    return MEANINGS[name].format(
        smallest=plan.smallest,
        threshold=plan.threshold,
        first=plan.thresholds[0],
        last=plan.thresholds[-1],
    )


def _settings(result: IslandsResult) -> str:
    plan, trained = result.plan, result.trained
    rows = checkpoint_settings(trained) | {
        "random seed": str(trained.recipe.tables.random_seed),
        "moments": f"{', '.join(map(str, plan.moments))}; {result.followed} samples beyond "
        f"step {plan.steps}",
        "threshold": f"{plan.threshold}; sweep {', '.join(map(str, plan.thresholds))}",
        "smallest island": f"{plan.smallest} cells",
        "random translations": f"{plan.shifts} per sample and pair of levels",
    }
    return (
        f"{definitions(rows)}<p>A difference counts where the 95 % interval of its mean over "
        "samples (Student's t) lies above 0. "
        "The measures follow G. Hinton, How to represent part-whole hierarchies in a neural "
        "network (2021), Roy and Vetterli (2007) for the effective rank, Hubert and Arabie "
        "(1985) for the adjusted Rand index, Ramsauer et al. (2021) for the energy, and Alain and "
        "Bengio (2016) for the probes.</p>"
    )


def _picture(pictures: Mapping[str, Image.Image], name: str) -> str:
    return figure(pictures[name], CAPTIONS[name], chart=name in CHARTS)

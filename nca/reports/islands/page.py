"""Write a study as one page of HTML that needs nothing else: no network, no other file."""

from collections.abc import Mapping
from html import escape

from PIL import Image

from nca.reports.html import answered, document, figure, section, table, words
from nca.reports.islands import Finding, Study, headline, tables, verdict
from nca.reports.islands.captions import CAPTIONS, MEANINGS


def page(study: Study, plates: Mapping[str, Image.Image]) -> str:
    """Return the page.

    Args:
        study: What was found.
        plates: Its pictures by name, as captions call them.
    """
    findings = verdict(study)
    sections = [
        section("Levels", [_plate(plates, "outlines"), *_levels(study)]),
        section("Beside the controls", _controls(study)),
        *([section("From level to level", _relations(study))] if len(study.levels) > 1 else []),
        *_truths(study),
        *_probes(study),
        section("What the cells hold", [_plate(plates, n) for n in ("components", "angles")]),
        section("Any threshold", [_plate(plates, "sweep"), table(tables.areas(study))]),
        section("Over time", _time(study, plates)),
        section("The measures", [_meanings(study)]),
        section("How it was measured", [_settings(study)]),
    ]
    title = f"Islands of {study.trained.recipe.name}"
    return document(title, [_head(study, findings), *sections])


def _head(study: Study, findings: list[Finding]) -> str:
    name, plan = escape(study.trained.recipe.name), study.plan
    return (
        f"<header><h1>Islands of {name}</h1>\n"
        f"<p class=quiet>{study.samples} {plan.kind} samples at step "
        f"{plan.steps}. Numbers are means ± standard deviations across samples.</p></header>\n"
        f"{answered(headline(findings), findings)}"
    )


def _levels(study: Study) -> list[str]:
    return [
        "<p>Contrast and collapse stand side by side on purpose: where all cells share one large "
        "vector, neighbours look alike without any island.</p>",
        table(tables.levels(study)),
    ]


def _controls(study: Study) -> list[str]:
    told = [
        f"<p><b>{escape(name)}</b>: {escape(MEANINGS[name])}"
        + ("" if not still else f" It stands still at {escape(', '.join(still))}.")
        + "</p>"
        for name, arm in study.controls.items()
        for still in [[level for level in study.levels if arm.still(level)]]
    ]
    return [*told, table(tables.beside_controls(study))]


def _relations(study: Study) -> list[str]:
    return [
        f"<p>{escape(_filled('growth', study))}</p>",
        table(tables.growth(study)),
        f"<p>{escape(_filled('nesting', study))}</p>",
        table(tables.nesting(study)),
    ]


def _truths(study: Study) -> list[str]:
    names = ("islands against the truth", "clusters against the truth", "patches of the foreground")
    told = [f"<p><b>{name.split()[0]}</b>: {escape(MEANINGS[name])}</p>" for name in names]
    return [
        section(f"True segments: {kind}", [*told, table(found)])
        for kind, found in tables.truths(study)
    ]


def _probes(study: Study) -> list[str]:
    found = tables.probes(study)
    told = f"<p>{escape(MEANINGS['probe'])}</p>"
    return [section("What the cells know", [told, table(found)])] if found.rows else []


def _time(study: Study, plates: Mapping[str, Image.Image]) -> list[str]:
    shown = [_plate(plates, name) for name in ("through_time", "pictures", "course", "rest")]
    folded = f"<details><summary>The same in numbers</summary>{table(tables.course(study))}"
    return [*shown, f"{folded}</details>"]


def _meanings(study: Study) -> str:
    return words({tables.LEVEL.get(name, name): _filled(name, study) for name in MEANINGS})


def _filled(name: str, study: Study) -> str:
    plan = study.plan
    return MEANINGS[name].format(
        smallest=plan.smallest,
        threshold=plan.threshold,
        first=plan.thresholds[0],
        last=plan.thresholds[-1],
    )


def _settings(study: Study) -> str:
    plan, trained = study.plan, study.trained
    rows = {
        "checkpoint": str(trained.path),
        "iteration": f"{trained.checkpoint.iteration:,}",
        "overrides": ", ".join(trained.recipe.overrides) or "none",
        "random seed": str(trained.recipe.tables.random_seed),
        "grid": " x ".join(map(str, trained.recipe.tables.grid.size)),
        "beyond the edge": ", ".join(trained.recipe.tables.grid.topology),
        "moments": f"{', '.join(map(str, plan.moments))}; {study.followed} samples beyond "
        f"step {plan.steps}",
        "threshold": f"{plan.threshold}; sweep {', '.join(map(str, plan.thresholds))}",
        "smallest island": f"{plan.smallest} cells",
        "random translations": f"{plan.shifts} per sample and pair of levels",
    }
    return (
        f"{words(rows)}<p>A difference counts where it exceeds two standard errors. "
        "The measures follow G. Hinton, How to represent part-whole hierarchies in a neural "
        "network (2021), Roy and Vetterli (2007) for the effective rank, Hubert and Arabie "
        "(1985) for the adjusted Rand index, Ramsauer et al. (2021) for the energy, and Alain and "
        "Bengio (2016) for the probes.</p>"
    )


def _plate(plates: Mapping[str, Image.Image], name: str) -> str:
    return figure(plates[name], CAPTIONS[name])

"""Write a study as one page of HTML that needs nothing else: no network, no other file."""

import base64
import io
from collections.abc import Mapping
from html import escape
from itertools import pairwise

from PIL import Image

from nca.exhibit import tables
from nca.exhibit.style import STYLE
from nca.exhibit.tables import Table
from nca.exhibit.words import CAPTIONS, MEANINGS
from nca.study import Finding, Study, headline, verdict


def page(study: Study, plates: Mapping[str, Image.Image]) -> str:
    """Return the page.

    Args:
        study: What was found.
        plates: Its pictures by name, as captions call them.
    """
    findings = verdict(study)
    sections = [
        _section("Levels", [_figure(plates, "outlines"), *_levels(study)]),
        _section("Beside the controls", _controls(study)),
        *([_section("From level to level", _relations(study))] if len(study.levels) > 1 else []),
        *_truths(study),
        *_probes(study),
        _section("What the cells hold", [_figure(plates, n) for n in ("components", "angles")]),
        _section("Any threshold", [_figure(plates, "sweep"), _table(tables.areas(study))]),
        _section("Over time", _time(study, plates)),
        _section("The measures", [_meanings(study)]),
        _section("How it was measured", [_settings(study)]),
    ]
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Islands of {escape(study.trained.recipe.name)}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{_head(study, findings)}\n" + "\n".join(sections) + "\n</main>\n</body>\n</html>\n"
    )


def _head(study: Study, findings: list[Finding]) -> str:
    name, plan = escape(study.trained.recipe.name), study.plan
    rows = "\n".join(_finding(finding) for finding in findings)
    return (
        f"<header><h1>Islands of {name}</h1>\n"
        f"<p class=quiet>{study.samples} {plan.split.replace('_', '-')} samples at step "
        f"{plan.steps}. Numbers are means ± standard deviations across samples.</p></header>\n"
        f"<section class=verdict><p class=headline>{escape(headline(findings))}</p>\n"
        f"<dl>{rows}</dl></section>"
    )


def _finding(finding: Finding) -> str:
    mood = {True: "good", False: "bad", None: "open"}[finding.good]
    if finding.answer == "partly":
        mood = "half"
    return (
        f"<div><dt>{escape(finding.question)} <span class={mood}>{finding.answer}</span></dt>"
        f"<dd>{escape(finding.words)}</dd></div>"
    )


def _levels(study: Study) -> list[str]:
    return [
        "<p>Contrast and collapse stand side by side on purpose: where all cells share one large "
        "vector, neighbours look alike without any island.</p>",
        _table(tables.levels(study)),
    ]


def _controls(study: Study) -> list[str]:
    told = [
        f"<p><b>{escape(name)}</b>: {escape(MEANINGS[name])}"
        + ("" if not still else f" It stands still at {escape(', '.join(still))}.")
        + "</p>"
        for name, arm in study.controls.items()
        for still in [[level for level in study.levels if arm.still(level)]]
    ]
    return [*told, _table(tables.beside_controls(study))]


def _relations(study: Study) -> list[str]:
    return [
        f"<p>{escape(_filled('growth', study))}</p>",
        _table(tables.growth(study)),
        f"<p>{escape(_filled('nesting', study))}</p>",
        _table(tables.nesting(study)),
    ]


def _truths(study: Study) -> list[str]:
    names = ("islands against the truth", "clusters against the truth", "patches of the foreground")
    told = [f"<p><b>{name.split()[0]}</b>: {escape(MEANINGS[name])}</p>" for name in names]
    return [
        _section(f"True segments: {kind}", [*told, _table(table)])
        for kind, table in tables.truths(study)
    ]


def _probes(study: Study) -> list[str]:
    table = tables.probes(study)
    told = f"<p>{escape(MEANINGS['probe'])}</p>"
    return [_section("What the cells know", [told, _table(table)])] if table.rows else []


def _time(study: Study, plates: Mapping[str, Image.Image]) -> list[str]:
    shown = [_figure(plates, name) for name in ("through_time", "pictures", "course", "rest")]
    folded = f"<details><summary>The same in numbers</summary>{_table(tables.course(study))}"
    return [*shown, f"{folded}</details>"]


def _meanings(study: Study) -> str:
    rows = "".join(
        f"<div><dt>{escape(tables.LEVEL.get(name, name))}</dt>"
        f"<dd>{escape(_filled(name, study))}</dd></div>"
        for name in MEANINGS
    )
    return f"<dl class=words>{rows}</dl>"


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
    told = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in rows.items())
    return (
        f"<dl class=words>{told}</dl><p>A difference counts where it exceeds two standard errors. "
        "The measures follow G. Hinton, How to represent part-whole hierarchies in a neural "
        "network (2021), Roy and Vetterli (2007) for the effective rank, Hubert and Arabie "
        "(1985) for the adjusted Rand index, Ramsauer et al. (2021) for the energy, and Alain and "
        "Bengio (2016) for the probes.</p>"
    )


def _section(title: str, parts: list[str]) -> str:
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"


def _figure(plates: Mapping[str, Image.Image], name: str) -> str:
    content = io.BytesIO()
    plates[name].save(content, "PNG", optimize=True)
    data = base64.b64encode(content.getvalue()).decode()
    width = plates[name].width
    caption = escape(CAPTIONS[name])
    return (
        f'<figure><img src="data:image/png;base64,{data}" width={width} '
        f'alt="{caption.partition(".")[0]}"><figcaption>{caption}</figcaption></figure>'
    )


def _table(table: Table) -> str:
    heads = "".join(
        f"<th{' class=word' * (place < table.words)}>{escape(column)}</th>"
        for place, column in enumerate(table.columns)
    )
    rows = []
    for before, row in pairwise([[""] * len(table.columns), *table.rows]):
        # a word is told once, and again where anything to its left has changed
        same = 0
        while same < table.words - 1 and before[same] == row[same]:
            same += 1
        cells = [
            f"<td class=word>{'' if place < same else escape(cell)}</td>"
            if place < table.words
            else f"<td>{escape(cell)}</td>"
            for place, cell in enumerate(row)
        ]
        rows.append(f"<tr{' class=first' * (not same)}>{''.join(cells)}</tr>")
    return (
        f"<div class=table><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )

"""The report on robustness as one page of HTML, without network or other files."""

from collections.abc import Mapping
from html import escape

from PIL import Image

from nca.reports.html import answered, definitions, document, figure, section, table
from nca.reports.publish import checkpoint_settings
from nca.reports.robustness import tables
from nca.reports.robustness.check import Check
from nca.reports.robustness.run import RobustnessResult
from nca.reports.robustness.verdict import findings, robustness_headline

CAPTIONS = {
    "course": "Over time. The mean over random seeds in the band of its interval, at the moments "
    "marked by dots, and the same of the few samples of the long run; the dotted line marks the "
    "trained steps. A band that reaches below what a mean can be is cut there.",
    "conditions": "Every condition. Dots are means over random seeds with their intervals, grey "
    "bars what it is without the change; orange: samples exploded. What is missing was not finite.",
    "healing": "Healing. The mean over random seeds after each damage; dashed: the same samples "
    "undamaged.",
    "pictures": "What the task shows of a few samples: through time, and after damage by half.",
}
"""By picture; they are shown in this order where they are there."""

INTERVALS = (
    "Numbers are means over random seeds, with intervals that cover the true mean in 95 % of "
    "cases if seeds vary normally (Student's t), and may reach beyond what a share can "
    "be. A random seed decides which samples are taken and all "
    "chance in their steps. Differences are taken seed by seed."
)


def robustness_page(result: RobustnessResult, pictures: Mapping[str, Image.Image]) -> str:
    """Return the page.

    Args:
        result: What was found.
        pictures: Its pictures, by name as in `CAPTIONS`.
    """
    name = result.model.trained.recipe.name
    shown = [
        figure(pictures[picture], text, chart=picture != "pictures")
        for picture, text in CAPTIONS.items()
        if picture in pictures
    ]
    parts = [
        _head(result),
        *([section("At a glance", shown)] if shown else []),
        *(_check(result, check) for check in result.checks),
        section("How it was measured", [_settings(result)]),
    ]
    return document(f"Robustness of {name}", parts)


def settings(result: RobustnessResult) -> dict[str, str]:
    """Return what the report depends on, in words."""
    model = result.model
    plan, trained = model.plan, model.trained
    alike = len({id(batch) for batch in model.batches}) < plan.seeds
    each = model.batches[0].state.batch
    again = ", the same ones again where the split has no more" * alike
    return checkpoint_settings(trained) | {
        "random seeds": ", ".join(map(str, model.random_seeds)),
        "samples": f"{each} per random seed, {plan.split.replace('_', '-')} data{again}",
        "trained steps": f"{plan.steps}",
        "long run": f"{plan.long_steps:,} steps, {min(plan.long_samples, each)} samples per "
        "random seed",
        "cut": "; ".join([*model.cut, *result.missing]) or "nothing",
    }


def _head(result: RobustnessResult) -> str:
    name = escape(result.model.trained.recipe.name)
    cut = [*result.model.cut, *result.missing]
    text = f" Cut short: {'; '.join(cut)}." if cut else ""
    return (
        f"<header><h1>Robustness of {name}</h1>\n"
        f"<p class=quiet>{INTERVALS}{escape(text)}</p></header>\n"
        f"{answered(robustness_headline(result), findings(result))}"
    )


def _check(result: RobustnessResult, check: Check) -> str:
    title = check.name.capitalize()
    parts = [f"<p>{escape(check.how)}</p>"]
    if check.name in result.barred:
        return section(title, [f"<p>Does not apply: {escape(result.barred[check.name])}."])
    lines = result.summaries[check.name]
    if not lines:
        return section(title, [*parts, "<p>Not asked: there was no time.</p>"])
    measured = [line for line in lines if not line.barred]
    if measured:
        parts.append(table(tables.check_table(result, check)))
    parts += [
        f"<p><b>{escape(str(line.condition))}</b> does not apply: {escape(line.barred)}</p>"
        for line in lines
        if line.barred
    ]
    if any(len(line.metrics) > 1 for line in measured):
        folded = table(tables.all_metrics(result, check))
        parts.append(f"<details><summary>All metrics</summary>{folded}</details>")
    overrides = {str(line.condition): "  ".join(line.overrides) for line in lines if line.overrides}
    if overrides:
        listed = definitions({name: f"--set {text}" for name, text in overrides.items()})
        parts.append(f"<details><summary>As overrides of the recipe</summary>{listed}</details>")
    return section(title, parts)


def _settings(result: RobustnessResult) -> str:
    return definitions(settings(result))

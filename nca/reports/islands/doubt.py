"""When figures say nothing: samples that are too few, and states that left the finite numbers."""

from collections.abc import Sequence
from dataclasses import replace

from nca.reports.finding import Finding
from nca.reports.islands.run import IslandsResult
from nca.reports.statistics import Statistics


def unless_too_few(finding: Finding, used: Sequence[Statistics], asked: str) -> Finding:
    """Return a finding that speaks against the model, or that its samples cannot tell.

    Args:
        finding: What the figures say as they are.
        used: What it rests on. One that is clearly not above 0 is enough for it to stand.
        asked: What the figures would show if they spoke for the model.
    """
    unclear = [one for one in used if one.unclear]
    if not unclear or any(one.known and not one.positive and not one.unclear for one in used):
        return finding
    known, needed = min(one.known for one in unclear), max(one.needed for one in unclear)
    samples = f"{known} sample{'s' * (known != 1)}"
    enough = "2 at least" if known < 2 else f"about {needed}, if they vary as these do"
    clause = f"{samples} cannot tell more: it takes {enough}"
    words = (
        f"{finding.words} {samples} cannot tell whether {asked}: it takes {enough}, since a "
        "difference counts by the 95 % interval of its mean."
    )
    return replace(finding, answer="cannot tell", clause=clause, words=words)


def divergence_findings(result: IslandsResult) -> list[Finding]:
    """Return the finding that states left the finite numbers; none where all stayed."""
    at = result.own.figures["sample", "diverged at"]
    lost = int((~at.isnan()).sum())
    if not lost:
        return []
    first = int(at[~at.isnan()].min())
    words = f"{lost} of {result.samples} samples left the finite numbers, the first at step {first}"
    counts = first <= result.plan.steps
    return [
        Finding(
            "Do the states stay finite?",
            "no",
            f"it diverges: {words}",
            f"{words}; the figures are those of step {result.plan.steps}.",
            "yes" if counts else "",
            subject="states",
        )
    ]


def any_finite(result: IslandsResult, step: int) -> bool:
    """Return whether any sample of the automaton was finite at a step."""
    at = result.own.figures["sample", "diverged at"]
    return bool((at.isnan() | (at > step)).any())


def sentence(clause: str) -> str:
    """Return a clause as a sentence of its own."""
    return f"{clause[0].upper()}{clause[1:]}."

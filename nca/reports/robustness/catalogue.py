"""Catalogue of all checks, in the order of the report. A new one is a file and a line here."""

from collections.abc import Sequence

from nca import suggest
from nca.reports.robustness.adversaries import ADVERSARIES
from nca.reports.robustness.check import Check
from nca.reports.robustness.damage import DAMAGE
from nca.reports.robustness.duration import DURATION, LONG_RUN
from nca.reports.robustness.exchange import EXCHANGE
from nca.reports.robustness.grid_size import ASPECT, SIZE
from nca.reports.robustness.rotation import ROTATION
from nca.reports.robustness.shifts import FIRE_RATE, NOISES, TOPOLOGY
from nca.reports.robustness.translation import TRANSLATION

CHECKS = (
    DURATION,
    LONG_RUN,
    DAMAGE,
    EXCHANGE,
    FIRE_RATE,
    NOISES,
    SIZE,
    ASPECT,
    TOPOLOGY,
    ROTATION,
    ADVERSARIES,
    TRANSLATION,
)


def select_checks(names: Sequence[str]) -> list[Check]:
    """Return the checks of these names; all if none is named.

    Args:
        names: Words may be joined by hyphens.

    Raises:
        NCAError: There is no such check.
    """
    known = {check.name: check for check in CHECKS}
    wanted = [name.strip().lower().replace("-", " ").replace("_", " ") for name in names]
    return suggest.select_named("check", wanted, known, "--ask")

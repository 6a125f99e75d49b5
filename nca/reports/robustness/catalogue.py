"""All checks, in the order of the report. The next one is a file and a line here."""

from collections.abc import Sequence
from difflib import get_close_matches

from nca.errors import NCAError
from nca.reports.robustness.adversaries import ADVERSARIES
from nca.reports.robustness.check import Check
from nca.reports.robustness.damage import DAMAGE
from nca.reports.robustness.duration import DURATION, LONG_RUN
from nca.reports.robustness.grid_size import ASPECT, SIZE
from nca.reports.robustness.rotation import ROTATION
from nca.reports.robustness.shifts import FIRE_RATE, NOISES, TOPOLOGY
from nca.reports.robustness.translation import TRANSLATION

CHECKS = (
    DURATION,
    LONG_RUN,
    DAMAGE,
    FIRE_RATE,
    NOISES,
    SIZE,
    ASPECT,
    TOPOLOGY,
    ROTATION,
    ADVERSARIES,
    TRANSLATION,
)


def choose(names: Sequence[str]) -> list[Check]:
    """Return the checks of these names; all if none is named.

    Args:
        names: Words may be joined by hyphens.

    Raises:
        NCAError: There is no such check.
    """
    known = {check.name: check for check in CHECKS}
    wanted = [name.strip().lower().replace("-", " ").replace("_", " ") for name in names]
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise NCAError(
                f"there is no check {name!r}.",
                where="--ask",
                to_do=f"{hint}choose among: {', '.join(known)}",
            )
    return [one for one in CHECKS if not names or one.name in wanted]

"""All questions, in the order in which they are told. The next one is a file and a line here."""

from collections.abc import Sequence
from difflib import get_close_matches

from nca.errors import NCAError
from nca.reports.robustness.adversaries import ADVERSARIES
from nca.reports.robustness.check import Question
from nca.reports.robustness.damage import DAMAGE
from nca.reports.robustness.duration import DURATION, LONG_RUN
from nca.reports.robustness.grid_size import ASPECT, SIZE
from nca.reports.robustness.rotation import ROTATION
from nca.reports.robustness.shifts import FIRE_RATE, NOISES, TOPOLOGY
from nca.reports.robustness.translation import TRANSLATION

QUESTIONS = (
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


def choose(names: Sequence[str]) -> list[Question]:
    """Return the questions of these names; all if none is named.

    Args:
        names: Words may be joined by hyphens.

    Raises:
        NCAError: There is no such question.
    """
    known = {question.name: question for question in QUESTIONS}
    wanted = [name.strip().lower().replace("-", " ").replace("_", " ") for name in names]
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise NCAError(
                f"there is no question {name!r}.",
                where="--ask",
                to_do=f"{hint}choose among: {', '.join(known)}",
            )
    return [one for one in QUESTIONS if not names or one.name in wanted]

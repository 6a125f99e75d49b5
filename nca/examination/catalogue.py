"""All questions, in the order in which they are told. The next one is a file and a line here."""

from collections.abc import Sequence

from nca import suggest
from nca.examination.adversaries import ADVERSARIES
from nca.examination.duration import DURATION, LONG_RUN
from nca.examination.grids import ASPECT, SIZE
from nca.examination.question import Question
from nca.examination.shifts import FIRE_RATE, NOISES, TOPOLOGY
from nca.examination.translation import TRANSLATION
from nca.examination.turning import ROTATION
from nca.examination.wounds import DAMAGE

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
    return suggest.choose("question", wanted, known, "--ask")

"""The plan of a report on islands: samples, steps and thresholds."""

from dataclasses import dataclass

from torch import Tensor

from nca.analysis.islands import SMALLEST, THRESHOLD
from nca.types import Split

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
UNTIL_TRAINED = 6


@dataclass(frozen=True)
class IslandsPlan:
    """The numbers that the report depends on.

    Attributes:
        steps: When the figures that count are taken.
        samples: How many samples at most.
        split: Of which data.
        pictures: Of these instead, of which no truth is known: red, green, blue and cover, each
            `(4, *task.canvas)`, from 0 to 1.
        threshold: Least cosine inside an island.
        thresholds: Those of the sweep, rising.
        smallest: Cells that an island needs.
        shifts: Random translations over which the control of nesting is averaged.
        followed: Samples that go on beyond `steps`, where states are looked at more loosely.
        shown: Samples to keep for pictures; no more than are followed.
    """

    steps: int
    samples: int = 200
    split: Split = "test"
    pictures: tuple[Tensor, ...] = ()
    threshold: float = THRESHOLD
    thresholds: tuple[float, ...] = THRESHOLDS
    smallest: int = SMALLEST
    shifts: int = 4
    followed: int = 40
    shown: int = 6

    @property
    def kind(self) -> str:
        """What the samples are, in a word or two."""
        return "own" if self.pictures else self.split.replace("_", "-")

    @property
    def moments(self) -> tuple[int, ...]:
        """When the course is looked at: on the way to `steps`, at twice and four times those."""
        early = {-(-self.steps * part // UNTIL_TRAINED) for part in range(1, UNTIL_TRAINED + 1)}
        return tuple(sorted(early | {2 * self.steps, 4 * self.steps}))

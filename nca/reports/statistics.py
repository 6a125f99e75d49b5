"""Statistics of one number that was measured several times; one definition for every report.

The *deviation* is the standard deviation of a sample (divided by n - 1): how far one sample, run
or random seed lies from another. The *interval* is the 95 % confidence interval of the mean by
Student's t: how far the mean would move if all were drawn again. Neither is the range of the
values, and the quartiles are for times, which have a long tail.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

CONFIDENCE = 0.95
"""How often an interval covers the true mean, if the values vary normally."""

FEW = 10
"""Fewer values than so many say no if their whole interval does, and else not enough."""

ROUNDING = 1e-9
"""What is less in size has been left over by rounding."""


@dataclass(frozen=True)
class Statistics:
    """Mean and spread of those of some values that are finite.

    Attributes:
        mean: NaN where no value is known.
        deviation: Standard deviation of a sample; NaN for fewer than two known values.
        least: The smallest known value, or NaN.
        greatest: The greatest known value, or NaN.
        known: How many of the values are finite.
        asked: How many values there are.
    """

    mean: float
    deviation: float
    least: float
    greatest: float
    known: int
    asked: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Statistics":
        """Return the statistics of values, of which NaN and the infinite are left out."""
        given = list(values)
        known = [value for value in given if math.isfinite(value)]
        if not known:
            return cls(math.nan, math.nan, math.nan, math.nan, 0, len(given))
        deviation = statistics.stdev(known) if len(known) > 1 else math.nan
        mean = statistics.fmean(known)
        return cls(mean, deviation, min(known), max(known), len(known), len(given))

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the mean; NaN for fewer than two known values."""
        return self.mean - self._reach

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of the mean."""
        return self.mean + self._reach

    @property
    def complete(self) -> bool:
        """Whether every value is known."""
        return self.known == self.asked

    @property
    def positive(self) -> bool:
        """Whether the whole interval of the mean lies above 0, and not by rounding alone."""
        return self.low > 0 and self.mean > ROUNDING

    @property
    def unclear(self) -> bool:
        """Whether the values are too few to say that their mean is not above 0."""
        if not self.known or self.positive:
            return False
        return self.known < 2 or (self.known < FEW and self.deviation > 0 and self.high > 0)

    @property
    def needed(self) -> int:
        """How many values would be enough, if they vary as these do; at most `FEW`."""
        if self.known < 2 or not self.deviation > 0:
            return max(2, self.known)
        for count in range(2, FEW):
            if _student(count - 1) * self.deviation / math.sqrt(count) < abs(self.mean):
                return max(count, self.known + 1)
        return FEW

    @property
    def without_rounding(self) -> "Statistics":
        """The same with 0 for a mean and a deviation that rounding has left over."""
        mean, deviation = (0.0 if abs(v) < ROUNDING else v for v in (self.mean, self.deviation))
        return replace(self, mean=mean, deviation=deviation)

    @property
    def _reach(self) -> float:
        if self.known < 2:
            return math.nan
        return _student(self.known - 1) * self.deviation / math.sqrt(self.known)


@dataclass(frozen=True)
class Quartiles:
    """The median of some numbers, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Quartiles":
        """Return the quartiles of at least one number."""
        if len(numbers) == 1:
            return cls(numbers[0], numbers[0], numbers[0])
        low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
        return cls(median, low, high)

    @property
    def share(self) -> float:
        """Half the distance of the quartiles, as a share of the median."""
        return (self.high - self.low) / 2 / self.median


@cache
def _student(freedom: int) -> float:
    """Return how many standard errors the interval reaches to each side of the mean."""
    # imported here, because it takes a while that other commands can spare
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))

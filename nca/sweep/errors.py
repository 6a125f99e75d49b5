"""Faults of a sweep, all of them at once, before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from nca.errors import NCAError


@dataclass(frozen=True)
class SweepFault:
    """One thing that is wrong with a sweep.

    Attributes:
        where: The option, the table or the combinations, one a line.
        what: What is wrong there, in one line or several.
        to_do: What to do about it, if that is not said already.
    """

    where: str
    what: str
    to_do: str = ""


class SweepError(NCAError):
    """A sweep has faults, and all of them are shown.

    Args:
        what: The headline.
        complaints: What is wrong.
    """

    def __init__(self, what: str, complaints: Sequence[SweepFault]) -> None:
        super().__init__(
            what,
            where="; ".join(each.where for each in complaints),
            to_do="; ".join(each.to_do or each.what for each in complaints),
        )
        self.complaints = tuple(complaints)

    def __str__(self) -> str:
        """Return the headline, and under it what is wrong in each place."""
        lines = [self.what]
        for each in self.complaints:
            advice = [f"to do: {each.to_do}"] if each.to_do else []
            lines += [f"  {line}" for line in each.where.splitlines()]
            lines += [f"    {line}" for line in (*each.what.splitlines(), *advice)]
        return "\n".join(lines)

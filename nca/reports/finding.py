"""A question with its answer, and the figures that the answer rests on."""

from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "partly", "no", "cannot tell"]


@dataclass(frozen=True)
class Finding:
    """A question, its answer in a word, and the figures that it rests on.

    Attributes:
        question: In plain words.
        answer: In a word.
        clause: The answer as part of a sentence.
        words: The figures.
        wanted: The answer that speaks for the model; empty: none.
        subject: What was looked for, where a verdict shall begin with it.
    """

    question: str
    answer: Answer
    clause: str
    words: str
    wanted: Literal["yes", "no", ""] = "yes"
    subject: str = ""

    @property
    def good(self) -> bool | None:
        """Whether it speaks for the model; None: neither way."""
        if not self.wanted or self.answer == "cannot tell":
            return None
        return self.answer == self.wanted

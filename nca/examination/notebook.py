"""Keep every answer as a line of JSON, so that what is known is not asked again.

A line tells of one question under one random seed, and of what it was asked: checkpoint, recipe
and plan. Lines of another subject stay in the file and are not read.
"""

import hashlib
from pathlib import Path

from nca.examination.question import Row
from nca.examination.subject import Subject
from nca.jsonl import JsonLines, to_json

FORMAT = 2


class Notebook:
    """The answers in `examination.jsonl`.

    Args:
        path: The file; it may be missing.
        subject: Whose answers are read and written.
    """

    def __init__(self, path: Path, subject: Subject) -> None:
        self.path = path
        to_do = "free some space; what is answered is not asked again"
        self._lines = JsonLines(path, "the answers", to_do)
        self.key = key_of(subject)
        self.answers: dict[tuple[str, int], list[Row]] = {}
        for told in self._lines.records():
            if told.get("of") == self.key:
                rows = [Row.of(row) for row in told["rows"]]
                self.answers[told["question"], told["random_seed"]] = rows

    def write(self, question: str, random_seed: int, rows: list[Row]) -> None:
        """Note an answer, and hand it to the disk.

        Raises:
            StorageError: It cannot be written.
        """
        self.answers[question, random_seed] = rows
        told = {
            "of": self.key,
            "question": question,
            "random_seed": random_seed,
            "rows": [row.told() for row in rows],
        }
        self._lines.append(told)


def key_of(subject: Subject) -> str:
    """Return what tells subjects apart: weights, recipe, data and all of the plan but seeds."""
    plan, trained = subject.plan, subject.trained
    digest = hashlib.sha256()
    asked = [FORMAT, trained.recipe.text, plan.steps, plan.samples, plan.split]
    asked += [plan.long_steps, plan.long_samples]
    digest.update(to_json(asked).encode())
    for module in (trained.automaton, trained.task):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()[:16]

"""Keep every answer as a line of JSON, so that what is known is not asked again.

A line tells of one check under one random seed, and of what it was asked: checkpoint, recipe
and plan. Lines of another model stay in the file and are not read.
"""

import hashlib
import json
from pathlib import Path

from nca.journal import Journal
from nca.reports.robustness.check import CheckResult
from nca.reports.robustness.model import ModelUnderTest

FORMAT = 2


class ResultCache:
    """The answers in `examination.jsonl`.

    Args:
        path: The file; it may be missing.
        model: Whose answers are read and written.
    """

    def __init__(self, path: Path, model: ModelUnderTest) -> None:
        self.path = path
        to_do = "free some space; what is answered is not asked again"
        self._journal = Journal(path, "the answers", to_do)
        self.key = key_of(model)
        self.answers: dict[tuple[str, int], list[CheckResult]] = {}
        for told in self._journal.records():
            if told.get("of") == self.key:
                rows = [CheckResult.of(row) for row in told["rows"]]
                self.answers[told["question"], told["random_seed"]] = rows

    def write(self, check: str, random_seed: int, rows: list[CheckResult]) -> None:
        """Note an answer, and hand it to the disk.

        Raises:
            StorageError: It cannot be written.
        """
        self.answers[check, random_seed] = rows
        told = {
            "of": self.key,
            "question": check,
            "random_seed": random_seed,
            "rows": [row.to_json() for row in rows],
        }
        self._journal.append(told)


def key_of(model: ModelUnderTest) -> str:
    """Return what tells subjects apart: weights, recipe, data and all of the plan but seeds."""
    plan, trained = model.plan, model.trained
    digest = hashlib.sha256()
    asked = [FORMAT, trained.recipe.text, plan.steps, plan.samples, plan.split]
    asked += [plan.long_steps, plan.long_samples]
    digest.update(json.dumps(asked).encode())
    for module in (trained.automaton, trained.task):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()[:16]

"""Cache of results, a line of JSON each, so that what is known is not measured again.

A line holds the results of one check under one random seed, and says of what: checkpoint, recipe
and plan. Lines of another model stay in the file and are not read, nor are those of another format.
"""

import hashlib
from pathlib import Path

from nca.jsonl import JsonLines, dumps
from nca.reports.robustness.catalogue import CHECKS
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult

FORMAT = 3
"""2 had conditions as text."""


class ResultCache:
    """The results in `examination.jsonl`.

    Args:
        path: The file; it may be missing.
        model: Whose results are read and written.

    Attributes:
        answers: The results, by name of the check and random seed.
        outdated: How many lines of the file are of another format.
    """

    def __init__(self, path: Path, model: ModelUnderTest) -> None:
        self.path = path
        to_do = "free some space; what is answered is not asked again"
        self._lines = JsonLines(path, "the answers", to_do)
        self.key = cache_key(model)
        self.answers: dict[tuple[str, int], list[CheckResult]] = {}
        self.outdated = 0
        conditions = {check.name: check.condition for check in CHECKS}
        for record in self._lines.records():
            if record.get("format") != FORMAT:
                self.outdated += 1
            elif record["of"] == self.key and record["question"] in conditions:
                kind = conditions[record["question"]]
                rows = [CheckResult.from_json(row, kind) for row in record["rows"]]
                self.answers[record["question"], record["random_seed"]] = rows

    def write(self, check: str, random_seed: int, rows: list[CheckResult]) -> None:
        """Keep the results of a check, and hand them to the disk.

        Raises:
            StorageError: They cannot be written.
        """
        self.answers[check, random_seed] = rows
        record = {
            "format": FORMAT,
            "of": self.key,
            "question": check,
            "random_seed": random_seed,
            "rows": [row.to_json() for row in rows],
        }
        self._lines.append(record)


def cache_key(model: ModelUnderTest) -> str:
    """Return what tells models apart: weights, recipe, data and all of the plan but seeds."""
    plan, trained = model.plan, model.trained
    digest = hashlib.sha256()
    asked = [trained.recipe.text, plan.steps, plan.samples, plan.split]
    asked += [plan.long_steps, plan.long_samples]
    digest.update(dumps(asked).encode())
    for module in (trained.automaton, trained.task):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()[:16]

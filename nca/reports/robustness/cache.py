"""Cache of results, a line of JSON each, so that what is known is not measured again.

A line holds the results of one check under one random seed, and says of what: checkpoint, recipe
and plan. Lines of another model stay in the file and are not read, nor are those of another format.
"""

import hashlib
from pathlib import Path
from typing import Any

from nca.jsonl import JsonLines, dumps
from nca.reports.robustness.catalogue import CHECKS
from nca.reports.robustness.model import ModelUnderTest
from nca.reports.robustness.result import CheckResult

CACHE = "examination.jsonl"
FORMAT = 4
"""2 had conditions as text, 3 had no recovery."""


CONDITIONS = {check.name: check.condition for check in CHECKS}


class ResultCache:
    """The results in `examination.jsonl`.

    Args:
        path: The file; it may be missing.
        model: Whose results are read and written.

    Attributes:
        answers: The results, by name of the check and random seed.
        outdated: How many lines of the file are of another format, or damaged.
    """

    def __init__(self, path: Path, model: ModelUnderTest) -> None:
        self.path = path
        to_do = "free some space; what is answered is not asked again"
        self._lines = JsonLines(path, "the answers", to_do)
        self.key = cache_key(model)
        self.answers: dict[tuple[str, int], list[CheckResult]] = {}
        self.outdated = 0
        for record in self._lines.records():
            if record.get("format") != FORMAT:
                self.outdated += 1
            elif record.get("of") == self.key:
                self._keep(record)

    def _keep(self, record: dict[str, Any]) -> None:
        """Keep the results of a line; a damaged one counts as outdated, and is measured again."""
        kind = CONDITIONS.get(str(record.get("question")))
        try:
            seed, rows = record["random_seed"], record["rows"]
            if kind is None or type(seed) is not int or not isinstance(rows, list) or not rows:
                raise ValueError("no results of a check")
            found = [CheckResult.from_json(row, kind) for row in rows]
        except (ValueError, KeyError, TypeError):  # an error of validation is a ValueError
            self.outdated += 1
            return
        name = record["question"]
        others = [key for key in self.answers if key[0] == name]
        for key in others:  # all random seeds ask the same: the later line is right
            if _asked(self.answers[key]) != _asked(found):
                del self.answers[key]
                self.outdated += 1
        self.answers[name, seed] = found

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


def _asked(rows: list[CheckResult]) -> list[tuple[Any, ...]]:
    """Return what rows of every random seed have in common."""
    return [
        (row.condition, row.steps, [*row.metrics], [*row.figures], [step for step, _ in row.curve])
        for row in rows
    ]


def continues(folder: Path, model: ModelUnderTest) -> bool:
    """Return whether an examination of this model may go on in a folder without replacing another.

    So it may where it has begun, or where an examination has come to no report.
    """
    records = list(JsonLines(folder / CACHE, "", "").records())
    begun = any(record.get("of") == cache_key(model) for record in records)
    return begun or (bool(records) and not (folder / "examination.json").exists())


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

"""Words and colours of classes: the legend of a sheet, and what the cells of each sample say.

Legend: B sample, K class.
"""

from dataclasses import dataclass

import torch

from nca.render.legend import LegendEntry
from nca.render.sheet import Sheet
from nca.render.text import TICK
from nca.tasks.batch import Batch
from nca.tasks.task import Task

MOST_LISTED = 24
"""So many classes a legend lists; of more, those that some cells say or samples are."""


@dataclass(frozen=True)
class Vote:
    """What the cells of one sample say, and what it is.

    Attributes:
        said: The class that most say; empty where none vote.
        truth: The class that it is; empty where that is not known.
    """

    said: str
    truth: str

    def __str__(self) -> str:
        """Return it in words: `7` and a tick, or `said 2, is 7`."""
        if not self.truth:
            return self.said
        if not self.said:
            return f"no vote, is {self.truth}"
        return (
            f"{self.said} {TICK}"
            if self.said == self.truth
            else (f"said {self.said}, is {self.truth}")
        )


def votes_in_words(task: Task, batch: Batch) -> list[str]:
    """Return what the cells of each sample say; nothing where no class is asked of a sample."""
    return [str(vote) for vote in _votes(task, batch)]


def legend(task: Task, batches: list[Batch]) -> list[LegendEntry]:
    """Return the colours of the classes; nothing where the cells do not vote.

    Args:
        task: Its votes name the classes.
        batches: What is seen; of very many classes, only those in it are listed.
    """
    if not batches or not (shares := task.votes(batches[-1])):
        return []
    entries = [LegendEntry(share.name, share.colour) for share in shares]
    if len(entries) <= MOST_LISTED:
        return entries
    seen = torch.zeros(len(entries), dtype=torch.bool)
    for batch in batches:
        seen |= torch.stack([(one.share > 0).any() for one in task.votes(batch)]).cpu()
        if (truth := task.true_classes(batch)) is not None:
            seen[truth[truth >= 0].cpu()] = True
    listed = [entry for entry, shown in zip(entries, seen.tolist(), strict=True) if shown]
    more = len(entries) - len(listed[:MOST_LISTED])
    return [*listed[:MOST_LISTED], LegendEntry(f"and {more} more", None)]


def annotate(sheet: Sheet, task: Task, batches: list[Batch]) -> Sheet:
    """Write beside each row of a strip what the cells say in the end, and below it the legend.

    Args:
        sheet: Samples as rows.
        task: Whose.
        batches: What is seen, the last one at the end.
    """
    sheet.legend = legend(task, batches)
    sheet.notes = votes_in_words(task, batches[-1]) if batches else []
    return sheet


def _votes(task: Task, batch: Batch) -> list[Vote]:
    shares, truth = task.votes(batch), task.true_classes(batch)
    if not shares or truth is None:
        return []
    names = [one.name for one in shares]
    most, chosen = torch.stack([one.share.cpu() for one in shares]).max(dim=0)  # (B,)
    return [
        Vote(names[said] if share > 0 else "", names[known] if known >= 0 else "")
        for said, share, known in zip(chosen.tolist(), most.tolist(), truth.tolist(), strict=True)
    ]

"""Legends of classes, and what is said of each sample, worked out by hand."""

import numpy as np
import pytest
import torch

from nca import Batch, ClassShare, State, Task
from nca.render.legend import LegendEntry
from nca.render.sheet import Sheet
from nca.render.text import TICK, readable, width_of
from nca.render.votes import MOST_LISTED, annotate, legend, votes_in_words

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


class Voting:
    """What votes are read of: a task that knows shares and truths by heart."""

    def __init__(self, shares, truth, names=("cat", "dog")):
        self.shares, self.truth, self.names = shares, truth, names

    def votes(self, batch):
        colours = [RED, BLUE] * len(self.names)
        parts = torch.tensor(self.shares).T
        return [ClassShare(*row) for row in zip(self.names, colours, parts, strict=False)]

    def true_classes(self, batch):
        return None if self.truth is None else torch.tensor(self.truth)


BATCH = Batch(State({"a": torch.zeros(4, 1, 2, 2)}, random_seed=0, samples=torch.arange(4)))


def test_a_vote_is_right_or_wrong_or_open():
    task = Voting([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.0, 0.0]], [0, 0, -1, 1])
    assert votes_in_words(task, BATCH) == [
        f"cat {TICK}",
        "said dog, is cat",
        "dog",
        "no vote, is dog",
    ]


def test_where_a_sample_is_of_no_one_class_nothing_is_said_of_it_and_the_legend_stays():
    task = Voting([[1.0, 0.0]], None)
    assert votes_in_words(task, BATCH) == []
    assert legend(task, [BATCH]) == [LegendEntry("cat", RED), LegendEntry("dog", BLUE)]


def test_a_task_without_votes_has_no_legend():
    task = Voting([], None, ())
    task.votes = lambda batch: []
    assert (legend(task, [BATCH]), votes_in_words(task, BATCH)) == ([], [])
    assert Task.true_classes(task, BATCH) is None


def test_of_very_many_classes_those_that_are_seen_are_listed():
    count = MOST_LISTED + 6
    shares = torch.zeros(1, count)
    shares[0, 7] = 1
    task = Voting(shares.tolist(), [29], [f"class {n}" for n in range(count)])
    entries = legend(task, [BATCH])
    assert [entry.name for entry in entries] == ["class 7", "class 29", f"and {count - 2} more"]
    assert entries[-1].colour is None


def test_a_legend_shows_each_colour_and_wraps_where_the_sheet_ends():
    tile = torch.ones(3, 2, 2)
    names = ["cat", "dog", "Ankle boot"] * 4
    entries = [LegendEntry(name, (n / 20, 0.5, 0.25)) for n, name in enumerate(names)]
    sheet = Sheet(["step 1"], [[tile]], [""], legend=entries)
    plain = Sheet(["step 1"], [[tile]], [""])
    pixels = np.asarray(sheet.image(10))
    assert pixels.shape[0] > plain.size(10)[1] + 4 * 12
    assert pixels.shape[:2] == sheet.size(10)[::-1]
    for entry in entries:
        wanted = [round(255 * part) for part in entry.colour]
        assert (pixels == wanted).all(axis=-1).sum() >= 100


def test_notes_and_captions_have_room_and_are_drawn():
    tile = torch.ones(3, 2, 2)
    long = "said T-shirt/top, is Ankle boot"
    bare = Sheet(["a", "b"], [[tile, tile]], [""])
    noted = Sheet(["a", "b"], [[tile, tile]], [""], notes=[long])
    under = Sheet(["a", "b"], [[tile, tile]], [""], captions=[["", long]])
    assert noted.size(9)[0] == bare.size(9)[0] + width_of(long) + 6
    assert under.size(9)[0] >= 2 * width_of(long)
    assert under.size(9)[1] > bare.size(9)[1]
    right = np.asarray(noted.image(9))[:, bare.size(9)[0] :]
    assert (right < 128).any()
    assert not (right[:, -6:] < 255).any()


def test_a_strip_is_annotated_with_its_last_votes():
    sheet = Sheet(["step 0"], [[torch.ones(3, 2, 2)]], [""])
    task = Voting([[0.9, 0.1]], [0])
    assert annotate(sheet, task, [BATCH, BATCH]).notes == [f"cat {TICK}"]
    assert len(sheet.legend) == 2


@pytest.mark.parametrize("text", ["a\nb", "\ud800", "7 " + TICK, ""])
def test_any_name_can_be_written(text):
    assert width_of(text) >= 0
    assert "\n" not in readable(text)


def test_the_tick_is_a_glyph_of_the_font():
    from nca.render.text import font

    assert font().getmask(TICK).getbbox() != font().getmask("\uffff").getbbox()

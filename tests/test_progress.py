"""Reporting to several observers at once, and to nobody."""

from observed import Observed

from nca import SILENT
from nca.progress import ProgressList


def test_every_observer_of_a_list_gets_every_call():
    one, other = Observed(), Observed()
    both = ProgressList(one, other)
    both.begin("train", 10, done=4, unit="iterations")
    both.advance(5, "part")
    both.note("a note")
    both.record({"kind": "train"})
    for observed in (one, other):
        assert observed.pieces == [("train", 10, 4, "iterations")]
        assert (observed.steps, observed.parts) == ([5], ["part"])
        assert (observed.notes, observed.rows) == (["a note"], [{"kind": "train"}])


def test_a_list_stops_when_any_observer_does():
    assert not ProgressList(SILENT, Observed()).stopped()
    assert ProgressList(SILENT, Observed(stops=lambda: True)).stopped()
    assert not SILENT.stopped()

"""Records come back as they were written, whatever a kill has left of the last one."""

import pytest

from nca.errors import StorageError
from nca.journal import Journal


def test_records_come_back_in_their_order(tmp_path):
    journal = Journal(tmp_path / "a.jsonl", "the log", "free some space")
    assert list(journal.records()) == []
    for number in range(3):
        journal.append({"number": number})
    assert list(journal.records()) == [{"number": number} for number in range(3)]


def test_a_line_that_was_cut_short_is_passed_over_and_the_next_one_stands_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"number": 1}\n[2]\n{"numb')
    journal = Journal(path, "the log", "free some space")
    assert list(journal.records()) == [{"number": 1}]
    journal.append({"number": 3})
    assert list(journal.records()) == [{"number": 1}, {"number": 3}]


def test_what_cannot_be_written_is_said(tmp_path):
    journal = Journal(tmp_path / "nowhere" / "a.jsonl", "the log", "free some space")
    with pytest.raises(StorageError, match=r"the log cannot be written: No such file"):
        journal.append({})

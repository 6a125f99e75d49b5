"""Pattern files: runs and plain text, in and out; what is faulty is refused with its place."""

import re
import time
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca import Layout, Level, NCAError, TaskContext
from nca_plugins.discrete.pattern import MOST_CELLS, Pattern, PatternError
from nca_plugins.discrete.pattern_files import is_inline, open_pattern, read_pattern
from nca_plugins.discrete.plain_text import read_cells, write_cells
from nca_plugins.discrete.rle import read_rle, write_rle

GLIDER = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 1]], dtype=np.uint8)
HEADER = "x = 3, y = 3, rule = B3/S23\n"


@st.composite
def patterns(draw: st.DrawFn, most: int = 255) -> Pattern:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    count = height * width
    states = st.one_of(st.just(0), st.integers(0, most))
    cells = draw(st.lists(states, min_size=count, max_size=count))
    words = st.text(alphabet="abc XYZ.!=", max_size=12).map(lambda text: " ".join(text.split()))
    return Pattern(
        np.array(cells, dtype=np.uint8).reshape(height, width),
        rule=draw(st.sampled_from(["", "B3/S23", "LifeHistory"])) if most < 2 else "",
        name=draw(words),
        author=draw(words),
        comments=tuple(draw(st.lists(words, max_size=2))),
        offset=draw(st.none() | st.tuples(st.integers(-99, 99), st.integers(-99, 99))),
    )


def fields(pattern: Pattern) -> tuple[object, ...]:
    said = (pattern.rule, pattern.name, pattern.author, pattern.comments, pattern.offset)
    return (pattern.cells.tolist(), *said)


# runs


def test_a_glider_with_all_that_its_file_says():
    found = read_rle(
        "#N Glider\n#O Richard K. Guy\n#C The smallest spaceship.\n#c Found in 1970.\n#R -1 2\n"
        "x = 3, y = 3, rule = B3/S23:T30,20\nbo$2bo$3o!\nwhatever follows\n"
    )
    assert found.cells.tolist() == GLIDER.tolist()
    assert fields(found)[1:] == (
        "B3/S23:T30,20",
        "Glider",
        "Richard K. Guy",
        ("The smallest spaceship.", "Found in 1970."),
        (-1, 2),
    )
    assert found.population == 5


@pytest.mark.parametrize(
    "text",
    [
        "bo$2bo$3o!",
        HEADER + "b o $ 2\nb o $\n3 o !",
        "X=3,Y=3,RULE=b3/s23\nbo$2bo$3o",
        "x = 0, y = 0, rule = B3/S23\nbo$2bo$3o!",
        "x = 3, y = 3\n.A$2.A$3A!",
        "\n\n#C\n" + HEADER + "bob$bbo$ooo$!",
        HEADER.replace("\n", "\r\n") + "bo$2bo$3o!\r\n",
        "x = 3, y = 3, rule = B3/S23\r\n0bbo0$$2bo$3o!".replace("0$", ""),
    ],
)
def test_a_glider_in_other_words(text):
    assert read_rle(text).cells.tolist() == GLIDER.tolist()


def test_golly_says_where_a_pattern_stands():
    assert read_rle("#CXRLE Pos=-8,5 Gen=7\n" + HEADER + "3o!").offset == (-8, 5)


def test_many_states_have_letters_and_prefixes():
    found = read_rle("x = 6, y = 2, rule = B2/S/C256\n.AXpApXyO$2qA!")
    assert found.cells.tolist() == [[0, 1, 24, 25, 48, 255], [49, 49, 0, 0, 0, 0]]


def test_rows_may_be_left_out_and_end_empty():
    found = read_rle("x = 4, y = 6\no3$2o!")
    assert found.cells.shape == (6, 4)
    assert found.cells.sum(axis=1).tolist() == [1, 0, 0, 2, 0, 0]


@given(patterns())
def test_what_is_written_as_runs_is_read_again(pattern):
    text = write_rle(pattern)
    assert fields(read_rle(text)) == fields(pattern)
    assert all(len(line) <= 70 for line in text.splitlines() if not line.startswith("#"))


@given(patterns(most=1))
def test_two_states_are_written_as_b_and_o(pattern):
    assert fields(read_rle(write_rle(pattern))) == fields(pattern)
    assert not re.search("[A-X.]", write_rle(Pattern(pattern.cells)).split("\n", 1)[1])


def test_a_million_runs_are_read_within_a_second():
    cells = np.random.default_rng(0).integers(0, 2, (1200, 1700)).astype(np.uint8)
    text = write_rle(Pattern(cells))
    assert len(re.findall("[bo]", text)) > 1_000_000
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        assert (read_rle(text).cells == cells).all()
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 1


FAULTY = {
    "bo$2bq$3o!": ('has "q" without a letter', "line 2, column 6", "2o is two live cells"),
    "bo$2bz$3o!": ('has "z", which is no run', "line 2, column 6", "2o is two live cells"),
    "bo$2b\u00f6!": ('has "\u00f6", which is no run', "line 2, column 6", "2o is two live cells"),
    "bo$2bo$\n4o!": ("row 3 has 4 cells", "line 3, column 2", "x = 4, y = 3"),
    "bo$2bo$3o$o!": ("a row 4", "line 2, column 11", "x = 3, y = 4"),
    "bo$2": ("ends in the middle of a run", "line 2, column 4", "! the pattern"),
    "bo$2.A$BCA!": ("cells in state 3, of 2 of its rule B3/S23", "line 1", "give the rule"),
    "99999999999b!": ("a count of 11 digits", "line 2, column 1", "2o is two"),
    "yX!": ("a state above 255", "line 2, column 2", "2o is two"),
}


@pytest.mark.parametrize("runs", FAULTY)
def test_faulty_runs_are_refused_with_line_and_column(runs):
    what, where, to_do = FAULTY[runs]
    with pytest.raises(PatternError) as refusal:
        read_rle(HEADER + runs, "my.rle")
    fault = refusal.value
    assert what in fault.what
    assert where in fault.where
    assert fault.where.startswith("my.rle, line")
    assert to_do in fault.to_do


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "has no header"),
        ("hello world", "has no header"),
        ("#C only words\n", "has no header"),
        ("x = 3 y = 3\nbo!", "a header that cannot be read"),
        ("x = 3, y = three, rule = B3/S23\nbo!", "a header that cannot be read"),
        ("rule = B3/S23\nbo!", "a header that cannot be read"),
        ("x = -3, y = 3\nbo!", "a header that cannot be read"),
    ],
)
def test_a_header_that_is_missing_or_wrong_is_refused(text, what):
    with pytest.raises(PatternError, match=what) as refusal:
        read_rle(text)
    assert "x = 3, y = 3, rule = B3/S23" in refusal.value.to_do


@pytest.mark.parametrize(
    "text",
    [
        "x = 99999999999, y = 99999999999\nbo!",
        "x = 8193, y = 8193\no!",
        "999999999o!",
        "9999b9999$o999999$o!",
        "o" + "$999999999o" * 1000 + "!",
        "x = 0, y = 0\n999999999b999999999bo!",
    ],
)
def test_a_hostile_pattern_is_refused_before_it_takes_memory(text):
    begin = time.process_time()
    with pytest.raises(PatternError, match=f"more than {MOST_CELLS:,}"):
        read_rle(text)
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize(
    "text", [" " * 10**6 + "x", HEADER[:-1] + " " * 10**6 + "y\nbo!", "#" * 10**6]
)
def test_long_lines_take_no_long_time(text):
    begin = time.process_time()
    with suppress(PatternError):
        read_rle(text)
    assert time.process_time() - begin < 1


@given(st.text(alphabet="bo$!.ABXpqy0123456789 x=,#\n", max_size=40))
def test_any_text_is_read_as_runs_or_refused(text):
    with suppress(PatternError):
        assert read_rle(text).cells.ndim == 2


# plain text


def test_plain_text_is_read_and_written():
    found = read_cells("!Name: Glider\n!\n!Two words.\n.O\n..O\n***\n\n")
    assert found.cells.tolist() == GLIDER.tolist()
    assert (found.name, found.comments) == ("Glider", ("", "Two words."))
    assert write_cells(found) == "!Name: Glider\n!\n!Two words.\n.O.\n..O\nOOO\n"


@given(patterns(most=1))
def test_what_is_written_as_plain_text_is_read_again(pattern):
    whole = Pattern(np.pad(pattern.cells, ((0, 1), (0, 1)), constant_values=1))
    assert read_cells(write_cells(whole)).cells.tolist() == whole.cells.tolist()


def test_faulty_plain_text_is_refused_with_line_and_column():
    with pytest.raises(PatternError) as refusal:
        read_cells("!Name: x\n.O\n.Q\n", "my.cells")
    assert str(refusal.value) == (
        'my.cells has "Q", which is no cell.\n'
        "  where:  my.cells, line 3, column 2\n"
        "  to do:  write . for an empty cell, O for a live one, and a row on each line"
    )
    with pytest.raises(PatternError, match="3 states, and plain text has two"):
        write_cells(read_rle("x = 1, y = 1\nB!"))


# files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_files_in_usual_encodings_are_read(encoding):
    text = "#O Andrzej Okrasi\u00e9\n" + HEADER + "bo$2bo$3o!"
    found = read_pattern(text.encode(encoding), "glider.rle")
    assert found.cells.tolist() == GLIDER.tolist()
    assert found.author.endswith("\u00e9")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "is a picture \\(PNG\\), not a pattern"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "is a picture \\(JPEG\\), not a pattern"),
        (b"GIF89a", "is a picture \\(GIF\\)"),
        (b"\x1f\x8b\x08", "is packed \\(gzip\\)"),
        (bytes(range(256)), "is no text"),
        (b"bo$\0!", "is no text"),
        ("bo$!".encode("utf-16")[2:], "is no text"),
    ],
)
def test_what_is_no_text_is_refused_by_what_it_is(content, what):
    with pytest.raises(PatternError, match=what) as refusal:
        read_pattern(content, "picture.rle")
    assert refusal.value.to_do == "give runs (.rle), plain text (.cells) or arrays (.npy, .npz)"


def context(folder) -> TaskContext:
    return TaskContext(Layout([Level("cells", 1)]), (16, 16), folder)


def test_a_pattern_is_a_name_a_file_or_runs(tmp_path):
    (tmp_path / "glider.rle").write_text(HEADER + "bo$2bo$3o!")
    (tmp_path / "glider.cells").write_text(".O\n..O\nOOO\n")
    np.save(tmp_path / "glider.npy", GLIDER / 2)
    np.savez(tmp_path / "glider.npz", cells=GLIDER)
    place = context(tmp_path)
    for spec in ("glider", {"name": "glider"}):
        assert open_pattern(spec, place).cells.tolist() == [GLIDER.tolist()]
    for spec in ("glider.rle", "glider.cells", "bo$2bo$3o!", "glider.npz"):
        assert open_pattern(spec, place).cells.tolist() == GLIDER.tolist()
    assert open_pattern("glider.npy", place).cells.tolist() == (GLIDER / 2).tolist()
    assert is_inline("x = 3, y = 3, rule = B3/S23\nbo$2bo$3o")
    assert not is_inline("glider.rle")


def test_a_pattern_that_is_none_is_refused(tmp_path):
    np.savez(tmp_path / "two.npz", one=GLIDER, two=GLIDER)
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "odd.npy", np.array([1.0, np.nan]))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    place = context(tmp_path)
    for spec, what in {
        "missing.rle": "no pattern file",
        "two.npz": "holds 2 arrays",
        "words.npy": "a pattern holds numbers",
        "odd.npy": "not finite",
        "broken.npy": "cannot be read as arrays",
        "glidr": "no pattern named 'glidr'",
    }.items():
        with pytest.raises(NCAError, match=what):
            open_pattern(spec, place)
    with pytest.raises(PatternError, match="does not take these options"):
        open_pattern({"name": "glider", "angle": 3}, place)


def test_comments_below_the_header_are_passed_over_and_places_stay():
    text = f"{HEADER}#C bo!\nbo$2bo$\n # so\n3o!\n"
    assert read_rle(text).cells.tolist() == GLIDER.tolist()
    with pytest.raises(PatternError) as fault:
        read_rle(f"{HEADER}#C words\nbo$2bz$3o!\n")
    assert "line 3, column 6" in fault.value.where
    with pytest.raises(PatternError, match="no run"):
        read_rle(f"{HEADER}bo#$2bo$3o!\n")


def test_a_tab_is_no_cell_but_may_end_a_line():
    assert read_cells(".O\t\n..O \t\nOOO\n").cells.tolist() == GLIDER.tolist()
    with pytest.raises(PatternError) as fault:
        read_cells("!Name: x\n..O\n.\tO\n")
    assert "a tab" in fault.value.what
    assert "line 3, column 2" in fault.value.where

"""Rule strings: every spelling, against plain enumerations and known equals; and faulty ones."""

import base64
import itertools
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import at_most

from nca import Automaton, Layout, Level, OptionError, RuleContext, State, Topology, registry
from nca_plugins.discrete.families import FAMILIES, known_rule, read_rule
from nca_plugins.discrete.letters import by_letter
from nca_plugins.discrete.names import STRINGS
from nca_plugins.discrete.rule_string import (
    HEXAGONAL,
    MOORE,
    VON_NEUMANN,
    BoundedGrid,
    RuleString,
    RuleStringError,
)

CELLS = Layout([Level("cells", 1)])
LIFE_AS_MAP = (
    "MAPARYXfhZofugWaH7oaIDogBZofuhogOiAaIDogIAAgAAWaH7oaIDogGiA6ICAAIAAaIDogIAAgACAAIAAAAAAAA"
)


def outcomes(rule: RuleString, offsets: tuple[tuple[int, ...], ...] = MOORE) -> torch.Tensor:
    """Return the successor for each own state and each arrangement of neighbours in state 1."""
    term = rule.term
    rows = []
    for number in range(1 << len(offsets)):
        alive = {at for n, at in enumerate(offsets) if number >> n & 1}
        column = sum(w for at, w in zip(term.offsets, term.weights, strict=True) if at in alive)
        rows.append(term.successors[:, column])
    return torch.stack(rows, dim=1)


def stepped(grid: torch.Tensor, rule: str, topology: str = "torus") -> torch.Tensor:
    place = RuleContext(CELLS, "cells", grid.ndim, Topology(topology))  # pyright: ignore
    automaton = Automaton(
        CELLS,
        {"cells": [registry.get("rule", "discrete")(place, rule=rule)]},
        topology=place.topology,
    )
    return automaton.step(State({"cells": grid.float()[None, None]}))["cells"][0, 0].long()


# spellings


@pytest.mark.parametrize(
    "text",
    [
        *("b3s23", "B3S23", "23/3", "S23/B3", "s23b3", " B3 / S23 ", "b3_s23", "B3/S32", "B33/S23"),
        *("Life", "conway", "CONWAY'S GAME OF LIFE", "B3/S23/C2", "B3/S23:T30,20", LIFE_AS_MAP),
        *("R1,C0,M0,S2..3,B3..3,NM", "R1,S2-3,B3"),
    ],
)
def test_every_spelling_of_life_is_life(text):
    assert read_rule(text).same(read_rule("B3/S23"))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("B2/S/C3", "/2/3"),
        ("B2/S/G3", "g3b2s"),
        ("B2S/C3", "Brian's Brain"),
        ("345/2/4", "B2/S345/C4"),
        ("Star Wars", "345/2/4"),
        ("HighLife", "23/36"),
        ("Day & Night", "B3678/S34678"),
        ("Just Friends", "b2-as12"),
        ("5,34,45,34,58", "R5,C0,M1,S34..58,B34..45,NM"),
        ("r5b34t45s34t58", "Bugs"),
        ("g3r5b34t45s34t58", "R5,C3,M1,S34-58,B34-45"),
        ("rule 30", "W30"),
        ("R1,W30", "W0x1E"),
        ("R2,C2,S2,5-6,B3", "r2,c0,m0,s2,5..6,b3,nm"),
    ],
)
def test_two_spellings_are_one_rule(text, other):
    assert read_rule(text).same(read_rule(other))


def test_a_name_stands_for_a_string_that_is_read():
    assert all(read_rule(name).same(read_rule(string)) for name, string in STRINGS.items())
    assert read_rule("seeds").text == "B2/S"


def test_a_string_of_letters_that_is_a_string_of_counts_has_the_table_of_counts():
    every = "B3ceaiknjqry/S2ceaikn3-c3c"
    assert read_rule(every).same(read_rule("B3/S23"))


# against plain definitions


@given(births=st.sets(st.integers(0, 8)), survivals=st.sets(st.integers(0, 8)))
def test_births_and_survivals_are_counted(births, survivals):
    digits = ["".join(map(str, sorted(counts))) for counts in (births, survivals)]
    found = outcomes(read_rule(f"B{digits[0]}/S{digits[1]}"))
    for own, counts in enumerate((births, survivals)):
        wanted = [int(number.bit_count() in counts) for number in range(256)]
        assert found[own].tolist() == wanted


@given(st.integers(0, (1 << 512) - 1))
def test_a_map_is_read_bit_by_bit(number):
    bits = f"{number:0512b}"
    text = base64.b64encode(int(bits.ljust(520, "0"), 2).to_bytes(65, "big")).decode()[:86]
    term = read_rule(f"MAP{text}").term
    order = sorted([*MOORE, (0, 0)])
    for index in (0, 1, 16, 255, 256, 273, 311, 511, number % 512):
        alive = {at for n, at in enumerate(order) if index >> (8 - n) & 1}
        column = sum(w for at, w in zip(term.offsets, term.weights, strict=True) if at in alive)
        assert term.successors[int((0, 0) in alive), column] == int(bits[index])


@pytest.mark.parametrize(
    ("offsets", "letters", "classes", "turns"),
    [(MOORE, "ceaiknjqrytwz", 51, 8), (HEXAGONAL, "omp", 13, 12), (VON_NEUMANN, "ei", 6, 8)],
)
def test_letters_are_the_classes_under_all_turns_and_mirrors(offsets, letters, classes, turns):
    """Found by linear maps here, and by turning a ring in the plugin."""
    matrices = [
        (a, b, c, d)
        for a, b, c, d in itertools.product((-1, 0, 1), repeat=4)
        if {(a * y + b * x, c * y + d * x) for y, x in offsets} == set(offsets)
    ]
    assert len(matrices) == turns
    weight = {at: 1 << (len(offsets) - 1 - n) for n, at in enumerate(offsets)}
    seen = set()
    for alive in range(1 << len(offsets)):
        cells = [at for at in offsets if alive & weight[at]]
        orbit = frozenset(
            sum(weight[a * y + b * x, c * y + d * x] for y, x in cells) for a, b, c, d in matrices
        )
        named = by_letter(offsets, len(cells))
        assert set(named) <= set(letters)
        assert not named or orbit in named.values()
        assert named or offsets is not MOORE or len(cells) in (0, 8)
        seen.add(orbit)
    assert len(seen) == classes
    if offsets is MOORE:  # with the two states of the cell itself 102 bits: 2 ** 102 rules
        lettered = [len(by_letter(MOORE, count)) or 1 for count in range(9)]
        assert lettered == [1, 2, 6, 10, 13, 10, 6, 2, 1]
        assert 2 * sum(lettered) == 102


@at_most(40)
@given(st.data())
def test_an_isotropic_rule_is_the_same_in_every_direction(data):
    grid = torch.tensor(data.draw(st.lists(st.integers(0, 1), min_size=81, max_size=81)))
    grid = grid.reshape(9, 9)
    rule = "B2-ak3ijr4tz5q/S12c3-e4wy6i"
    after = stepped(grid, rule)
    for turns in range(4):
        assert stepped(grid.rot90(turns, (0, 1)), rule).equal(after.rot90(turns, (0, 1)))
        assert stepped(grid.rot90(turns, (0, 1)).T, rule).equal(after.rot90(turns, (0, 1)).T)


def test_von_neumann_rules_are_isotropic_ones_on_eight_neighbours():
    # as the LifeWiki has it
    assert outcomes(read_rule("B1/SV")).equal(outcomes(read_rule("B1e2ak3inqy4ny5e/S")))


def test_letters_of_four_and_of_six_neighbours():
    assert read_rule("B2ei/S1V").same(read_rule("B2/S1V"))
    beside, across = read_rule("B2e/SV"), read_rule("B2-e/SV")
    assert int(beside.term.successors.sum()) == 4
    assert int(across.term.successors.sum()) == 2
    six = [int(read_rule(f"B{text}/SH").term.successors.sum()) for text in ("2o", "3m", "4p")]
    assert six == [6, 12, 3]


@pytest.mark.parametrize(
    ("letter", "count"),
    [
        *(("M", 24), ("N", 12), ("C", 20), ("2", 12), ("+", 8), ("X", 8), ("*", 16), ("#", 16)),
        *(("B", 12), ("D", 12)),
    ],
)
def test_neighbourhoods_of_range_two_have_so_many_cells(letter, count):
    rule = read_rule(f"R2,C0,M0,S2..3,B3..3,N{letter}")
    assert len(rule.term.offsets) == count
    assert {(-y, x) for y, x in rule.term.offsets} == set(rule.term.offsets)
    assert read_rule(f"R2,C0,M1,S2..3,B3..3,N{letter}").term.offsets[-1] == (0, 0)


def test_larger_than_life_of_range_one_is_life_like():
    grid = torch.randint(2, (12, 11), generator=torch.Generator().manual_seed(0))
    assert stepped(grid, "R1,C0,M1,S3..4,B3..3,NM").equal(stepped(grid, "B3/S23"))
    assert stepped(grid, "R1,C0,M0,S0..1,B1..1,NN").equal(stepped(grid, "B1/S01V"))


def test_bosco_counts_121_cells():
    grid = torch.randint(2, (30, 31), generator=torch.Generator().manual_seed(1))
    counts = sum(grid.roll((y, x), (0, 1)) for y in range(-5, 6) for x in range(-5, 6))
    wanted = torch.where(
        grid == 1, (counts >= 34) & (counts <= 58), (counts >= 34) & (counts <= 45)
    ).long()
    assert stepped(grid, "Bosco's Rule").equal(wanted)


def test_a_cell_that_dies_fades_through_all_states():
    rule = read_rule("B2/S345/C5")
    assert rule.states == 5
    assert rule.term.successors[:, 2].tolist() == [1, 2, 3, 4, 0]
    assert rule.term.successors[:, 4].tolist() == [0, 1, 3, 4, 0]
    assert rule.term.counted == (1,)
    assert read_rule(f"{LIFE_AS_MAP}/3").same(read_rule("B3/S23/C3"))


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_rows_of_any_range_are_read_from_left_to_right(reach):
    generator = torch.Generator().manual_seed(reach)
    row = torch.randint(2, (64,), generator=generator)
    bits = torch.randint(2, (1 << (2 * reach + 1),), generator=generator)
    number = sum(int(bit) << n for n, bit in enumerate(bits))
    seen = sum(row.roll(-by) << (reach - by) for by in range(-reach, reach + 1))
    assert stepped(row, f"R{reach},W{number}").equal(bits[seen])
    code = number % (1 << (2 * reach + 2))
    total = sum(row.roll(by) for by in range(-reach, reach + 1))
    assert stepped(row, f"R{reach},T{code}").equal(code >> total & 1)


@pytest.mark.parametrize(
    ("text", "colours", "code"), [("code 777", 3, 777), ("C4,T107396", 4, 107396)]
)
def test_colours_are_added_up_by_a_totalistic_code(text, colours, code):
    row = torch.randint(colours, (64,), generator=torch.Generator().manual_seed(0))
    total = row.roll(1) + row + row.roll(-1)
    wanted = code // colours**total % colours
    assert stepped(row, text).equal(wanted)
    assert read_rule(text).same(read_rule(f"R1,C{colours},T{code}"))


# grids


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("B3/S23:T30,20", BoundedGrid((20, 30), "torus")),
        ("b3s23:p30,20", BoundedGrid((20, 30), "zeros")),
        ("Life:T30", BoundedGrid((30, 30), "torus")),
        ("W30:T100", BoundedGrid((100,), "torus")),
        ("W30:T100,1", BoundedGrid((100,), "torus")),
        ("B3/S23", None),
    ],
)
def test_a_suffix_asks_for_a_grid(text, bounds):
    assert read_rule(text).bounds == bounds


def test_a_rule_with_a_suffix_wants_the_topology_of_its_suffix():
    grid = torch.zeros(8, 8)
    grid[0, 0:3] = 1
    assert stepped(grid, "B3/S23:P8,8", "zeros")[1, 1] == 1
    with pytest.raises(OptionError, match='write \\[grid\\] topology = "zeros"'):
        stepped(grid, "B3/S23:P8,8", "torus")


def test_born_from_nothing_a_torus_blinks():
    grid = torch.zeros(5, 6)
    assert stepped(grid, "B0/S").all()
    assert not stepped(stepped(grid, "B0/S"), "B0/S").any()


# as bits


@pytest.mark.parametrize(
    ("rule", "axes"),
    [
        *(("code 777", 1), ("C4,T107396", 1), ("R2,W3283936144", 1), ("B2/S/C4", 2)),
        *(("WireWorld", 2), ("B2-a3i/S12", 2), ("B2o/S34H", 2), ("B1/SV", 2)),
        ("R2,C3,M1,S4..8,B5..7,NC", 2),
    ],
)
def test_rules_of_all_families_are_stepped_as_bits(rule, axes):
    place = RuleContext(CELLS, "cells", axes)
    made = registry.get("rule", "discrete")(place, rule=rule)
    size = (70, 67)[:axes]
    grid = torch.randint(made.found.states, size, generator=torch.Generator().manual_seed(0))
    state = State({"cells": grid.float()[None, None]})
    plain, bits = (
        Automaton(CELLS, {"cells": [made]}, bits=bits).rollout(state, 5)["cells"]
        for bits in (False, True)
    )
    assert bits.equal(plain)
    assert not bits.equal(state["cells"])


# what is none, or faulty


@pytest.mark.parametrize(
    "text",
    [
        *("growing", "glom_mnist", "runs/growing-1", "glider.rle", "body", "", "  ", "my.toml"),
        *("B3/S23\nB3/S23.toml", "bs", "sub", "x" * 9000, "C:\\life.rle", "./23/3.toml"),
    ],
)
def test_what_no_family_means_is_none_of_them(text):
    assert known_rule(text) is None
    assert all(family(text) is None for family in FAMILIES)


@pytest.mark.parametrize("text", ["B\u0663/S23", "W\u0663\u0660", "B3/S2\u00b3"])
def test_digits_of_other_scripts_are_none(text):
    assert known_rule(text) is None
    with pytest.raises(RuleStringError, match="is no rule string"):
        read_rule(text)


FAULTY = {
    "B3/S23x": ('has "x" where nothing more is expected', "character 7", "did you mean B3/S23?"),
    "B9/S23": ("counts 9 neighbours", "character 2", "0 to that"),
    "B5/S2V": ("counts 5 neighbours", "character 2", "4 neighbours"),
    "B3/23": ('has "2" in place of S', "character 4", "did you mean B3/S23?"),
    "B3": ("lacks S", "the end", "B3/S23"),
    "B3t/S23": ('no arrangement "t" of 3', "character 3", "a c e i j k n q r y"),
    "B0c/S": ('no arrangement "c" of 0', "character 3", "no letters"),
    "B2a/SV": ('no arrangement "a" of 2', "character 3", "its letters are e i"),
    "B2-/S": ("lacks the letters", "character 4", "did you mean B2/S?"),
    "B2/S/C1": ("has 1 as its number of states", "character 7", "2 to 256"),
    "B2/S/C257": ("has 257 as its number of states", "character 7", "2 to 256"),
    "R5,C0,S34..580,B2,NM": ("counts 34..580 of 120", "character 8", "at most 120"),
    "R5,C0,S3..2,B2,NM": ("counts 3..2", "character 8", "smaller number first"),
    "R51,C0,S3,B2": ('has "51" as its range', "character 2", "1 to 50"),
    "R0,C0,S3,B2": ('has "0" as its range', "character 2", "1 to 50"),
    "R5,C0,S3,B2,NQ": ('"NQ", which is not known', "character 14", "NC circular"),
    "R5,C0,S3,B2,B3": ("has B twice", "character 13", "each part once"),
    "R5,C0,S3": ("lacks B", "the end", "write R5"),
    "R5,C0,Q1,S3,B2": ('no part that begins with "q"', "character 7", "write R5"),
    "1,3,3,3,40": ("counts 3..40 of 9", "character 1", "at most 9"),
    "MAPAAA": ("has 3 characters after MAP", "the end", "86 characters"),
    "MAPAA?A": ('has "?"', "character 6", "base64"),
    "W256": ("too large a number", "character 2", "0 to 255"),
    "R2,W4294967296": ("too large a number", "character 5", "0 to 4294967295"),
    "R9,W30": ("has the range 9", "character 2", "1 to 4"),
    "W1E": ("number with letters", "character 2", "W0x1E"),
    "C3,T2187": ("too large a number", "character 5", "0 to 2186"),
    "C3,W30": ("has 3 colours", "character 2", "C3,T777"),
    "C17,T3": ("has 17 colours", "character 2", "2 to 16"),
    "T16": ("too large a number", "character 2", "0 to 15"),
    "B3/S23:K30*,20": ("a Klein bottle", "character 8", ":T30,20"),
    "B3/S23:C30,20": ("a cross-surface", "character 8", ":T30,20"),
    "B3/S23:S30": ("a sphere", "character 8", ":T30,20"),
    "B3/S23:T30+5,20": ("a shifted torus", "character 8", ":T30,20"),
    "B3/S23:T30,20*": ("a twisted torus", "character 8", ":T30,20"),
    "B3/S23:T0,20": ("a grid without end", "character 8", ":T128,128"),
    "B3/S23:Q30": ('":Q30", which is none', "character 8", ":T30,20"),
    "B3/S23:T9999999": ("9,999,999 cells", "character 8", "1,000,000"),
    "W30:T30,20": ("two axes", "character 5", ":T30"),
    "W" + "9" * 3000: ("too large a number", "character 2", "0 to 255"),
}


@pytest.mark.parametrize("text", FAULTY)
def test_a_faulty_string_is_refused_with_place_and_remedy(text):
    what, where, to_do = FAULTY[text]
    with pytest.raises(RuleStringError) as refusal:
        read_rule(text)
    fault = refusal.value
    assert what in fault.what
    assert fault.where.startswith(where)
    assert to_do in fault.to_do


@given(st.text(alphabet="bBsS/0123456789-acegijkCGHRTVWM,.:+ ", max_size=24))
def test_any_text_is_read_or_refused(text):
    with suppress(RuleStringError):
        assert read_rule(text).states >= 2


# rules of recipes


def test_life_takes_every_string_of_its_kind_and_no_other():
    place = RuleContext(CELLS, "cells", 2)
    life = registry.get("rule", "life")
    assert life(place, rule="B2-a/S12").found.same(read_rule("Just Friends"))
    with pytest.raises(OptionError) as refusal:
        life(place, rule="B2/S/C3")
    assert str(refusal.value) == (
        'rule is "B2/S/C3", which is Generations on the Moore neighbourhood.\n'
        "  where:  Life(rule='B2/S/C3')\n"
        "  to do:  the rule `discrete` takes it"
    )
    with pytest.raises(OptionError, match="von Neumann"):
        life(place, rule="B1/SV")


def test_a_rule_of_rows_is_refused_on_a_plane():
    with pytest.raises(OptionError) as refusal:
        registry.get("rule", "discrete")(RuleContext(CELLS, "cells", 2), rule="W30")
    assert str(refusal.value) == (
        'rule is "W30", a rule of 1 axis.\n'
        "  where:  Discrete(rule='W30')\n"
        "  to do:  give [grid] size 1 number"
    )

"""An unknown name is refused together with the nearest known one."""

import ast
from pathlib import Path

import pytest

import nca
from nca.errors import NCAError
from nca.suggest import did_you_mean, listed, select_named

KNOWN = {"growing": 1, "life": 2, "glom": 3}


def test_the_nearest_name_is_suggested():
    assert did_you_mean("growin", KNOWN) == "did you mean `growing`? "
    assert did_you_mean("grom", KNOWN) == "did you mean `glom`? "
    assert did_you_mean("lief", iter(KNOWN)) == "did you mean `life`? "


@pytest.mark.parametrize("known", [KNOWN, []])
def test_where_no_name_is_near_nothing_is_suggested(known):
    assert did_you_mean("xyz", known) == ""


def test_chosen_things_come_in_their_own_order_and_all_where_none_is_named():
    assert select_named("rule", ["glom", "growing"], KNOWN, "--rule") == [1, 3]
    assert select_named("rule", [], KNOWN, "--rule") == [1, 2, 3]


def test_an_unknown_choice_is_refused_with_what_there_is_and_what_is_near():
    with pytest.raises(NCAError) as caught:
        select_named("rule", ["life", "growin"], KNOWN, "--rule")
    assert str(caught.value) == (
        "there is no rule 'growin'.\n"
        "  where:  --rule growin; there are: growing, life, glom\n"
        "  to do:  did you mean `growing`? choose one of these, or leave --rule out for all"
    )
    with pytest.raises(NCAError, match="--rule life; there are: none\n"):
        select_named("rule", ["life"], {}, "--rule")


def test_suggestions_are_made_in_one_place():
    house = Path(nca.__file__).parent
    users = set()
    for path in (*house.rglob("*.py"), *(house.parent / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            if "difflib" in (*named, getattr(node, "module", "")):
                users.add(path.name)
    assert users == {"suggest.py"}


def test_of_very_many_names_an_error_lists_the_first():
    many = [f"rule_{number}" for number in range(2000)]
    assert listed(many).endswith(", rule_59 and 1,940 more")
    assert (listed(["a", "b"]), listed([])) == ("a, b", "none")
    with pytest.raises(NCAError) as caught:
        select_named("rule", ["rule"], dict.fromkeys(many), "--rule")
    assert len(str(caught.value)) < 1000

"""Every key of a recipe is found in the line where a person would look for it."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from nca.checkpoint.find import recipes
from nca.recipe.lines import lines_of

TEXT = """\
top = 1
dotted.key = 2
"quoted \\" key" = 3

[a.b]              # a comment
c = [              # another
    1,
    { d = 2, e.f = [3] },
]

[[list]]
x = 1
[list.inner]
y = 2
[[list]]
x = 3
[[list.deep]]
z = 4
"""


def test_keys_tables_and_items_have_the_line_in_which_they_stand():
    assert lines_of(TEXT) == {
        ("top",): 1,
        ("dotted",): 2,
        ("dotted", "key"): 2,
        ('quoted " key',): 3,
        ("a",): 5,
        ("a", "b"): 5,
        ("a", "b", "c"): 6,
        ("a", "b", "c", 0): 7,
        ("a", "b", "c", 1): 8,
        ("a", "b", "c", 1, "d"): 8,
        ("a", "b", "c", 1, "e"): 8,
        ("a", "b", "c", 1, "e", "f"): 8,
        ("a", "b", "c", 1, "e", "f", 0): 8,
        ("list",): 11,
        ("list", 0): 11,
        ("list", 0, "x"): 12,
        ("list", 0, "inner"): 13,
        ("list", 0, "inner", "y"): 14,
        ("list", 1): 15,
        ("list", 1, "x"): 16,
        ("list", 1, "deep"): 17,
        ("list", 1, "deep", 0): 17,
        ("list", 1, "deep", 0, "z"): 18,
    }


def test_every_key_of_every_installed_recipe_has_a_line():
    for path in recipes().values():
        text = path.read_text(encoding="utf-8")
        lines = lines_of(text)
        for key in everything(tomllib.loads(text)):
            row = text.splitlines()[lines[key] - 1]
            assert str(key[-1]) in row or isinstance(key[-1], int)


def everything(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from everything(item, (*path, key))


@given(text=st.text(alphabet="ab[]{}=,.'\"#\n 1", max_size=40))
def test_no_text_is_too_broken_to_look_for_lines(text):
    assert all(line >= 1 for line in lines_of(text).values())

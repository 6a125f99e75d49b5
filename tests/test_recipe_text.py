"""A text that no recipe needs is refused by its size and shape, before a parser sees it."""

import time
from pathlib import Path

import pytest
from tiny import RECIPE

from nca.checkpoint.find import recipe_text
from nca.errors import NCAError
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca.recipe.text import decode_toml, oversized

TOO_MUCH = {
    "a dotted key": "a" + ".b" * 21_000 + " = 1",
    "a quoted dotted key": '"a"' + '."b"' * 9_000 + " = 1",
    "a dotted key with spaces": "a" + " . b" * 9_000 + " = 1",
    "a dotted header": "[a" + ".b" * 21_000 + "]",
    "a dotted key in braces": "x = { a" + ".b" * 21_000 + " = 1 }",
    "a dotted key behind a text that ends": 'x = """\n"""\na' + ".b" * 21_000 + " = 1",
    "a long key": "a" * 900_000 + " = 1",
    "a long list": "a = [" + "1," * 400_000 + "]",
    "many tables": "[[a]]\n" * 100_000,
    "many keys": "\n".join(f"k{n} = 1" for n in range(50_000)),
    "a long text": f'a = "{"x" * 2_000_000}"',
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_no_recipe_needs_is_refused_at_once(case):
    begun = time.process_time()
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(f"{TOO_MUCH[case]}\n", name="huge", folder=Path())
    assert time.process_time() - begun < 2
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("\na" + ".b" * 30 + " = 1", "line 2   the recipe  is nested too deep"),
        (
            "# one\n\n" + "a" * 2_000 + " = 1",
            "line 3   the recipe  has a word of 2,000 characters",
        ),
    ],
)
def test_the_line_is_named(text, row):
    with pytest.raises(RecipeError) as caught:
        decode_toml(text, "huge")
    assert row in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        RECIPE,
        "# " + "a." * 5_000,
        'a = "' + "b." * 5_000 + '"',
        "a = '''\n" + "b.c = 1\n" * 9_000 + "'''",
        'a = """' + '\\"x = [1, 2]' * 9_000 + '"""',
        "a = [" + "1.5, " * 1_000 + "]",
        "a" + ".b" * 15 + " = 1",
    ],
)
def test_texts_and_comments_are_as_long_as_they_like(text):
    assert oversized(text) is None
    decode_toml(text, "fine")


def test_a_file_that_is_no_recipe_by_its_size_is_not_read(tmp_path):
    file = tmp_path / "huge.toml"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(NCAError, match="it has more than 1,048,576 bytes"):
        recipe_text(file)

"""One fault, one row: the line, the key, what was given, what is expected, the nearest name."""

from pathlib import Path

import pytest
from tiny import RECIPE, changed, known

from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe

ALIVE = 'alive = { level = "image", channel = 0, above = 0.1 }'


@pytest.fixture(autouse=True)
def blobs(tmp_path: Path) -> None:
    known(tmp_path)


# one piece of the tiny recipe -> what stands in its place
#   the one row that is shown, wrapped
FAULTS = r"""
batch = 4 -> batch = "4"
  line 32 [train] batch is "4" expected: whole number, at least 1

batch = 4 -> batch = true
  line 32 [train] batch is true expected: whole number, at least 1

batch = 4 -> batch = 4.0
  line 32 [train] batch is 4.0 expected: whole number, at least 1

batch = 4 -> batch = -4
  line 32 [train] batch is -4 expected: whole number, at least 1

batch = 4 -> batch = {}
  line 32 [train] batch is {} expected: whole number, at least 1

2e-3 -> -1
  line 34 [train] learning_rate is -1 expected: number, above 0

2e-3 -> nan
  line 34 [train] learning_rate is nan expected: a number that is finite

2e-3 -> 1e400
  line 34 [train] learning_rate is inf expected: a number that is finite

2e-3 -> 2020-01-02
  line 34 [train] learning_rate is a date or time expected: something else; text is
    "2020-01-02"

batch = 4 -> batch = 1000000000000000000000000000000
  line 32 [train] batch is out of range a whole number has at most 18 digits

0.5 -> 1.5
  line 20 [rollout] fire_rate is 1.5 expected: number from 0 to 1

[2, 3] -> [0, 3]
  line 19 [rollout] steps[0] is 0 expected: whole number, at least 1

[2, 3] -> 0
  line 19 [rollout] steps is 0 give a whole number from 1, or two: [64, 96]

[2, 3] -> [2]
  line 19 [rollout] steps is [2] give a whole number from 1, or two: [64, 96]

[2, 3] -> true
  line 19 [rollout] steps is true give a whole number from 1, or two: [64, 96]

[8, 8] -> 8
  line 6 [grid] size is 8 expected: list of 1 to 3, each: whole number, at least 1

[8, 8] -> []
  line 6 [grid] size is [] expected: list of 1 to 3, each: whole number, at least 1

[8, 8] -> [8, -8]
  line 6 [grid] size[1] is -8 expected: whole number, at least 1

size = [8, 8] -> topology = "tor"\nsize = [8, 8]
  line 6 [grid] topology[0] is "tor" did you mean `torus`? expected: "torus" | "zeros" | "reflect" |
    "replicate"

size = [8, 8] -> topology = ["torus", "zeros", "torus"]\nsize = [8, 8]
  line 6 [grid] topology names 3 axes name one boundary for all, or one for each of the 2 axes

size = [8, 8] -> topolgy = "torus"\nsize = [8, 8]
  line 6 [grid] topolgy unknown key did you mean `topology`? [grid] knows: coordinates,
    size, topology

hidden = 4 -> hiden = 4
  line 16 [levels[1].rules[0]] hiden unknown key did you mean `hidden`? [levels[1].rules[0]]
    knows: angle, condition, gain, hidden, laplacian, slopes

hidden = 4 -> hidden = "4"
  line 16 [levels[1].rules[0]] hidden is "4" expected: whole number, at least 1

above = 0.1 -> above = "0.1"
  line 21 [rollout.alive] above is "0.1" expected: number

channel = 0 -> channel = true
  line 21 [rollout.alive] channel is true expected: whole number, at least 0

channel = 0 -> channel = 1
  line 21 [rollout.alive] channel is 1 "image" has channels 0 to 0

level = "image" -> level = "imag"
  line 21 [rollout.alive] level no level "imag" did you mean `image`? choose among: image,
    body

ALIVE -> alive = 3
  line 21 [rollout] alive is 3 expected: table

ALIVE -> ALIVE\nnoise = true
  line 22 [rollout] noise is true give a number, or a table: { scale = 0.02 }

ALIVE -> ALIVE\nnoise = { scale = 1, kind = "pink" }
  line 22 [rollout.noise] kind is "pink" expected: "normal" | "uniform"

ALIVE -> ALIVE\nnoise = -0.5
  line 22 [rollout.noise] scale is -0.5 expected: number, at least 0

ALIVE -> ALIVE\nskips = { every = 2 }
  line 22 [rollout] skips is {"every": 2} expected: list of tables

ALIVE -> ALIVE\nskips = [{ every = 2, weight = 0.1, levels = ["image"] }]
  line 22 [rollout.skips[0]] levels names "image" choose among: body

ALIVE -> ALIVE\nskips = [{ every = 2, wait = 0.1, weight = 1 }]
  line 22 [rollout.skips[0]] wait unknown key did you mean `weight`? [rollout.skips[0]] knows:
    at_end, every, keep_gain, levels, weight

"blobs" -> []
  line 25 [task] dataset is [] expected: text or table

"blobs" -> "a\u0000b"
  line 25 [task] dataset is "a\u0000b" leave out what is no character

held_out = 8 -> heldout = 8
  line 26 [task] heldout unknown key did you mean `held_out`? [task] knows: augment, cells,
    dataset, held_out, image, ink, label_smoothing, near, normalise, objective, patch, read,
    readout, start

size = 8\n -> size = 2\n
  line 29 [pool] size is 2 at least one batch: 4

size = 8\n -> size = 8\ndamaged = 4\n
  line 28 pool renews 5 states fresh, damaged and swapped together fit a batch of 4

iterations = 4 -> iterations = 4\nbetas = [0.9]
  line 34 [train] betas is [0.9] expected: list of 2, each: number, at least 0 and below 1

iterations = 4 -> iterations = 4\nbetas = [0.9, 1.0]
  line 34 [train] betas[1] is 1.0 expected: number, at least 0 and below 1

iterations = 4 -> iterations = 4\noptimiser = "adma"
  line 34 [train] optimiser is "adma" did you mean `adam`? expected: "adam" | "adamw"

random_seed = 3 -> random_seed = -1
  line 3 random_seed is -1 expected: whole number, at least 0

random_seed = 3 -> plugins = [3]
  line 3 plugins[0] is 3 expected: text

random_seed = 3 -> "" = 3
  line 3 "" unknown key a recipe knows: evaluate, evolve, format, grid, levels, plugins, pool,
    random_seed, rollout, task, train

random_seed = 3 -> a.b = 3
  line 3 a unknown key a recipe knows: evaluate, evolve, format, grid, levels, plugins, pool,
    random_seed, rollout, task, train

input = true -> input = 1
  line 11 [levels[0]] input is 1 expected: true or false

"body" -> "bo dy"
  line 14 [levels[1]] name is "bo dy" expected: letters, digits and _, not beginning with a
    digit

"body" -> "image"
  line 14 [levels[1]] name is "image", again name each level once

"body" -> "keys"
  line 14 [levels[1]] name is "keys" torch uses that word: choose another

rules = [{ name = "growing", hidden = 4 }] -> rules = "growing"
  line 16 [levels[1]] rules is "growing" expected: list of tables

rules = [{ name = "growing", hidden = 4 }] -> rules = ["growing"]
  line 16 [levels[1]] rules[0] is "growing" expected: table

input = true -> input = true\nrules = [{ name = "growing" }]
  line 12 [levels[0]] rules on an input level nothing writes to an input level: move its rules
    to a level above

learning_rate = 2e-3 -> learning_rate = 2e-3\nmemory = "all"
  line 35 [train.memory] mode is "all" expected: "auto" | "store" | "segments" | "recompute"

learning_rate = 2e-3 -> learning_rate = 2e-3\nmemory = 3
  line 35 [train] memory is 3 give a mode, or a table: { mode = "segments" }

learning_rate = 2e-3 -> learning_rate = 2e-3\nmemory = { mode = "store", every = 3 }
  line 35 [train.memory] every is 3 only segments have a length: { mode = "segments", every = 8 }

learning_rate = 2e-3 -> learning_rate = 2e-3\nparts = 3
  line 35 [train] parts is 3 a number that divides the batch of 4

learning_rate = 2e-3 -> learning_rate = 2e-3\nmemory = { every = 0 }
  line 35 [train.memory] every is 0 expected: whole number, at least 1

format = 1 -> format = 2
  line 2 format is 2 this version reads format 1: install a newer nca

format = 1 -> format = 0
  line 2 format is 0 expected: 1

format = 1 -> format = true
  line 2 format is true write format = 1

format = 1 -> format = 1.0
  line 2 format is 1.0 write format = 1

format = 1 -> format = "1"
  line 2 format is "1" write format = 1
"""


def told(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(text, name="tiny", folder=Path(), source="tiny.toml")
    return str(caught.value)


def rows(text: str) -> list[str]:
    """Return the lines under the headline, with runs of spaces as one."""
    return [" ".join(row.split()) for row in told(text).splitlines()[1:]]


def faults() -> list[tuple[str, str, str]]:
    cases = []
    for case in FAULTS.strip().split("\n\n"):
        change, _, row = case.partition("\n")
        old, _, new = change.replace("ALIVE", ALIVE).replace("\\n", "\n").partition(" -> ")
        cases.append((old, new, " ".join(row.split())))
    return cases


@pytest.mark.parametrize(("old", "new", "row"), faults())
def test_a_fault_is_told_with_its_line_key_value_and_remedy(old, new, row):
    assert rows(changed(old, new)) == [row]


def test_faults_are_told_together_in_columns_and_in_the_order_of_the_lines():
    text = changed("fire_rate = 0.5", "fire_rat = 0.5").replace("[2, 3]", "[3, 2]")
    shown = [
        "3 faults in tiny.toml",
        "  line 19  [rollout] steps     is [3, 2]    give the smaller number first: [2, 3]",
        "  line 20  [rollout] fire_rat  unknown key  did you mean `fire_rate`? [rollout] knows: "
        "alive, fire_rate, noise, skips, step_size, steps",
        "  line 28  pol                 unknown key  did you mean `pool`? a recipe knows: "
        "evaluate, evolve, format, grid, levels, plugins, pool, random_seed, rollout, task, train",
    ]
    assert told(text.replace("[pool]", "[pol]")) == "\n".join(shown)


def test_a_misspelt_key_that_is_needed_is_missing_and_unknown():
    missing, misspelt = rows(changed("channels = 4", "chanels = 4"))
    assert missing == (
        "line 13 [levels[1]] channels is missing add it: channels = <whole number, at least 1>"
    )
    assert misspelt == (
        "line 15 [levels[1]] chanels unknown key did you mean `channels`? "
        "[levels[1]] knows: channels, coarsen, input, name, refine, rules, scale"
    )


def test_odd_values_hide_no_other_fault():
    odd = rows(changed("2e-3", "nan").replace("batch = 4", "batch = 1979-05-27"))
    assert [row.split(" ")[3] for row in odd] == ["batch", "learning_rate"]
    assert len(rows(changed("2e-3", "nan").replace("fire_rate", "burn_rate"))) == 2


def test_an_unknown_rule_is_told_with_the_nearest_and_where_others_come_from():
    (row,) = rows(changed('"growing"', '"growin"'))
    start = (
        'line 16 [levels[1].rules[0]] name no rule "growin" did you mean `growing`? choose among: '
    )
    assert row.startswith(start)
    assert row.endswith("; a plugin's file brings more: --plugin FILE")
    (row,) = rows('plugins = ["mine.py"]\n' + changed('"growing"', '"growin"'))
    assert row.endswith("--plugin mine.py")


def test_an_unknown_task_is_told():
    (row,) = rows(changed('"cell_classification"', '"cell_clasification"'))
    assert row.startswith('line 24 [task] name no task "cell_clasification" did you mean `cell_cl')


def test_a_level_that_is_no_table_hides_no_fault_of_a_level_behind_it():
    levels = 'levels = ["x", { name = "body", channels = 4, rules = [7] }]\n'
    text = RECIPE.replace(RECIPE[RECIPE.index("[[levels]]") : RECIPE.index("[rollout]")], "")
    shown = rows(levels + text.replace('level = "image"', 'level = "body"'))
    assert shown == [
        'line 1 levels[0] is "x" expected: table',
        "line 1 [levels[1]] rules[0] is 7 expected: table",
    ]


def test_of_very_many_faults_the_first_are_shown_and_the_rest_counted():
    more = "".join(f"k{n} = 1\n" for n in range(60)) + f"{'k' * 900} = 1\n"
    shown = told(RECIPE.replace("[evaluate]\n", f"[evaluate]\n{more}")).splitlines()
    assert (shown[0], shown[-1], len(shown)) == ("61 faults in tiny.toml", "  ... and 11 more", 52)
    assert len(told(RECIPE + f"{'k' * 900} = 1\n{'l' * 900} = 1\nm = 1\n")) < 3000

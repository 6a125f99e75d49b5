"""What could be, and means nothing, is a fault of a recipe; what an override caused is a remark."""

from pathlib import Path

import pytest
from tiny import RECIPE, changed, known

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.find import recipes
from nca.checkpoint.read import read_recipe
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe

ALIVE = 'alive = { level = "image", channel = 0, above = 0.1 }'
RULES = '[{ name = "growing", hidden = 4 }]'


@pytest.fixture(autouse=True)
def blobs(tmp_path: Path) -> None:
    known(tmp_path)


def faults(text: str, *overrides: str) -> list[str]:
    """Return the places and words of all faults of a recipe, read and built."""
    try:
        Recipe.parse(text, name="tiny", folder=Path(), overrides=overrides).check()
    except RecipeError as error:
        return [f"{'.'.join(map(str, fault.path))} {fault.what}" for fault in error.faults]
    return []


# a piece of the tiny recipe, what stands in its place, and the one fault
SENSELESS = {
    "no cell ever fires": ("fire_rate = 0.5", "fire_rate = 0.0", "rollout.fire_rate is 0"),
    "it warms up until the end": (
        "save_every = 2",
        "save_every = 2\nwarmup = 4",
        "train.warmup is 4",
    ),
    "a drop comes too late": (
        "save_every = 2",
        'save_every = 2\nschedule = "drops"\ndrops = [2, 4]',
        "train.drops.1 is 4, and never comes",
    ),
    "drops fall back": (
        "save_every = 2",
        'save_every = 2\nschedule = "drops"\ndrops = [3, 2]',
        "train.drops is [3, 2]",
    ),
    "nothing drops": ("save_every = 2", "save_every = 2\ndrops = [2]", "train.drops has no effect"),
    "no drops are named": (
        "save_every = 2",
        'save_every = 2\nschedule = "drops"',
        'train.schedule is "drops"',
    ),
    "a drop to nothing": (
        "save_every = 2",
        'save_every = 2\nschedule = "drops"\ndrops = [2]\ndrop_factor = 0.0',
        "train.drop_factor is 0",
    ),
    "nothing is clipped": (
        "save_every = 2",
        "save_every = 2\nclip = 2.0",
        "train.clip has no effect",
    ),
    "weights decay at once": (
        "save_every = 2",
        'save_every = 2\noptimiser = "adamw"\nweight_decay = 500.0',
        "train.weight_decay is 500",
    ),
    "more last states than steps": (
        "save_every = 2",
        "save_every = 2\nlast_states = 3",
        "train.last_states is 3",
    ),
    "a segment longer than all": (
        "save_every = 2",
        'save_every = 2\nmemory = { mode = "segments", every = 9 }',
        "train.memory.every is 9",
    ),
    "the pool is never drawn from": (
        "\nsize = 8\n",
        "\nsize = 8\nbegin = 4\n",
        "pool.begin is 4, and never comes",
    ),
    "the pool is always new": ("\nsize = 8\n", "\nsize = 8\nfresh = 4\n", "pool.fresh is 4"),
    "life reaches beyond the grid": (
        "above = 0.1",
        "above = 0.1, radius = 9",
        "rollout.alive.radius is 9",
    ),
    "no deviation": (
        "held_out = 8",
        "held_out = 8\nnormalise = [0.5, 0.0]",
        "task.normalise.1 is 0.0",
    ),
    "nearer than the grid is wide": ("held_out = 8", "held_out = 8\nnear = 9", "task.near is 9"),
    "a one-hot class is smoothed": (
        "held_out = 8",
        'held_out = 8\nobjective = "squared"\nlabel_smoothing = 0.1',
        "task.label_smoothing is 0.1",
    ),
    "the class is read from the picture": (
        "held_out = 8",
        'held_out = 8\nread = "image"',
        'task.read is the input level "image"',
    ),
    "no such level": (
        "held_out = 8",
        'held_out = 8\nread = "bdy"',
        "task.read there is no level 'bdy'",
    ),
    "no such data": ('"blobs"', '"blods"', "task.dataset there is no dataset named 'blods'"),
    "settling without end": (
        "steps = [3]",
        'steps = "settle"\ntolerance = 2.0',
        "evaluate.tolerance is 2",
    ),
    "a tolerance without settling": (
        "steps = [3]",
        "steps = [3]\ntolerance = 0.1",
        "evaluate.tolerance has no effect",
    ),
    "a swap with itself": (
        "steps = [3]",
        'steps = [3]\ndisturb = "swap"\nbatch = 1',
        "evaluate.batch is 1",
    ),
    "a level that nothing uses": (ALIVE, "", "levels.0.name is used by no rule"),
    "no rule at all": (f"rules = {RULES}", "", "levels have no rules"),
    "a rule of another grid": (RULES, '[{ name = "elementary" }]', "grid.size has 2 axes"),
    "a level that is not there": (
        RULES,
        '[{ name = "top_down" }]',
        'levels.1.rules.0.name has no level above "body"',
    ),
    "two rules where one stands alone": (
        RULES,
        '[{ name = "weighted_mean" }, { name = "fade" }]',
        "levels.1.rules are 2",
    ),
    "a skip that divides by zero": (
        ALIVE,
        ALIVE + "\nskips = [{ every = 1, weight = -1.0 }]",
        "rollout.skips.0.weight is -1",
    ),
    "a place that no cell knows": (
        RULES,
        '[{ name = "growing" }, { name = "lateral", attention = { radius = 2 } }]',
        "levels.1.rules.1.attention.radius is 2",
    ),
    "attention beyond the grid": (
        RULES,
        '[{ name = "growing" }, { name = "consensus_step", attention = { radius = 9 } }]',
        "levels.1.rules.1 sees 9 cells far",
    ),
}


@pytest.mark.parametrize("case", SENSELESS)
def test_what_means_nothing_is_a_fault_at_its_key(case):
    old, new, fault = SENSELESS[case]
    assert faults(RECIPE) == []
    assert faults(changed(old, new)) == [fault]


def test_a_recipe_without_weights_has_nothing_to_train():
    text = RECIPE.replace("[task]\nname", "[task]\nreadout = 'channels'\nname")
    assert faults(text.replace(RULES, '[{ name = "fade" }]')) == ["levels have no weights"]


def test_a_picture_that_is_missing_is_a_fault_of_the_task():
    text = (Path(recipes()["growing"])).read_text().replace('"lizard"', '"nope.png"')
    assert [fault.partition(" ")[0] for fault in faults(text)] == ["task.target"]


def test_levels_without_one_of_scale_1_are_a_fault_of_the_recipe():
    with pytest.raises(RecipeError, match=r"\[levels\[0\]\] scale +is 2, and no level has scale 1"):
        read_recipe("growing_pyramid", ["levels.0.scale=2"])


@pytest.mark.parametrize(
    ("override", "choices"),
    [
        ('levels.0.rules.0.condition="plam"', "name one of body, plan, or add the level"),
        ('task.target="lizzard"', "choose one of bubbles, butterfly, "),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_those_that_are(override, choices):
    with pytest.raises(RecipeError) as caught:
        read_recipe("growing_pyramid", [override]).check()
    (fault,) = caught.value.faults
    assert f"? {choices}" in fault.to_do  # after the nearest of them


def test_an_exchange_that_never_comes_is_refused():
    table = 'evolve={ kind = "exchange", population = 2, every = 50 }'
    set_with = [table, "train.iterations=50"]
    with pytest.raises(RecipeError, match=r"\[evolve\] every +is 50, and never comes"):
        read_recipe("growing_evolved", set_with)
    assert not read_recipe("growing_evolved", [table.replace("50", "49"), *set_with[1:]]).remarks
    alone = table.replace("50", "50, replace = 0")
    assert not read_recipe("growing_evolved", [alone, *set_with[1:]]).remarks


def test_fewer_iterations_by_an_override_are_a_remark():
    recipe = read_recipe("growing", ["train.iterations=500"])
    assert [str(remark) for remark in recipe.remarks] == [
        "[train] drops[0] is 1600, and never comes: below the 500 iterations"
    ]
    assert faults(recipe.text) == ["train.drops.0 is 1600, and never comes"]
    assert not read_recipe("growing").remarks


def test_what_an_override_says_itself_is_a_fault():
    assert faults(RECIPE, "train.warmup=9") == ["train.warmup is 9"]
    assert faults(RECIPE, "rollout.fire_rate=0") == ["rollout.fire_rate is 0"]


def test_a_checkpoint_may_hold_what_means_nothing(tmp_path):
    text = changed("save_every = 2", "save_every = 2\nwarmup = 9")
    checkpoint = Checkpoint(name="tiny", recipe=text, overrides=(), iteration=4, tensors={})
    assert checkpoint.parsed(tmp_path).tables.train.warmup == 9


FOUR = (
    RECIPE.replace("fire_rate = 0.5", "fire_rate = 5")
    .replace("hidden = 4", "hidden = 4, angel = 1.0")
    .replace('level = "image"', 'level = "imag"')
    .replace("held_out = 8", 'held_out = 8\nread = "image"')
    .replace("batch = 4", "batch = 4\nwarmup = 9")
    .replace("\nsize = 8\n", "\nsize = 8\nfresh = 4\n")
)


def test_all_that_is_wrong_is_said_in_one_round():
    assert faults(FOUR) == [
        "levels.1.rules.0.angel unknown key",
        "rollout.fire_rate is 5",
        'rollout.alive.level no level "imag"',
        'task.read is the input level "image"',
        "pool.fresh is 4",
        "train.warmup is 9",
    ]


def test_what_hangs_on_another_fault_waits():
    text = changed("batch = 4", 'batch = "4"').replace("\nsize = 8\n", "\nsize = 8\nfresh = 4\n")
    assert faults(text) == ['train.batch is "4"']

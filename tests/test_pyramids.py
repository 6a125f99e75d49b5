"""Whatever holds, hurts, saves and judges states knows levels of different resolution."""

from pathlib import Path

import pytest
import tiny
import torch
from pyramids import automaton_of, state_of
from torch.testing import assert_close

import nca
from nca import (
    Automaton,
    Batch,
    CellRNG,
    Damage,
    Layout,
    Level,
    Population,
    Recipe,
    RuleContext,
    ShapeError,
)
from nca.engine.plane import rollout_on_plane
from nca.engine.resample import mask_read, on_grid
from nca.engine.stepper import DenseStepper
from nca.tasks.damage import disc
from nca.tasks.pool import swap_inputs
from nca_plugins.glom.mean import WeightedMean

LAYOUT = Layout(
    [
        Level("ground", 3, input=True),
        Level("middle", 4, scale=2, coarsen="stack", refine="bilinear"),
        Level("top", 5, scale=4),
    ]
)

RECIPE = tiny.changed(
    'name = "body"\nchannels = 4\n',
    'name = "body"\nchannels = 4\nscale = 2\ncoarsen = "stack"\n',
    tiny.RECIPE,
)


def settling() -> Automaton:
    """Return the weighted mean on two levels over an input, in float64."""
    rules = {n: [WeightedMean(RuleContext(LAYOUT, n), hidden=6)] for n in ("middle", "top")}
    return Automaton(LAYOUT, rules, fire_rate=0.5).double()


def recipe(folder: Path, text: str = RECIPE) -> Recipe:
    tiny.known(folder)
    return Recipe.parse(text, name="pyramid", folder=folder)


# ways to step


def test_a_population_of_pyramids_steps_as_one():
    automaton = settling()
    population = Population.clones(automaton, 3, batched=True)
    for number, each in enumerate(population):
        with torch.no_grad():
            for weight in each.parameters():
                weight.add_(0.1 * number)
    states = [state_of(LAYOUT, (8, 12), random_seed=number) for number in range(3)]
    states = [state.replace(random_seed=7) for state in states]
    assert population.why_not_batched(states) is None
    for each, state, after in zip(population, states, population.rollout(states, 3), strict=True):
        alone = each.rollout(state, 3)
        for name in alone:
            assert_close(after[name], alone[name])


@pytest.mark.parametrize("way", ["tiled", "fused"])
def test_ways_for_levels_of_one_size_say_so(way):
    automaton, state = settling(), state_of(LAYOUT, (8, 8))
    why = {"tiled": nca.why_not_tiled, "fused": nca.why_not_fused}[way](automaton, state)
    assert why == "its levels differ in size"
    setattr(automaton, way, True)
    with pytest.raises(ShapeError, match="its levels differ in size"):
        automaton.step(state)


def test_a_list_of_cells_is_left_to_levels_of_one_size():
    life = nca.Alive("middle", 0, 0.0)
    plain, listed = (
        automaton_of(
            Layout([Level("ground", 2), Level("middle", 3, scale=2), Level("top", 1)]),
            2,
            alive=life,
            sparse=sparse,
        )
        for sparse in (False, True)
    )
    state = state_of(plain.layout, (6, 4))
    assert listed.rollout(state, 2) == plain.rollout(state, 2)


def test_a_step_can_be_traced_as_a_compiler_does():
    automaton, state = settling(), state_of(LAYOUT, (8, 4))
    stepper = DenseStepper(automaton.spec)
    traced = torch.compile(lambda state: stepper.step(state, 0.5), backend="eager", fullgraph=True)
    for name, level in traced(state).items():
        assert_close(level, automaton.step(state)[name])


def test_a_plane_grows_around_levels_of_one_scale():
    with pytest.raises(ShapeError, match='differ in scale: "middle" 2, "top" 4'):
        rollout_on_plane(settling(), state_of(LAYOUT, (8, 8)), 2)


# what happens to states


@pytest.mark.parametrize("hurt", [disc, Damage("disc", 0.4, "anywhere").hurt])
def test_a_disc_cuts_all_levels_at_one_place(hurt):
    state = LAYOUT.zeros(6, (32, 16)).map(lambda level: level + 1)
    cut = hurt(state, CellRNG(3, 0, state.samples), ["ground", "middle", "top"])
    kept = cut["ground"][:, :1] > 0
    assert 0 < kept.float().mean() < 1
    for name, level in LAYOUT.items():
        assert torch.equal(cut[name][:, :1] > 0, mask_read(kept, 1, level.scale))
    assert not cut["top"].all()


def test_a_new_input_is_cleared_where_no_cell_lives_on_any_level():
    layout = Layout([Level("image", 1, input=True), Level("body", 2, scale=2)])
    automaton = Automaton(layout, {}, alive=nca.Alive("image", 0, 0.5, radius=0))
    old = Batch(layout.zeros(1, (4, 4)).map(lambda level: level + 1))
    new = layout.zeros(1, (4, 4))
    new["image"][:, :, 0, 3] = 1.0
    swapped = swap_inputs(old, Batch(new), automaton).state
    assert swapped["body"][0, 0].tolist() == [[0, 1], [0, 0]]


def test_weights_saved_and_loaded_give_the_same_bits(tmp_path):
    made = recipe(tmp_path)
    model = nca.Model.from_automaton(made.automaton(), size=(8, 8))
    model.save(tmp_path / "pyramid.safetensors")
    again = nca.load(str(tmp_path / "pyramid.safetensors"))
    assert again.automaton.layout == made.layout
    state = model.seed(2)
    state = state.replace({name: torch.rand(level.shape) for name, level in state.items()})
    assert again.rollout(state, 3) == model.rollout(state, 3)


# recipes and tasks


def test_a_recipe_says_scale_and_how_other_levels_are_read(tmp_path):
    made = recipe(tmp_path)
    assert made.layout["body"] == Level("body", 4, scale=2, coarsen="stack")
    state = made.automaton().seed(2, (8, 8))
    assert state.size("body") == (4, 4)


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("size = [8, 8]", "size = [8, 7]", "[grid] size", "multiple of 2"),
        ("scale = 2", "scale = 3", "scale", "power of two"),
        ("scale = 2", 'scale = 2\nrefine = "cubic"', "refine", "bilinear"),
        ("input = true", "input = true\nscale = 2", "scale", "no level has scale 1"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_its_line(tmp_path, old, new, where, what):
    with pytest.raises(nca.NCAError) as refusal:
        recipe(tmp_path, tiny.changed(old, new, RECIPE))
    assert where in str(refusal.value)
    assert what in str(refusal.value)


def test_a_coarse_cell_votes_for_all_cells_that_it_spans(tmp_path):
    task = recipe(tmp_path).task()
    state = task.context.layout.zeros(2, (8, 8)).map(lambda level: torch.rand(level.shape))
    scores = task.scores(state)
    assert scores.shape == (2, 2, 8, 8)
    assert torch.equal(scores, on_grid(scores[:, :, ::2, ::2], 2))
    truth = {"label": torch.tensor([0, 1]), "live": torch.rand(2, 8, 8) > 0.5}
    batch = Batch(state, truth)
    assert set(task.loss([state], batch)) == {"cross_entropy"}
    assert task.measure(state, batch)["vote"].part.shape == (2,)
    assert task.picture(state).shape == (2, 3, 8, 8)


def test_a_task_whose_level_must_be_fine_says_so(tmp_path):
    text = tiny.changed(
        'name = "cell_classification"\ndataset = "blobs"\nheld_out = 8\n',
        'name = "image_growth"\ntarget = "lizard"\nside = 4\n',
        RECIPE,
    )
    text = tiny.changed('alive = { level = "image", channel = 0, above = 0.1 }\n', "", text)
    with pytest.raises(nca.NCAError) as refusal:
        recipe(tmp_path, text).task()
    assert 'is "body", a level of scale 2' in str(refusal.value)


def test_a_seed_is_put_into_the_cell_that_covers_the_place(tmp_path):
    task = recipe(tmp_path).task()
    batch = task.add_seed(Batch(task.context.layout.zeros(1, (8, 8))), (5, 2))
    assert batch.state["body"][0, 0].nonzero().tolist() == [[2, 1]]

"""A state is a tensor for each level, a handful of counters, and a pytree."""

import base64
import io
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import layouts, random_seeds, sizes, states
from torch import Tensor
from torch.testing import assert_close
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from nca import Layout, Level, ShapeError, State

BODY = Layout([Level("image", 1, input=True), Level("body", 3)])


def same(one: State, other: State) -> bool:
    pairs = zip(one.remembered, other.remembered, strict=True)
    return (
        one == other
        and (one.random_seed, one.step) == (other.random_seed, other.step)
        and torch.equal(one.samples, other.samples)
        and all(State(old) == State(older) for old, older in pairs)
    )


def remembering(state: State) -> State:
    return state.replace(remembered=({name: state[name] + 1 for name in state},))


# layouts


def test_levels_stand_from_the_bottom_up():
    assert list(BODY) == ["image", "body"]
    assert BODY.beside("body", -1) == Level("image", 1, input=True)
    assert BODY.beside("image", 1) == Level("body", 3)
    assert BODY.beside("image", -1) is BODY.beside("body", 1) is None


def test_layouts_of_another_order_differ():
    levels = list(BODY.values())
    assert Layout(levels) == BODY
    assert hash(Layout(levels)) == hash(BODY)
    assert Layout(levels[::-1]) != BODY


def test_a_layout_is_shown_as_python_would_build_it():
    flat = "scale=1, coarsen='mean', refine='nearest'"
    image = f"Level(name='image', channels=1, input=True, {flat})"
    body = f"Level(name='body', channels=3, input=False, {flat})"
    assert repr(BODY) == f"Layout([{image}, {body}])"
    assert eval(repr(BODY)) == BODY


@pytest.mark.parametrize(
    ("levels", "what"),
    [
        ([], "a layout needs a level."),
        ([Level("a", 1), Level("b", 1), Level("a", 2)], "two levels are named 'a'."),
    ],
)
def test_a_layout_that_cannot_be_is_refused(levels, what):
    with pytest.raises(ShapeError) as refusal:
        Layout(levels)
    assert str(refusal.value) == (
        f"{what}\n  where:  Layout({[level.name for level in levels]})\n"
        "  to do:  give every level a name of its own"
    )


@pytest.mark.parametrize(
    ("thing", "whose"), [(BODY, "layout"), (BODY.zeros(1, (2,)), "state")], ids=["layout", "state"]
)
def test_an_unknown_level_is_refused_with_the_names_there_are(thing, whose):
    with pytest.raises(ShapeError) as refusal:
        thing["bodi"]
    assert str(refusal.value) == (
        "there is no level 'bodi'.\n  where:  levels: image, body\n"
        f"  to do:  did you mean `body`? name one of these, or add the level to the {whose}"
    )
    assert "bodi" not in thing
    assert thing.get("bodi", 3) == 3
    assert thing.get("body") is thing["body"]


@given(layout=layouts(), batch=st.integers(1, 3), size=sizes(2), seed=random_seeds())
def test_an_empty_state_fits_its_layout(layout, batch, size, seed):
    state = layout.zeros(batch, size, random_seed=seed, dtype=torch.float64)
    layout.check(state, "here")
    assert {name: tuple(level.shape) for name, level in state.items()} == {
        name: (batch, level.channels, *size) for name, level in layout.items()
    }
    assert not any(level.any() for level in state.values())
    assert (state.random_seed, state.step, state.samples.tolist()) == (seed, 0, [*range(batch)])


def test_other_channels_than_the_layout_has_are_refused():
    state = State({"image": torch.zeros(8, 1, 72, 72), "body": torch.zeros(8, 2, 72, 72)})
    with pytest.raises(ShapeError) as refusal:
        BODY.check(state, "step(state)")
    assert str(refusal.value) == (
        'level "body" has 2 channels in this state, but 3 in the layout.\n'
        '  where:  step(state), state["body"] is (8, 2, 72, 72) = (batch, channel, height, width)\n'
        "  to do:  make the state with automaton.seed(batch, size), or give the level 2 channels "
        "and train again."
    )


def test_other_levels_than_the_layout_has_are_refused():
    with pytest.raises(ShapeError) as refusal:
        BODY.check(State({"body": torch.zeros(1, 3, 5)}), "rollout(state)")
    assert str(refusal.value) == (
        "the state's levels are body, but the layout's image, body.\n  where:  rollout(state)\n"
        "  to do:  make the state with automaton.seed(batch, size)"
    )


# states


@pytest.mark.parametrize(
    ("levels", "where"),
    [
        ({}, "no level"),
        ({"a": (2, 1, 4), "b": (3, 1, 4)}, "{'a': (2, 1, 4), 'b': (3, 1, 4)}"),
        ({"a": (2, 1, 4), "b": (2, 1, 4, 4)}, "{'a': (2, 1, 4), 'b': (2, 1, 4, 4)}"),
        ({"a": (2, 1)}, "{'a': (2, 1)}"),
        ({"a": (2, 1, 3, 3, 3, 3)}, "{'a': (2, 1, 3, 3, 3, 3)}"),
    ],
)
def test_levels_that_disagree_are_refused(levels, where):
    with pytest.raises(ShapeError) as refusal:
        State({name: torch.zeros(shape) for name, shape in levels.items()})
    assert str(refusal.value) == (
        "the levels of a state share one batch and have one, two or three axes of space.\n"
        f"  where:  State with {where}\n"
        "  to do:  give every level the shape (batch, channel, *space)"
    )


def test_levels_may_differ_in_channels_and_in_size():
    state = State({"fine": torch.zeros(2, 1, 8, 8), "coarse": torch.zeros(2, 5, 4, 4)})
    assert (state.size("fine"), state.size("coarse")) == ((8, 8), (4, 4))
    assert (state.batch, state.axes) == (2, 2)


def test_states_are_equal_where_all_levels_are():
    state = BODY.zeros(1, (2, 2))
    assert state == state.replace(step=5)
    assert state != state.replace({"body": torch.ones(1, 3, 2, 2)})
    assert state != State({"body": state["body"]})
    assert state != 0


def test_a_state_is_shown_by_its_shapes():
    state = BODY.zeros(2, (4, 5), random_seed=3).replace(step=7)
    shapes = "image: (2, 1, 4, 5), body: (2, 3, 4, 5)"
    assert repr(state) == f"State({shapes}; random_seed=3, step=7)"


@given(state=states())
def test_replacing_a_level_keeps_the_rest(state):
    name = list(state)[-1]
    other = remembering(state).replace({name: state[name] + 1})
    assert torch.equal(other[name], state[name] + 1)
    assert same(other.replace({name: state[name]}), remembering(state))
    assert list(other) == list(state)


@given(state=states())
def test_mapping_reaches_the_remembered_levels_too(state):
    doubled = remembering(state).map(lambda level: 2 * level)
    for name in state:
        assert_close(doubled[name], 2 * state[name])
        assert_close(doubled.remembered[0][name], 2 * (state[name] + 1))
    assert (doubled.step, doubled.random_seed) == (state.step, state.random_seed)


@given(state=states())
def test_a_clone_shares_no_memory(state):
    state = remembering(state)
    clone = state.clone()
    assert same(clone, state)
    clone.map(lambda level: level.add_(1))
    assert all((clone[name] != state[name]).all() for name in state)


def test_a_detached_state_knows_no_past():
    state = BODY.zeros(1, (3,)).map(lambda level: level.requires_grad_() * 2)
    assert state["body"].requires_grad
    assert not any(level.requires_grad for level in state.detach().values())


def test_a_state_moves_to_another_dtype_with_its_memory_and_not_its_sample_numbers():
    state = remembering(BODY.zeros(2, (3,))).to(torch.float64)
    assert {level.dtype for level in state.values()} == {torch.float64}
    assert state.remembered[0]["body"].dtype == torch.float64
    assert state.samples.dtype == torch.int64


@given(state=states(), data=st.data())
def test_selected_samples_keep_number_and_memory(state, data):
    state = remembering(state)
    index = torch.tensor(data.draw(st.lists(st.integers(0, state.batch - 1), min_size=1)))
    some = state.select(index)
    assert torch.equal(some.samples, state.samples[index])
    for name in state:
        assert torch.equal(some[name], state[name][index])
        assert torch.equal(some.remembered[0][name], state.remembered[0][name][index])


@given(state=states(), cut=st.integers(0, 4))
def test_what_is_cut_apart_is_joined_again(state, cut):
    state = remembering(state)
    parts = [state.select(slice(cut)), state.select(slice(cut, None))]
    assert same(State.cat(parts), state)


@given(state=states(), seed=random_seeds())
def test_a_restarted_state_keeps_its_levels_alone(state, seed):
    numbers = torch.arange(state.batch) + 100
    again = remembering(state).restart(seed, numbers)
    assert again == state
    assert (again.random_seed, again.step, again.remembered) == (seed, 0, ())
    assert torch.equal(again.samples, numbers)


@given(state=states())
def test_the_randomness_is_that_of_the_next_step(state):
    assert (state.rng.random_seed, state.rng.step) == (state.random_seed, state.step)
    assert torch.equal(state.rng.samples, state.samples)


# pytrees


@given(state=states())
def test_a_state_is_a_pytree(state):
    state = remembering(state)
    leaves, shape = pytree.tree_flatten(state)
    assert all(torch.is_tensor(leaf) for leaf in leaves)
    assert len(leaves) == 2 * len(state) + 1
    assert same(pytree.tree_unflatten(leaves, shape), state)
    numbered = pytree.tree_map(lambda leaf: leaf.dtype, state)
    assert numbered.samples == torch.int64
    assert numbered["ground"] == torch.float64


def step(state: State, weight: Tensor) -> State:
    kept = {"body": torch.tanh(weight * state["body"])}
    return state.replace(kept, step=state.step + 1, remembered=({"body": state["body"]},))


def test_a_state_passes_through_compiled_code():
    compiled = torch.compile(step, backend="eager", fullgraph=True)
    state = other = BODY.zeros(2, (3,)).map(lambda level: level + 1)
    for _ in range(4):
        state, other = compiled(state, torch.tensor(0.7)), step(other, torch.tensor(0.7))
        assert same(state, other)
    assert state.step == 4


def test_a_state_passes_through_checkpointing():
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    state = BODY.zeros(2, (3,), dtype=torch.float64).map(lambda level: level + 1)

    def gradient(after: State) -> Tensor:
        loss = after["body"].sum() + after.remembered[0]["body"].sum()
        return torch.autograd.grad(loss, weight)[0]

    kept = checkpoint(step, state, weight, use_reentrant=False)
    assert same(kept, step(state, weight))
    assert_close(gradient(kept), gradient(step(state, weight)))


def test_a_function_of_a_state_can_be_vectorised():
    state = BODY.zeros(4, (3,)).map(lambda level: level + 1)
    sums = torch.vmap(lambda sample: sample["body"].sum() + sample.samples)(state)
    assert sums.tolist() == [9, 10, 11, 12]


def test_a_state_shows_itself_in_a_notebook():
    body = torch.zeros(2, 4, 3, 2)
    body[0, :3, 0, 1] = torch.tensor([1.0, 0.5, 0.0])
    body[1, 3, 0, 0] = torch.nan
    state = State({"ink<": torch.zeros(2, 1, 3, 2), "body": body}, random_seed=7, step=5)
    page = state._repr_html_()
    assert "step 5, random seed 7" in page
    assert "<td>ink&lt;</td><td>2 x 1 x 3 x 2</td><td>0 to 0</td>" in page
    assert "<td>body</td><td>2 x 4 x 3 x 2</td><td>0 to 1, 1 not finite</td>" in page
    grey, colour = re.findall(r"base64,([^\"]+)", page)
    with Image.open(io.BytesIO(base64.b64decode(colour))) as picture:
        assert (picture.mode, picture.size) == ("RGB", (2, 3))
        assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), (255, 128, 0)]
    with Image.open(io.BytesIO(base64.b64decode(grey))) as picture:
        assert (picture.mode, picture.size, picture.getextrema()) == ("L", (2, 3), (0, 0))


@pytest.mark.parametrize("shape", [(1, 2, 5), (1, 2, 3, 4, 5), (0, 2, 3, 4), (1, 1, 600, 2)])
def test_what_has_no_picture_shows_its_numbers_alone(shape):
    page = State({"body": torch.zeros(shape)})._repr_html_()
    assert " x ".join(map(str, shape)) in page
    assert "<img" not in page

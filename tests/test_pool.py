"""The pool: states that outlive their iteration, and how they are renewed."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import random_seeds
from torch import Tensor

from nca import Alive, Automaton, Batch, HostRNG, Layout, Level, Pool, PoolOptions, State
from nca.tasks.pool import swap_inputs

LAYOUT = Layout([Level("image", 1, input=True), Level("body", 2)])
AUTOMATON = Automaton(LAYOUT, {}, alive=Alive("image", 0, 0.1, radius=0))


def batch(*marks: float, size: int = 20, first_sample: int = 0) -> Batch:
    """Return states that are filled with these numbers, which are also their truth."""
    filled = torch.tensor(marks).view(-1, 1, 1, 1)
    levels = {
        level.name: filled.expand(-1, level.channels, size, size).clone()
        for level in LAYOUT.values()
    }
    numbers = torch.arange(len(marks)) + first_sample
    state = State(levels, random_seed=1, step=5, samples=numbers)
    return Batch(state, {"mark": torch.tensor(marks)})


def marks(batch: Batch, level: str = "body") -> list[float]:
    """Return the greatest number that each sample holds."""
    return batch.state[level].amax(dim=(1, 2, 3)).tolist()


def renewed(renewal: PoolOptions, seed: int = 0) -> Batch:
    drawn = batch(1.0, 2.0, 3.0, 4.0)
    fresh = batch(0.1875, 0.25, 0.375, 0.5, first_sample=40)
    return renewal.refresh(drawn, fresh, AUTOMATON, HostRNG(seed, 7))


def emptied(batch: Batch) -> list[bool]:
    return (batch.state["body"] == 0).flatten(1).any(dim=1).tolist()


@given(seed=random_seeds(), iteration=st.integers(0, 999), count=st.integers(1, 6))
def test_a_draw_names_different_states_and_returns_them(seed, iteration, count):
    pool = Pool(batch(*map(float, range(6))))
    index = pool.draw(HostRNG(seed, iteration), count)
    drawn = pool.take(index)
    assert len(set(index.tolist())) == count
    assert marks(drawn) == drawn.truth["mark"].tolist() == index.tolist()


def test_every_state_has_its_turn():
    pool = Pool(batch(*map(float, range(12))))
    drawn = [pool.draw(HostRNG(0, iteration), 3).tolist() for iteration in range(60)]
    assert {place for index in drawn for place in index} == set(range(12))
    assert len(set(map(tuple, drawn))) > 50


def test_what_is_put_back_is_drawn_again():
    pool = Pool(batch(0.0, 1.0, 2.0, 3.0))
    pool.put(torch.tensor([3, 1]), batch(30.0, 10.0))
    assert marks(pool.batch) == pool.batch.truth["mark"].tolist() == [0, 10, 2, 30]


def test_a_pool_shares_no_memory_and_no_past_with_what_it_holds():
    first = batch(0.0, 1.0)
    pool = Pool(first)
    first.state["body"].add_(9)
    late = batch(5.0).map(lambda tensor: tensor.requires_grad_() * 1)
    pool.put(torch.tensor([0]), Batch(late.state, {"mark": torch.tensor([5.0])}))
    assert marks(pool.batch) == [5, 1]
    assert not pool.batch.state["body"].requires_grad


def test_a_pool_is_saved_and_taken_up_again():
    pool, other = Pool(batch(0.0, 1.0)), Pool(batch(7.0, 8.0))
    saved = {name: tensor.clone() for name, tensor in pool.tensors().items()}
    assert sorted(saved) == ["state.body", "state.image", "truth.mark"]
    other.load(saved)
    assert marks(other.batch) == other.batch.truth["mark"].tolist() == [0, 1]


def test_the_first_of_a_batch_start_anew():
    after = renewed(PoolOptions(size=9, fresh=2))
    assert marks(after) == after.truth["mark"].tolist() == [0.1875, 0.25, 3, 4]


def test_nothing_is_renewed_unless_asked():
    after = renewed(PoolOptions(size=9, fresh=0))
    assert marks(after) == [1, 2, 3, 4]
    assert not any(emptied(after))


def test_the_last_of_a_batch_are_damaged_and_the_input_is_not():
    after = renewed(PoolOptions(size=9, fresh=1, damaged=2))
    assert emptied(after) == [False, False, True, True]
    assert (marks(after), after.truth["mark"].tolist()) == ([0.1875, 2, 3, 4],) * 2
    assert (after.state["image"] != 0).all()


def test_swapped_states_keep_their_body_and_get_input_and_truth_of_a_fresh_one():
    after = renewed(PoolOptions(size=9, fresh=1, damaged=1, swapped=1))
    assert marks(after) == [0.1875, 2, 3, 4]
    assert marks(after, "image") == [0.1875, 2, 3, 0.5]
    assert after.truth["mark"].tolist() == [0.1875, 2, 3, 0.5]
    assert emptied(after) == [False, False, True, False]


def test_where_the_new_input_leaves_cells_dead_they_are_emptied():
    fresh = batch(1.0, size=2)
    fresh.state["image"][0, 0] = torch.tensor([[1.0, 0.05], [0.0, 0.5]])
    after = swap_inputs(batch(7.0, size=2), fresh, AUTOMATON)
    assert after.state["body"][0].tolist() == [[[7, 0], [0, 7]]] * 2


def test_a_renewed_batch_starts_at_step_nothing_with_fresh_numbers_and_no_memory():
    drawn = batch(1.0, 2.0)
    memory: tuple[dict[str, Tensor], ...] = (dict(drawn.state.levels),)
    drawn = Batch(drawn.state.replace(remembered=memory), drawn.truth)
    fresh = batch(3.0, 4.0, first_sample=40)
    after = PoolOptions(size=9, fresh=1).refresh(drawn, fresh, AUTOMATON, HostRNG(0, 0))
    assert (after.state.step, after.state.remembered) == (0, ())
    assert after.state.samples.tolist() == [40, 41]


def test_damage_is_another_in_every_iteration_and_the_same_when_it_is_repeated():
    renewal = PoolOptions(size=9, fresh=0, damaged=4)
    holes = [renewed(renewal, seed).state["body"] == 0 for seed in (0, 0, 1)]
    assert torch.equal(holes[0], holes[1])
    assert not torch.equal(holes[0], holes[2])


def test_batches_are_cut_and_joined_with_their_truth():
    whole = batch(1.0, 2.0, 3.0)
    joined = Batch.cat([whole.select(torch.tensor([2])), whole.select(slice(0, 2))])
    assert marks(joined) == joined.truth["mark"].tolist() == [3, 1, 2]
    assert joined.state.samples.tolist() == [2, 0, 1]

"""Turmites: Langton's ant against its published counts, others against ants walked one by one."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nca import (
    Automaton,
    ClassColours,
    Layout,
    Level,
    NCAError,
    OptionError,
    RuleContext,
    State,
    TaskContext,
    Topology,
)
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca_plugins.turmite_task import ANT, TurmiteTask
from nca_plugins.turmites import Move, Turmite, TurmiteAnts, TurmiteGround, turmite

STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
FIBONACCI = "{{{1, 8, 1}, {1, 8, 1}}, {{1, 2, 1}, {0, 1, 0}}}"


def walking(rule: str, topology: Topology | None = None) -> Automaton:
    layout = Layout([Level("ground", 1), Level("ants", 4 * len(turmite(rule)))])
    rules = {
        "ground": [TurmiteGround(RuleContext(layout, "ground"), rule=rule)],
        "ants": [TurmiteAnts(RuleContext(layout, "ants"), rule=rule)],
    }
    return Automaton(layout, rules, topology=topology or Topology())


def start(automaton: Automaton, size: tuple[int, int], *ants: tuple[int, int, int]) -> State:
    """Return an empty ground with ants: channel, row, column of each."""
    state = automaton.seed(batch=1, size=size)
    for channel, row, column in ants:
        state["ants"][0, channel, row, column] += 1
    return state


def one_by_one(
    moves: Turmite, size: tuple[int, int], ants: list[tuple[int, int, int]], steps: int
) -> tuple[list[list[int]], list[tuple[int, int, int]]]:
    """Return ground and ants after some steps on a torus, walked ant by ant."""
    ground = [[0] * size[1] for _ in range(size[0])]
    colours = len(moves[0])
    for _ in range(steps):
        old, after = [list(row) for row in ground], []
        for channel, row, column in ants:
            state, heading = divmod(channel, 4)
            move = moves[state][old[row][column]]
            ground[row][column] += move.write - old[row][column]
            ground[row][column] %= colours
            heading = (heading + move.turn) % 4
            down, across = STEPS[heading]
            place = ((row + down) % size[0], (column + across) % size[1])
            after.append((4 * move.state + heading, *place))
        ants = after
    return ground, ants


def tables() -> st.SearchStrategy[str]:
    """Turmites of up to three states and three colours, as tables."""

    @st.composite
    def drawn(draw: st.DrawFn) -> str:
        states, colours = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        move = st.tuples(
            st.integers(0, colours - 1), st.sampled_from([1, 2, 4, 8]), st.integers(0, states - 1)
        )
        rows = [[draw(move) for _ in range(colours)] for _ in range(states)]
        return str(rows).translate(str.maketrans("[]()", "{}{}"))

    return drawn()


def test_langtons_ant_leaves_as_many_black_cells_as_published():
    automaton = walking("RL")
    state, counts = start(automaton, (50, 73), (0, 30, 40)), []
    with torch.no_grad():
        for moves in (100, 900, 9000, 1000, 104):
            state = automaton.rollout(state, moves)
            counts.append(int(state["ground"].sum()))
    assert counts == [20, 118, 720, 834, 834 + 12]  # OEIS A255938, and its highway
    assert state["ants"].sum() == 1


def test_langtons_ant_walks_its_first_steps_as_by_hand():
    automaton = walking("RL")
    state = start(automaton, (4, 4), (0, 2, 1))  # heads up, turns right at once
    places = [state["ants"][0].nonzero().tolist() for state in automaton.trajectory(state, 5)]
    assert places == [[[0, 2, 1]], [[1, 2, 2]], [[2, 3, 2]], [[3, 3, 1]], [[0, 2, 1]], [[3, 2, 0]]]


@given(
    rule=tables(),
    ants=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4)), max_size=4),
)
def test_ants_that_meet_walk_as_if_one_by_one(rule, ants):
    automaton = walking(rule)
    state = automaton.rollout(start(automaton, (4, 5), *ants), 9)
    ground, walked = one_by_one(turmite(rule), (4, 5), ants, 9)
    assert state["ground"][0, 0].tolist() == ground
    assert torch.equal(state["ants"], start(automaton, (4, 5), *walked)["ants"])


def test_two_of_langtons_ants_in_one_cell_leave_its_colour():
    automaton = walking("RL")
    after = automaton.step(start(automaton, (5, 5), (0, 2, 2), (2, 2, 2)))
    assert not after["ground"].any()
    assert after["ants"][0].nonzero().tolist() == [[1, 2, 3], [3, 2, 1]]


def test_ants_leave_over_an_edge_of_zeros():
    automaton = walking("N", Topology("zeros"))
    state = start(automaton, (3, 4), (0, 1, 1))
    assert [int(s["ants"].sum()) for s in automaton.trajectory(state, 3)] == [1, 1, 0, 0]


def test_letters_and_tables_say_the_same():
    assert turmite("RL") == turmite(" {{{1, 2, 0},\n {0, 8, 0}}} ")
    assert turmite("n u") == ((Move(1, 0, 0), Move(0, 2, 0)),)
    assert turmite(FIBONACCI)[1] == (Move(1, 1, 1), Move(0, 0, 0))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "is no turmite: write a turn for each colour"),
        ("RLX", "is no turmite"),
        ("B3/S23", "is no turmite"),
        ("{{{1, 2, 0}, {0, 8}}}", "is no turmite"),
        ("{{{1, 2, 0}, {0, 8, 0}}, {{1, 2, 0}}}", "has 1 moves in state 1"),
        ("{{{2, 2, 0}, {0, 8, 0}}}", "paints colour 2: it has 2 colours"),
        ("{{{1, 3, 0}, {0, 8, 0}}}", "turns by 3: 1 is no turn, 2 right, 4 about, 8 left"),
        ("{{{1, 2, 1}, {0, 8, 0}}}", "goes to state 1: it has 1"),
        ("R" * 257, "is no turmite"),
        ("{" * 100_000, "is no turmite"),
    ],
)
def test_what_is_no_turmite_is_refused(rule, says):
    with pytest.raises(OptionError) as refusal:
        turmite(rule)
    assert says in str(refusal.value.faults[0])


def test_levels_that_do_not_fit_the_states_are_refused():
    layout = Layout([Level("ground", 1), Level("ants", 4)])
    for rule, name in ((TurmiteGround, "ground"), (TurmiteAnts, "ants")):
        with pytest.raises(OptionError, match="has 2 states, so that 4 channels do not fit"):
            rule(RuleContext(layout, name), rule=FIBONACCI)


WORLD = Layout([Level("ground", 1), Level("ants", 4)])


def task(layout: Layout = WORLD, size: tuple[int, ...] = (6, 7), **options: object) -> TurmiteTask:
    return TurmiteTask(TaskContext(layout, size, Path(), 3), **options)  # pyright: ignore


def test_the_task_puts_ants_on_an_empty_ground_and_counts_them():
    watching = task(ants=5, trials=3)
    (batch,) = watching.evaluation_batches("test", 4)
    assert (batch.state["ants"][:, 0, 3, 3] >= 1).all()
    assert not batch.state["ground"].any()
    assert batch.state["ants"][0].ne(batch.state["ants"][1]).any(), "chance differs"
    after = walking("RL").rollout(batch.state, 6)
    found = {name: share.part.tolist() for name, share in watching.measure(after, batch).items()}
    assert found["ants"] == [5, 5, 5]
    assert found["painted"] == after["ground"].flatten(1).sum(dim=1).tolist()
    more = watching.add_seed(batch, (0, 0)).state["ants"].sum(dim=(1, 2, 3))
    assert more.tolist() == [6, 6, 6]


def test_ants_are_shown_in_red_on_the_colours_of_the_ground():
    watching = task()
    state = next(watching.evaluation_batches("test", 1)).state
    state["ground"][0, 0, 0, :3] = torch.tensor([1.0, 16.0, 31.0])
    picture = watching.picture(state)[0]
    assert picture[:, 3, 3].tolist() == pytest.approx(ANT)
    assert (picture[:, 5, 5] == 1).all()
    assert torch.equal(picture[:, 0, 0], picture[:, 0, 1]), "the colours begin again"
    assert torch.equal(picture[:, 0, 1], picture[:, 0, 2])
    look = watching.display().look
    assert isinstance(look, ClassColours)
    cells = torch.arange(16.0)[None]
    chosen = (look.weight[:, :1] @ cells + look.bias[:, None]).argmax(dim=0)
    assert chosen.tolist() == [*range(16)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": (5,)}, "does not fit a grid of \\[5\\] cells"),
        ({"level": "ground"}, 'level is "ground", the ground'),
        ({"layout": Layout([Level("a", 1), Level("b", 3)])}, 'is "b" of 3 channels'),
        ({"ground": "sand"}, "sand"),
    ],
)
def test_levels_without_room_for_ants_are_refused(options, says):
    with pytest.raises(NCAError, match=says):
        task(**options)


def test_ants_are_not_trained_for():
    watching = task()
    batch = next(watching.evaluation_batches("test", 1))
    with pytest.raises(NCAError, match="watched, and not trained for"):
        watching.loss([batch.state], batch)


def test_a_recipe_whose_ants_have_too_few_channels_is_refused_at_the_key(tmp_path):
    text = """format = 1
[grid]
size = [8, 8]
[[levels]]
name = "ground"
channels = 1
rules = [{ name = "turmite_ground" }]
[[levels]]
name = "ants"
channels = 3
[rollout]
steps = 1
"""
    with pytest.raises(RecipeError, match=r'is 3 +rule "turmite_ground" needs at least 4'):
        Recipe.parse(text, name="mine", folder=tmp_path)

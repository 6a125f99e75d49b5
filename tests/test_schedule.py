"""A stage of any size, and what happens on it."""

import pytest
import torch
from robustness_case import RECIPE, trained

from nca import NCAError, ShapeError
from nca.render.schedule import damage_at, place_seeds, rollout_with_events, turn_at


def begin(case, samples=2):
    return next(iter(case.task.evaluation_batches("test", samples))).state


def test_damage_happens_at_its_step_and_heals_as_it_should():
    case = trained("regrow")
    events = [damage_at("3:half:0.5:left", case)]
    seen = list(rollout_with_events(case, begin(case), 8, 1, events))
    assert [state.step for state in seen] == list(range(9))
    empty = [(state["body"] == 0).sum().item() for state in seen]
    assert empty == [0, 0, 0, 64, 0, 0, 0, 0, 0]  # two samples, 32 cells each
    assert seen[2]["body"].eq(1).all()
    assert seen[3]["body"][..., 4:].eq(1).all()
    assert seen[4]["body"][..., :4].eq(0.25).all()


def test_events_between_pictures_happen_too():
    case = trained("still")
    seen = list(rollout_with_events(case, begin(case), 7, 5, [damage_at("2:scatter:0.25", case)]))
    assert [state.step for state in seen] == [0, 5, 7]
    assert [(state["body"] == 0).sum().item() for state in seen] == [0, 32, 32]


def test_a_turn_lasts_from_its_step_on():
    rule = RECIPE.replace('"{rule}"', '"growing", hidden = 8').replace(
        "channels = 1", "channels = 4"
    )
    case = trained("", text=rule, full=False)
    torch.manual_seed(1)
    for weight in case.automaton.parameters():
        torch.nn.init.normal_(weight)
    with torch.no_grad():
        straight = list(rollout_with_events(case, begin(case), 3, 1))
        turned = list(rollout_with_events(case, begin(case), 3, 1, [turn_at("2:90", case)]))
    assert straight[2] == turned[2]
    assert straight[3] != turned[3]


@pytest.mark.parametrize(
    ("make", "text", "what"),
    [
        (damage_at, "disc:0.2", "'disc:0.2' does not say what happens when."),
        (damage_at, "3", "'3' does not say what happens when."),
        (damage_at, "3:disk:0.2", 'shape is "disk".'),
        (turn_at, "3:north", "'3:north' does not say what happens when."),
        *[
            (turn_at, f"1:{far}", f"'1:{far}' does not say what happens when.")
            for far in ("inf", "-inf", "nan", "1e300", "")
        ],
        (
            damage_at,
            "99999999999:disc:0.2",
            "'99999999999:disc:0.2' does not say what happens when.",
        ),
        (turn_at, "3:90", "none of the rules has an angle to turn its perception by."),
    ],
)
def test_what_cannot_happen_is_refused(make, text, what):
    with pytest.raises(NCAError) as fault:
        make(text, trained("still"))
    assert fault.value.what == what


def test_nothing_happens_after_the_end():
    case = trained("still")
    with pytest.raises(NCAError, match="at step 9, but the last step is 4") as fault:
        list(rollout_with_events(case, begin(case), 4, 1, [damage_at("9:disc:0.1", case)]))
    assert fault.value.to_do == "run longer: --steps 9"


def test_seeds_are_scattered_over_a_wide_stage():
    case = trained("still")
    state = begin(case)
    seed = torch.zeros(2, 1, 8, 8)
    seed[:, :, 3:5, 4:6] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    wide = place_seeds(case, state.replace({"body": seed}), (20, 60), 9)
    body = wide["body"]
    assert body.shape == (1, 1, 20, 60)
    assert 4 <= body.ne(0).sum() <= 36
    assert body.ne(0).sum() > 20
    ones = body.eq(1)
    right, below = body.roll(-1, 3)[ones], body.roll(-1, 2)[ones]
    assert (right == 2).sum() >= 6
    assert (below == 3).sum() >= 6
    assert place_seeds(case, state.replace({"body": seed}), (20, 60), 9) == wide


def test_a_stage_too_small_is_refused():
    case = trained("still")
    with pytest.raises(ShapeError, match=r"first states of \[8, 8\] cells"):
        place_seeds(case, begin(case), (4, 60), 1)

"""Each law is shown to bite: on a small rule that breaks it, its check must fail.

The rules here have one flaw each, and beside them stands a sound rule that every check must pass:
so a bite is the flaw's doing and not the bench's.
"""

from pathlib import Path

import pytest
import torch
from test_dead_stays_dead import check_dead_stays_dead_away_from_life
from test_dtype_and_shape import check_dtype_and_shape_are_kept
from test_fire_rate import check_the_observed_fire_rate_matches
from test_fire_rate_zero import check_fire_rate_zero_changes_nothing
from test_gradients import check_every_parameter_gets_gradient
from test_inputs_stay import check_input_levels_never_change
from test_locality import check_one_touched_cell_changes_only_its_neighbourhood
from test_lowering import check_the_formulas_are_the_change
from test_old_state import check_a_step_leaves_the_old_state_untouched
from test_programs import check_a_program_says_what_is_computed
from test_random_seed import check_the_random_seed_decides
from test_recomputation import check_recomputed_gradients_are_the_same
from test_samples_apart import check_samples_do_not_see_each_other
from test_saving import check_saved_and_loaded_gives_the_same_bits
from test_sharding import check_shards_have_the_future_of_the_whole
from test_sparse_cells import check_listed_cells_have_the_future_of_the_grid
from test_split_rollout import check_a_split_rollout_is_the_same_rollout
from test_tiles import check_tiles_have_the_future_of_the_grid
from test_tiling import check_tiling_a_state_tiles_its_future
from test_translation import check_moving_commutes_with_stepping
from test_unread_levels import (
    check_undeclared_levels_are_refused,
    check_unread_levels_do_not_change_the_change,
)
from torch import Tensor, nn

from nca import NCAError, RuleContext, Topology, UpdateRule, View
from nca.engine.program import DecayTerm, Program


class Sound(UpdateRule):
    """Drift towards the neighbours and the level below: no flaw."""

    reads = ("own", "below")
    cellwise = True

    def __init__(self, place: RuleContext) -> None:
        super().__init__()
        self.pull = nn.Parameter(torch.ones(place.own.channels))
        self.lift = nn.Parameter(torch.ones(place.own.channels, place.below.channels))

    def forward(self, view: View) -> Tensor:
        pull = torch.tanh(view.neighbours(view.own).mean(dim=1) - view.own)
        lift = torch.einsum("oi,bi...->bo...", self.lift, view.below)
        return self._by_channel(self.pull, pull) + 0.1 * lift

    @staticmethod
    def _by_channel(weight: Tensor, level: Tensor) -> Tensor:
        return weight.view(-1, *(1,) * (level.ndim - 2)) * level


class KnowsWhereItIs(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view) * torch.arange(view.own.shape[-1])


class SaysSomethingElse(Sound):
    def program(self) -> Program:
        return Program((DecayTerm(0.5),))


class PadsWithZeros(Sound):
    def forward(self, view: View) -> Tensor:
        near = Topology("zeros").neighbours(view.own).mean(dim=1)
        return super().forward(view) + near


class SeesTheWholeGrid(Sound):
    def forward(self, view: View) -> Tensor:
        space = tuple(range(2, view.own.ndim))
        return super().forward(view) + 0.1 * view.own.mean(dim=space, keepdim=True)


class CountsTheCells(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view) * view.own.shape[-1]


class LooksPastTheView(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view) + view.own.roll(1, -1)


class LooksTwiceAsFar(Sound):
    def forward(self, view: View) -> Tensor:
        return view.neighbours(super().forward(view)).mean(dim=1)


class MixesTheSamples(Sound):
    def __init__(self, place: RuleContext) -> None:
        super().__init__(place)
        norms = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
        self.norm = norms[place.axes](place.own.channels)

    def forward(self, view: View) -> Tensor:
        return self.norm(super().forward(view))


class PeeksAbove(Sound):
    def forward(self, view: View) -> Tensor:
        above = view._inputs.state["over"]
        return super().forward(view) + above.mean(dim=1, keepdim=True)


class PeeksAtAll(Sound):
    def forward(self, view: View) -> Tensor:
        return torch.tanh(view._inputs.state["middle"]) * self.pull.sum() * self.lift.sum()


class RollsTheDice(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view) * (torch.rand(view.own.shape[2:]) < 0.5)


class WritesIntoItsLevel(Sound):
    def forward(self, view: View) -> Tensor:
        change = super().forward(view)
        with torch.no_grad():
            view.own.add_(0.1)
        return change


class WritesIntoTheInput(Sound):
    def forward(self, view: View) -> Tensor:
        change = super().forward(view)
        with torch.no_grad():
            view.below.mul_(1.5)
        return change


class HasAnIdleWeight(Sound):
    def __init__(self, place: RuleContext) -> None:
        super().__init__(place)
        self.idle = nn.Parameter(torch.ones(3))


class CutsTheGradient(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view).detach() + self._by_channel(self.pull, view.own)


class ThinksInFloat32(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view).float()


class WidensToFloat64(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view).double()


class AnswersForOneChannel(Sound):
    def forward(self, view: View) -> Tensor:
        return super().forward(view)[:, :1]


class RemembersItsCalls(Sound):
    def __init__(self, place: RuleContext) -> None:
        super().__init__(place)
        self.calls = 0

    def forward(self, view: View) -> Tensor:
        self.calls += 1
        return super().forward(view) / self.calls


class NumbersSamplesByPlace(Sound):
    def forward(self, view: View) -> Tensor:
        change = super().forward(view)
        return change * torch.arange(len(change)).view(-1, *(1,) * (change.ndim - 1))


class HidesAWeight(Sound):
    def __init__(self, place: RuleContext) -> None:
        super().__init__(place)
        self.hidden = None

    def forward(self, view: View) -> Tensor:
        if self.hidden is None:  # drawn when first asked, and not among the weights
            self.hidden = torch.rand(()) + self.pull.detach().mean()
        return super().forward(view) * self.hidden


BROKEN = [
    (check_moving_commutes_with_stepping, KnowsWhereItIs),
    (check_moving_commutes_with_stepping, PadsWithZeros),
    (check_tiling_a_state_tiles_its_future, CountsTheCells),
    (check_tiling_a_state_tiles_its_future, PadsWithZeros),
    (check_one_touched_cell_changes_only_its_neighbourhood, SeesTheWholeGrid),
    (check_samples_do_not_see_each_other, MixesTheSamples),
    (check_listed_cells_have_the_future_of_the_grid, CountsTheCells),
    (check_listed_cells_have_the_future_of_the_grid, LooksPastTheView),
    (check_listed_cells_have_the_future_of_the_grid, LooksTwiceAsFar),
    (check_tiles_have_the_future_of_the_grid, SaysSomethingElse),
    (check_a_program_says_what_is_computed, SaysSomethingElse),
    (check_unread_levels_do_not_change_the_change, PeeksAbove),
    (check_undeclared_levels_are_refused, PeeksAtAll),
    (check_the_random_seed_decides, RollsTheDice),
    (check_fire_rate_zero_changes_nothing, WritesIntoItsLevel),
    (check_the_observed_fire_rate_matches, WritesIntoItsLevel),
    (check_the_observed_fire_rate_matches, RollsTheDice),
    (check_dead_stays_dead_away_from_life, WritesIntoItsLevel),
    (check_every_parameter_gets_gradient, HasAnIdleWeight),
    (check_every_parameter_gets_gradient, CutsTheGradient),
    (check_input_levels_never_change, WritesIntoTheInput),
    (check_a_step_leaves_the_old_state_untouched, WritesIntoItsLevel),
    (check_dtype_and_shape_are_kept, ThinksInFloat32),
    (check_dtype_and_shape_are_kept, AnswersForOneChannel),
    (check_a_split_rollout_is_the_same_rollout, RemembersItsCalls),
    (check_recomputed_gradients_are_the_same, RemembersItsCalls),
    (check_recomputed_gradients_are_the_same, RollsTheDice),
    (check_shards_have_the_future_of_the_whole, NumbersSamplesByPlace),
    (check_saved_and_loaded_gives_the_same_bits, HidesAWeight),
    (check_the_formulas_are_the_change, SaysSomethingElse),
]
LAWS = list(dict.fromkeys(check for check, _ in BROKEN))


@pytest.mark.parametrize(("check", "place_rule"), BROKEN)
def test_the_law_fails_on_a_broken_rule(check, place_rule):
    with pytest.raises((AssertionError, NCAError, pytest.fail.Exception)):
        check(place_rule)


def test_float64_from_a_float32_state_is_found():
    with pytest.raises(AssertionError):
        check_dtype_and_shape_are_kept(WidensToFloat64, dtype=torch.float32)


@pytest.mark.parametrize("check", LAWS)
def test_the_law_passes_on_a_sound_rule(check):
    check(Sound)


@pytest.mark.parametrize("check", [c for c in LAWS if c is not check_undeclared_levels_are_refused])
def test_a_rule_that_stands_still_passes_no_law(check):
    class StandsStill(Sound):
        def forward(self, view: View) -> Tensor:
            return torch.zeros_like(view.own)

    with pytest.raises((AssertionError, RuntimeError)):
        check(StandsStill)


def test_every_law_has_a_rule_on_which_it_bites():
    here = Path(__file__)
    laws = {path.stem for path in here.parent.glob("test_*.py")} - {
        here.stem,
        "test_options",
        "test_own_needs",
    }
    assert {check.__module__ for check in LAWS} == laws

"""Steps in tiles on grids of any number of axes; `nca.testing.checks.tiled` has the law."""

import pytest
import torch

from nca import Automaton, Layout, Level, RuleContext
from nca.testing.checks.sparse import demand_gradients_close, end_and_gradients
from nca.testing.checks.tiled import small_tiles
from nca.testing.compare import OWN, demand_states_close
from nca_plugins.growing import Growing


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("few", [0.0, 2.0])
def test_any_number_of_axes_will_do(axes, few):
    layout = Layout([Level(OWN, 3)])
    rule = Growing(RuleContext(layout, OWN, axes), hidden=5)
    state = layout.zeros(2, (3, 2, 4)[:axes], dtype=torch.float64)
    state = state.replace({OWN: state.rng.normal("test", 3, state.size(OWN)).double()})
    ends = []
    for tiled in (False, True):
        automaton = Automaton(layout, {OWN: [rule]}, fire_rate=0.5, tiled=tiled).double()
        torch.nn.init.ones_(rule.change.weight)
        with small_tiles(few):
            ends.append(end_and_gradients(automaton, state))
    demand_states_close(ends[1][0], ends[0][0])
    demand_gradients_close(ends[1][1], ends[0][1])

"""A linear rule is one layer over what another level says, cell by cell."""

import torch
from torch.testing import assert_close

import nca
from nca_plugins.glom.mean import Fade
from nca_plugins.linear import Linear


def test_beside_fade_a_level_becomes_what_all_cells_say_together():
    layout = nca.Layout(
        [
            nca.Level("cells", 3, input=True),
            nca.Level("peak", 2, scale=4, coarsen="max"),
            nca.Level("whole", 2, scale=4),
        ]
    )
    peak = Linear(nca.RuleContext(layout, "peak", 2))
    both = [Linear(nca.RuleContext(layout, "whole", 2), of=of) for of in ("cells", "peak")]
    rules = {"peak": [peak, Fade(rate=1.0)], "whole": [*both, Fade(rate=1.0)]}
    automaton = nca.Automaton(layout, rules).double()
    for weight in automaton.parameters():
        torch.nn.init.normal_(weight)
    state = automaton.seed(batch=2, size=(4, 8))
    draw = torch.Generator().manual_seed(5)
    levels = {n: torch.randn(state[n].shape, generator=draw).double() for n in state}
    after = automaton.step(state.replace(levels))
    halves = levels["cells"].unflatten(3, (2, 4)).movedim(2, 3)  # (B, C, 2, 4, 4)
    most, mean = halves.amax((3, 4)), halves.mean((3, 4))
    wanted = peak.layer(most.movedim(1, -1)).movedim(-1, 1).unsqueeze(2)
    assert_close(after["peak"], wanted)
    of_cells = both[0].layer(mean.movedim(1, -1)).movedim(-1, 1).unsqueeze(2)
    of_peak = both[1].layer(levels["peak"].movedim(1, -1)).movedim(-1, 1)
    assert_close(after["whole"], of_cells + of_peak)


def test_it_has_a_weight_for_each_pair_of_channels():
    layout = nca.Layout([nca.Level("cells", 3), nca.Level("whole", 2)])
    context = nca.RuleContext(layout, "whole", 2)
    counts = [
        sum(w.numel() for w in Linear(context, bias=bias).parameters()) for bias in (True, False)
    ]
    assert counts == [8, 6]

"""Which reading of foreign weights is the right one: each is grown from a seed, and looked at.

A trained automaton keeps its channels within the range of colours, and neither dies nor fills the
grid, after as many steps as it was trained for. Read with its features in another order it does
one of these within a few dozen steps.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from nca import Alive, Automaton, Layout, Level, RuleContext, State
from nca_plugins.growing import Growing

SIDE, STEPS = 56, (64, 80, 96)
SEEN = 4
"""Channels that a loss looks at: colours, and alpha or a hidden one."""
FEWEST, MOST = 12, 0.7
"""Cells that are alive at least, and share of the grid at most."""
CLEAR = 3.0
"""So many times worse must all other readings be."""
LOST = 1e3
"""Strangeness of what has died, filled the grid, or is not finite."""


def choose(readings: Mapping[str, Mapping[str, Tensor]], *, alive: bool) -> str | None:
    """Return which of several readings behaves as a trained automaton does, if one stands out.

    Args:
        readings: Tensors of the rule `growing` by name, `hidden.weight` and so on, by what each
            reading is called.
        alive: Whether it grows from one live cell, as pictures do; else from nothing, as textures.
    """
    found = {name: strangeness(nets, alive=alive) for name, nets in readings.items()}
    best, *others = sorted(found, key=found.__getitem__)
    floor = max(found[best], 1e-3)
    return best if all(found[other] > CLEAR * floor for other in others) else None


@torch.no_grad()
def strangeness(nets: Mapping[str, Tensor], *, alive: bool) -> float:
    """Return how far from a trained automaton some weights behave: 0 is one, `LOST` is none.

    Args:
        nets: Tensors of the rule `growing`.
        alive: As of `choose`.
    """
    automaton, state = _made(nets, alive)
    worst = 0.0
    for steps in STEPS:
        state = automaton.rollout(state, steps - state.step)
        worst = max(worst, _strange(state["body"], alive))
    return worst


def _made(nets: Mapping[str, Tensor], alive: bool) -> tuple[Automaton, State]:
    channels, hidden = nets["change.weight"].shape
    layout = Layout([Level("body", channels)])
    laplacian = nets["hidden.weight"].shape[1] == 4 * channels
    rule = Growing(RuleContext(layout, "body", 2), hidden=hidden, laplacian=laplacian)
    rule.load_state_dict(dict(nets))
    mask = Alive(level="body", channel=3, above=0.1) if alive else None
    automaton = Automaton(layout, {"body": [rule]}, fire_rate=0.5, alive=mask).eval()
    seed = torch.zeros(1, channels, SIDE, SIDE)
    if alive:
        seed[:, 3:, SIDE // 2, SIDE // 2] = 1
    state = layout.zeros(1, (SIDE, SIDE))
    return automaton, state.replace({"body": seed})


def _strange(cells: Tensor, alive: bool) -> float:
    if not cells.isfinite().all():
        return LOST
    seen = cells[:, :SEEN]
    if not alive:  # colours lie around grey, 0, and training holds all channels within 1
        still = float(cells.std()) < 1e-3
        return LOST if still else min(LOST, float((cells - cells.clamp(-1, 1)).abs().mean()))
    live = int((cells[:, 3] > 0.1).sum())
    if not FEWEST <= live <= MOST * cells[0, 0].numel():
        return LOST
    return min(LOST, float((seen - seen.clamp(0, 1)).abs().sum() / live))

"""The first step of a run, taken once more by itself: what a rule must not do shows there."""

import torch

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.engine.watch import Look, watched_looks
from nca.errors import PluginError


@torch.no_grad()
def check_rules(automaton: Automaton, state: State) -> None:
    """Let every rule see a state once; refuse one that writes into it, or whose change is none.

    Args:
        automaton: Its weights and random numbers are left as they are.
        state: A first state; it is seen in the type of the weights.

    Raises:
        PluginError: A rule has changed a tensor that its view has shown.
        ShapeError: A rule's change does not fit its level.
    """
    training = automaton.training
    weight = next(automaton.parameters(), None)
    if weight is not None:
        state = state.to(weight.dtype)
    automaton.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            for look in watched_looks(automaton.spec, state):
                _refuse_writing(look)
    finally:
        automaton.train(training)


def _refuse_writing(look: Look) -> None:
    if look.written:
        kind = type(look.rule)
        raise PluginError(
            f'{kind.__name__}, a rule of level "{look.level}", writes into the state that it is '
            "shown.",
            where=f"{kind.__module__}.{kind.__qualname__}, {', '.join(look.written)}",
            to_do="compute the change from copies: `x = view.own + 0.1` in place of `x += 0.1`; "
            "nca check says which laws a rule keeps",
        )

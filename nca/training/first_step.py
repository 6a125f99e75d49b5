"""The first step of a run, taken once more by itself: what a rule must not do shows there."""

import torch

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs
from nca.engine.stepper import check_change
from nca.engine.view import View
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
    spec, training = automaton.spec, automaton.training
    weight = next(automaton.parameters(), None)
    if weight is not None:
        state = state.to(weight.dtype)
    automaton.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            for name in spec.rules:
                context = spec.context(name, state.axes)
                for number, rule in enumerate(spec.rules_of(name)):
                    inputs = DenseInputs(state.map(torch.clone), spec.topology, {})
                    reads = frozenset(context.level(read).name for read in rule.reads)
                    before = {level: tensor._version for level, tensor in inputs.state.items()}
                    change = rule(View(inputs, context, reads, f"rule/{name}/{number}"))
                    check_change(change, inputs.state[name], rule, name, number)
                    _compare(type(rule), name, inputs, before)
    finally:
        automaton.train(training)


def _compare(rule: type, name: str, inputs: DenseInputs, before: dict[str, int]) -> None:
    written = [level for level, t in inputs.state.items() if t._version != before[level]]
    if written:
        raise PluginError(
            f'{rule.__name__}, a rule of level "{name}", writes into the state that it is shown.',
            where=f"{rule.__module__}.{rule.__qualname__}, level {', '.join(written)}",
            to_do="compute the change from copies: `x = view.own + 0.1` in place of `x += 0.1`",
        )

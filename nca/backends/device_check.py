"""Proof that fused steps hold on the very device at hand, before they are taken unasked.

Drivers, cards and compilers differ. Whoever has not asked for fused steps must not be let down by
them: the first time that an automaton of some shape comes to a device, one fused step is held
against a plain one, gradient and all, with weights and states drawn at random.
"""

import copy
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nca.engine.rng import CellRNG
from nca.engine.state import State

if TYPE_CHECKING:
    from nca.engine.automaton import Automaton

CLOSE = 0.05
"""How far, as a share of the greatest number, a fused step may be from a plain one: as far as
products in bfloat16 may be. Steps that are wrong are further away."""

_KNOWN: dict[tuple[Any, ...], bool] = {}


def matches_plain_step(automaton: "Automaton", state: State) -> bool:
    """Tell whether fused steps are right on the device of a state; warn if they are not.

    Args:
        automaton: One that could take them; it is left as it is.
        state: As it comes to the automaton; only its shape matters.
    """
    device = next(iter(state.values())).device
    shapes = tuple(tuple(weight.shape) for weight in automaton.parameters())
    reduced = torch.is_autocast_enabled(device.type)
    key = (device, reduced, automaton.alive, tuple(automaton.layout.items()), shapes)
    if key not in _KNOWN:
        fault = _fault(automaton, state)
        if fault:
            warnings.warn(f"steps are not fused on {device}: {fault}", stacklevel=2)
        _KNOWN[key] = not fault
    return _KNOWN[key]


def _fault(automaton: "Automaton", state: State) -> str:
    """Return what is wrong with a fused step, or nothing."""
    twin = copy.deepcopy(automaton)
    twin.sparse = False
    drawn = CellRNG(0, 0, torch.arange(1, device=state.samples.device))
    with torch.no_grad():
        for name, weight in twin.named_parameters():
            weight += 0.1 * drawn.normal(name, 1, (weight.numel(),)).view_as(weight)
    one = state.select(slice(0, 1)).detach()
    levels = {n: drawn.uniform(n, one[n].shape[1], one.size(n)).to(one[n]) for n in one}
    one = one.replace(levels)
    try:
        fused, plain = (_step(twin, one, way) for way in (True, False))
    except Exception as error:  # whatever a compiler or a driver may raise
        return f"{type(error).__name__}: {error}"
    apart = max(_apart(a, b) for a, b in zip(fused, plain, strict=True))
    return "" if apart < CLOSE else f"one step is {apart:.2g} from a plain one"


def _step(automaton: "Automaton", state: State, fused: bool) -> list[Tensor]:
    """Return the levels after a step, and the gradient of their squares by those before."""
    automaton.fused = fused
    with torch.enable_grad():
        before = {name: state[name].clone().requires_grad_() for name in automaton.writable_levels}
        after = automaton.step(state.replace(before))
        ends = [after[name] for name in automaton.writable_levels]
        total = torch.stack([end.float().square().sum() for end in ends]).sum()
        slopes = torch.autograd.grad(total, list(before.values()))
    return [tensor.detach() for tensor in (*ends, *slopes)]


def _apart(first: Tensor, second: Tensor) -> float:
    difference = (first - second).abs().max() / second.abs().max().clamp(min=1e-6)
    return torch.nan_to_num(difference, torch.inf).item()

"""Check of fused steps on the very device at hand, before they are taken unasked.

Drivers, cards and compilers differ, and whoever has not asked for fused steps must be able to
rely on them: the first time that an automaton of some shape comes to a device, one fused step is
held against a plain one, gradient and all, with weights and states drawn at random.
"""

import copy
import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nca.backends.fused import FusedStepper
from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.engine.stepper import DenseStepper, Stepper, StepSpec

CLOSE = 0.05
"""How far, as a share of the greatest number, a fused step may be from a plain one: as far as
products in bfloat16 may be. Steps that are wrong are further away."""

_KNOWN: dict[tuple[Any, ...], bool] = {}


def matches_plain_step(spec: StepSpec, state: State) -> bool:
    """Tell whether fused steps are right on the device of a state; warn if they are not.

    Args:
        spec: A step that could be fused; its rules are left as they are.
        state: As it comes to the automaton; only its shape matters.
    """
    device = next(iter(state.values())).device
    rules = [rule for own in spec.rules.values() for rule in own]
    shapes = tuple(tuple(weight.shape) for rule in rules for weight in rule.parameters())
    reduced = torch.is_autocast_enabled(device.type)
    key = (device, reduced, spec.alive, tuple(spec.layout.items()), shapes)
    if key not in _KNOWN:
        fault = _fault(spec, state)
        if fault:
            warnings.warn(f"steps are not fused on {device}: {fault}", stacklevel=2)
        _KNOWN[key] = not fault
    return _KNOWN[key]


def _fault(spec: StepSpec, state: State) -> str:
    """Return what is wrong with a fused step, or nothing."""
    twin = replace(spec, rules=copy.deepcopy(dict(spec.rules)))
    drawn = CellRNG(0, 0, torch.arange(1, device=state.samples.device))
    with torch.no_grad():
        for level, rules in twin.rules.items():
            for number, rule in enumerate(rules):
                for name, weight in rule.named_parameters():
                    stream = f"{level}/{number}/{name}"
                    weight += 0.1 * drawn.normal(stream, 1, (weight.numel(),)).view_as(weight)
    one = state.select(slice(0, 1)).detach()
    levels = {n: drawn.uniform(n, one[n].shape[1], one.size(n)).to(one[n]) for n in one}
    one = one.replace(levels)
    try:
        fused, plain = (
            _step(twin, one, way) for way in (FusedStepper(twin, one), DenseStepper(twin))
        )
    except Exception as error:  # whatever a compiler or a driver may raise
        return f"{type(error).__name__}: {error}"
    apart = max(_apart(a, b) for a, b in zip(fused, plain, strict=True))
    return "" if apart < CLOSE else f"one step is {apart:.2g} from a plain one"


def _step(spec: StepSpec, state: State, stepper: Stepper) -> list[Tensor]:
    """Return the levels after a step, and the gradient of their squares by those before."""
    with torch.enable_grad():
        before = {name: state[name].clone().requires_grad_() for name in spec.writable_levels}
        after = stepper.step(stepper.prepare(state.replace(before)), 0.5)
        ends = [after[name] for name in spec.writable_levels]
        total = torch.stack([end.float().square().sum() for end in ends]).sum()
        slopes = torch.autograd.grad(total, list(before.values()))
    return [tensor.detach() for tensor in (*ends, *slopes)]


def _apart(first: Tensor, second: Tensor) -> float:
    difference = (first - second).abs().max() / second.abs().max().clamp(min=1e-6)
    return torch.nan_to_num(difference, torch.inf).item()

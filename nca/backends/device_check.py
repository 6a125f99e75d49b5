"""Check of fused steps on the very device at hand, before they are taken unasked.

Drivers, cards and compilers differ, and whoever has not asked for fused steps must be able to
rely on them: the first time that an automaton of some shape comes to a device, one fused step is
held against a plain one, gradient and all, with weights and states drawn at random; and two of
them in one operation against the same two by themselves.
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from nca.backends.fused import FusedStepper, autocast_dtype
from nca.engine.rng import CellRNG
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.engine.stepper import DenseStepper, Stepper, StepSpec

FLOAT32 = (1e-5, 1e-3)
"""How far levels and slopes of a fused step may be from those of a plain one, in the 2-norm and as
a share of the plain one's, where products are as those of float32: itself, or three of TF32 for
one. Right levels are at 1e-6; one rounding to TF32 is at 1e-4. One hidden unit on the other side of
relu's kink is enough to bring slopes to 1e-3 on a small grid, so their bound is wider."""

TF32 = (4e-3, 4e-2)
"""The same where products take TF32, whose mantissa has three bits more than that of bfloat16."""

REDUCED = (0.03, 0.1)
"""The same where products take bfloat16. Right levels are at 0.011 at most, right slopes at 0.06:
rounding puts some hidden units on the other side of relu's kink. A level that is wrong by a tenth
is at 0.1."""

_BOUNDS = {"reduced": REDUCED, "rounded": REDUCED, "tf32": TF32}

_FORMS: WeakKeyDictionary[UpdateRule, Any] = WeakKeyDictionary()
_KNOWN: dict[tuple[Any, ...], bool] = {}


def matches_plain_step(spec: StepSpec, state: State, fire_rate: float) -> bool:
    """Tell whether fused steps are right on the device of a state; warn if they are not.

    Args:
        spec: A step that could be fused; its rules are left as they are.
        state: As it comes to the automaton; only its shape matters.
        fire_rate: Chance that a cell fires; it matters whether all do.
    """
    device = next(iter(state.values())).device
    some_rest = fire_rate < 1
    reduced = autocast_dtype(device.type) == torch.bfloat16
    switch = torch.backends.cuda.matmul.fp32_precision  # pyright: ignore[reportAttributeAccessIssue]
    key = (device, reduced, switch, some_rest, *_kind(spec))
    if key not in _KNOWN:
        chance = 0.5 if some_rest else 1.0
        fault = _fault(spec, state, chance)
        fault = fault or _fault_of_rollout(spec, state, chance)
        if fault:
            warnings.warn(f"steps are not fused on {device}: {fault}", stacklevel=2)
        _KNOWN[key] = not fault
    return _KNOWN[key]


def _kind(spec: StepSpec) -> tuple[Any, ...]:
    """Return what tells apart the programs of steps, and what they are given, but for weights."""
    rules = tuple(
        (
            name,
            type(rule),
            rule.reads,
            _form_of(rule),
            *(tuple(weight.shape) for weight in rule.parameters()),
        )
        for name, own in spec.rules.items()
        for rule in own
    )
    return spec.alive, spec.noise, spec.step_size, tuple(spec.layout.items()), rules


def _form_of(rule: UpdateRule) -> Any:
    """Return what a rule declares, but for the numbers in its tensors; asked of it once."""
    if rule not in _FORMS:
        _FORMS[rule] = _form(rule.declared_program())
    return _FORMS[rule]


def _form(thing: Any) -> Any:
    """Return a part of a program with the shape of each tensor in its place, to be compared."""
    if isinstance(thing, Tensor):
        return tuple(thing.shape)
    if isinstance(thing, tuple):
        return tuple(map(_form, thing))
    if is_dataclass(thing):
        return type(thing), *(_form(getattr(thing, field.name)) for field in fields(thing))
    return thing


def _fault(spec: StepSpec, state: State, fire_rate: float) -> str:
    """Return what is wrong with a fused step, or nothing."""
    twin, one = _drawn(spec, state, mature=2.0)
    try:
        stepper = FusedStepper(twin, one)
        fused = _step(twin, one, fire_rate, stepper)
        with _float32_products():
            plain = _step(twin, one, fire_rate, DenseStepper(twin))
    except Exception as error:  # whatever a compiler or a driver may raise
        return f"{type(error).__name__}: {error}"
    bounds = _BOUNDS.get(stepper.weights.products, FLOAT32)
    for what, bound, ours, theirs in zip(("", " in its slopes"), bounds, fused, plain, strict=True):
        apart = max(map(_apart, ours, theirs))
        if not apart < bound:
            return f"one step is {apart:.2g} from a plain one{what}"
    return ""


def _fault_of_rollout(spec: StepSpec, state: State, fire_rate: float) -> str:
    """Return what is wrong with two fused steps in one operation, or nothing.

    Some cells are dead and some die. Where one step is held against a plain one, all live by far:
    there rounding would decide who does.
    """
    twin, one = _drawn(spec, state, mature=0.2)
    together, singly = (_rolled(twin, one, fire_rate, lengths) for lengths in ((2,), (1, 1)))
    apart = max(map(_apart, together, singly))
    if apart < max(FLOAT32):
        return ""
    return f"two steps in one operation are {apart:.2g} from the same one by one"


def _drawn(spec: StepSpec, state: State, mature: float) -> tuple[StepSpec, State]:
    """Return the same step and one sample of the state, weights and levels drawn at random.

    Args:
        spec: The step.
        state: Only its shape matters.
        mature: The share of mature cells, from 0 to 1; above, all exceed what tells that they are
            by at least so much less 1.
    """
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
    if spec.alive:
        levels[spec.alive.level][:, spec.alive.channel] += spec.alive.above + mature - 1
    return twin, one.replace(levels)


@contextmanager
def _float32_products() -> Iterator[None]:
    """Let no product of float32 be rounded to TF32 inside the block, as cuDNN's are by default."""
    kinds = (
        torch.backends.cudnn.conv,  # pyright: ignore[reportAttributeAccessIssue]
        torch.backends.cuda.matmul,
    )
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def _step(
    spec: StepSpec, state: State, fire_rate: float, stepper: Stepper
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the levels after a step, and the gradients of their squares by those before."""
    with torch.enable_grad():
        before = {name: state[name].clone().requires_grad_() for name in spec.writable_levels}
        after = stepper.step(stepper.prepare(state.replace(before)), fire_rate)
        ends = [after[name] for name in spec.writable_levels]
        total = torch.stack([end.float().square().sum() for end in ends]).sum()
        slopes = torch.autograd.grad(total, list(before.values()))
    return [end.detach() for end in ends], list(slopes)


def _rolled(
    spec: StepSpec, state: State, fire_rate: float, lengths: tuple[int, ...]
) -> list[Tensor]:
    """Return the levels after rollouts of these lengths, and the gradients of their squares.

    They are those by the levels before, and by the weights.
    """
    weights = [
        weight for own in spec.rules.values() for rule in own for weight in rule.parameters()
    ]
    with torch.enable_grad():
        before = {name: state[name].clone().requires_grad_() for name in spec.writable_levels}
        stepper = FusedStepper(spec, state)
        after = stepper.prepare(state.replace(before))
        for length in lengths:
            after = stepper.advance(after, length, fire_rate)
        ends = [after[name] for name in spec.writable_levels]
        total = torch.stack([end.square().sum() for end in ends]).sum()
        given = [*before.values(), *(weight for weight in weights if weight.requires_grad)]
        slopes = torch.autograd.grad(total, given, materialize_grads=True)
    return [*(end.detach() for end in ends), *slopes]


def _apart(one: Tensor, other: Tensor) -> float:
    """Return how far two tensors are apart in the 2-norm, as a share of the second."""
    one, other = one.double(), other.double()
    return torch.nan_to_num((one - other).norm() / other.norm().clamp(min=1e-6), torch.inf).item()

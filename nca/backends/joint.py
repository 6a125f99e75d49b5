"""Joint steps: automata of one shape step as one, each with weights of its own.

The members' states lie behind one another along the batch. What has no weights is then one step
as it is: padding, fixed stencils, alive masks, fire masks, noise, skips. What has weights is a
program with one more axis, the member: layers are batched products, and kernels are applied
member by member to one padded state. `joint_spec` says what cannot be joined: rules that declare
no program, tables and gates, kernels whose neighbours attention scales, location codes, and
members that differ in anything but their weights.

Legend: P member, B batch of one member, C channel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from nca.backends.choose import Execution
from nca.backends.fused import fusion_obstacle
from nca.backends.same_numbers import same_numbers
from nca.backends.sparse import spares_cells
from nca.backends.tiled.stepper import tiles_pay, tiling_obstacle
from nca.engine.program import (
    AttentionTerm,
    AttentionWeights,
    Correlation,
    DecayTerm,
    Layer,
    MLPTerm,
    NotDeclared,
    Perception,
    Program,
    Stencils,
    Term,
)
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.engine.stepper import StepSpec

SMALL = 1536
"""Cells of all samples of a member up to which members step as one where they could step in tiles
or leave cells out alone. Measured on one core with 5 members: a joint step takes 0.56 of their
time with 1,024 cells each (0.8 with gradient), 0.9 (1.4) with 2,048, and twice with 8,192."""

DIFFERENT = "computes another thing in one member than in another"


class NotJointError(Exception):
    """What keeps members from stepping as one, as the end of a sentence."""


@dataclass(frozen=True)
class Members:
    """How the samples of members follow one another.

    Attributes:
        count: P.
        batch: B, the samples of each.
        axes: Axes of the grid.
        dtype: Of the state.
    """

    count: int
    batch: int
    axes: int
    dtype: torch.dtype

    def spread(self, numbers: Sequence[Tensor | float], before: int) -> Tensor | float:
        """Return a number of each member, laid over its samples: `(P B, 1, ..., 1)`.

        Args:
            numbers: One for each member.
            before: Axes between the sample and the axes of space.
        """
        if not any(isinstance(number, Tensor) for number in numbers) and len(set(numbers)) == 1:
            return numbers[0]
        device = next((n.device for n in numbers if isinstance(n, Tensor)), None)
        each = [torch.as_tensor(n, dtype=self.dtype, device=device) for n in numbers]
        spread = torch.stack(each).repeat_interleave(self.batch)
        return spread.view(-1, *(1,) * (before + self.axes))


class JointRule(UpdateRule):
    """The rules that stand in one place of all members, as one rule.

    Args:
        rules: One for each member.
        joint: The members' programs as one.
    """

    def __init__(self, rules: Sequence[UpdateRule], joint: Program) -> None:
        super().__init__()
        self.reads, self.radius = rules[0].reads, rules[0].radius
        self._joint = joint

    def program(self) -> Program:
        """Return the members' programs as one."""
        return self._joint


def joint_spec(specs: Sequence[StepSpec], state: State) -> StepSpec | str:
    """Return one step for the samples of all members behind one another, or why there is none.

    Args:
        specs: What a step of each member is.
        state: The state of one of them.
    """
    first, dtype = specs[0], next(iter(state.values())).dtype
    members = Members(len(specs), state.batch, state.axes, dtype)
    bare = {name: () for name in first.rules}
    if any(replace(spec, rules=bare) != replace(first, rules=bare) for spec in specs):
        return "members differ in layout, topology, alive mask, noise, skips or step size"
    rules: dict[str, tuple[UpdateRule, ...]] = {}
    for name in first.rules:
        own = [spec.rules_of(name) for spec in specs]
        if len({len(each) for each in own}) > 1:
            return f'members differ in the rules of level "{name}"'
        try:
            rules[name] = tuple(
                _joint_rule(each, first, name, members) for each in zip(*own, strict=True)
            )
        except NotJointError as fault:
            return f'a rule of level "{name}" {fault}'
    return replace(first, rules=rules)


def joint_pays(spec: StepSpec, how: Execution, state: State, fire_rate: float) -> bool:
    """Return whether a joint step is faster than members one after the other.

    Args:
        spec: What a step of a member is.
        how: How its steps are wanted to be executed; what is demanded, a joint step cannot give.
        state: The state of one of them.
        fire_rate: Chance that a cell fires.
    """
    if how.sparse or how.tiled or how.bits or how.fused or how.compiled != "never":
        return False
    if next(iter(state.values())).device.type != "cpu":
        return how.fused is False or fusion_obstacle(spec, state) is not None
    if state.batch * max(math.prod(state.size(name)) for name in state) <= SMALL:
        return True
    lists = how.sparse is not False and spares_cells(spec)
    tiles = how.tiled is not False and tiling_obstacle(spec, state) is None
    return not (lists or (tiles and tiles_pay(spec, state, fire_rate)))


def _joint_rule(
    rules: Sequence[UpdateRule], spec: StepSpec, name: str, members: Members
) -> JointRule:
    if len({(type(rule), tuple(rule.reads)) for rule in rules}) > 1:
        raise NotJointError("is of another kind in one member than in another")
    programs = []
    for rule in rules:
        found = rule.program_alone(spec.context(name, members.axes))
        if isinstance(found, NotDeclared):
            raise NotJointError(f"({type(rule).__name__}) {found.why}")
        programs.append(found)
    if len({len(program.terms) for program in programs}) > 1:
        raise NotJointError(DIFFERENT)
    terms = zip(*(program.terms for program in programs), strict=True)
    return JointRule(rules, Program(tuple(_term(each, members) for each in terms)))


def _term(terms: Sequence[Term], members: Members) -> Term:
    match terms[0]:
        case DecayTerm():
            rates = [each.rate for each in terms if isinstance(each, DecayTerm)]
            return DecayTerm(members.spread(_all(rates, members), 1))
        case AttentionTerm():
            own = [each for each in terms if isinstance(each, AttentionTerm)]
            rate = members.spread(_all([each.rate for each in own], members), 1)
            return AttentionTerm(rate, _attention([each.weights for each in own], members))
        case MLPTerm():
            nets = _all([each for each in terms if isinstance(each, MLPTerm)], members)
            kinds = {(len(net.perceptions), len(net.layers)) for net in nets}
            if len(kinds) > 1:
                raise NotJointError(DIFFERENT)
            seen = zip(*(net.perceptions for net in nets), strict=True)
            layers = zip(*(net.layers for net in nets), strict=True)
            return MLPTerm(tuple(map(_perception, seen)), tuple(map(_layer, layers)))
        case _:
            raise NotJointError("is a table or a network of logic gates")


def _all(found: list[Any], members: Members) -> list[Any]:
    if len(found) < members.count:
        raise NotJointError(DIFFERENT)
    return found


def _attention(weights: Sequence[AttentionWeights], members: Members) -> AttentionWeights:
    _alike(weights, "sharpness")
    sharpness = members.spread([each.sharpness for each in weights], 2)
    return replace(weights[0], sharpness=sharpness)


def _perception(perceptions: Sequence[Perception]) -> Perception:
    first = perceptions[0]
    if len(set(map(type, perceptions))) > 1:
        raise NotJointError(DIFFERENT)
    match first:
        case Stencils(kernels=kernels):
            _alike(perceptions, "kernels")
            others = [each.kernels for each in perceptions if isinstance(each, Stencils)]
            if any(each.requires_grad or not same_numbers(kernels, each) for each in others):
                raise NotJointError("has stencils of its own in each member")
            return first
        case Correlation(attention=None):
            _alike(perceptions, "weight", "bias")
            own = [each for each in perceptions if isinstance(each, Correlation)]
            weight, bias = _stacked([e.weight for e in own], 1), _stacked([e.bias for e in own], 1)
            assert weight is not None
            return replace(first, weight=weight, bias=bias)
        case Correlation():
            raise NotJointError("reads neighbours that attention has scaled")
        case _:
            raise NotJointError("perceives where its cells are")


def _layer(layers: Sequence[Layer]) -> Layer:
    _alike(layers, "weight", "bias")
    weight = _stacked([layer.weight for layer in layers], 0)
    assert weight is not None
    return replace(layers[0], weight=weight, bias=_stacked([each.bias for each in layers], 0))


def _stacked(tensors: Sequence[Tensor | None], axis: int) -> Tensor | None:
    found = [tensor for tensor in tensors if tensor is not None]
    if not found:
        return None
    if len(found) < len(tensors) or len({(t.shape, t.dtype, t.device) for t in found}) > 1:
        raise NotJointError("has weights of other shapes in one member than in another")
    return torch.stack(found, dim=axis)


def _alike(parts: Sequence[Any], *but: str) -> None:
    """Refuse parts that differ in more than the named fields."""
    names = [field.name for field in fields(parts[0]) if field.name not in but]
    for part in parts[1:]:
        if any(getattr(part, name) != getattr(parts[0], name) for name in names):
            raise NotJointError(DIFFERENT)

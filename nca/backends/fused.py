"""The fused step: which automata can take it, and what it is told of them.

All rules of all levels have to say what they compute (`UpdateRule.program`), in formulas that
`nca.backends.triton` knows; its programs then do a step in one launch. Whatever cannot be fused
takes the plain step, with the same random numbers and the same results within rounding.
"""

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nca.backends.device_check import matches_plain_step
from nca.backends.lowering import Formula, FusedMLP, FusedScale, lower
from nca.backends.triton import (
    AliveChannel,
    LevelWeights,
    NetWeights,
    StepArguments,
    advance,
    clear_dead_cells,
    find_alive,
    interpreted,
    prepare,
)
from nca.engine.conditions import Alive
from nca.engine.rng import number_of
from nca.engine.state import State
from nca.engine.step_inputs import Through
from nca.engine.view import RuleContext
from nca.errors import ShapeError

if TYPE_CHECKING:
    from nca.engine.automaton import Automaton

MOST_CHANNELS = 128
"""Channels of a level up to which its tiles and the weights for them fit on a chip."""

OLDEST = (8, 0)
"""Compute capability of the first cards that multiply bfloat16."""

FieldKey = tuple[str, Through]


class Fused:
    """The steps of one rollout, fused.

    Args:
        automaton: One that `why_not_fused` has no objection to.
        state: The state that the rollout starts from.
    """

    def __init__(self, automaton: "Automaton", state: State) -> None:
        self.automaton = automaton
        self.names: list[str] = []
        self.fields: list[FieldKey] = []
        kind = next(iter(state.values())).device.type
        reduced = torch.is_autocast_enabled(kind) and (
            torch.get_autocast_dtype(kind) == torch.bfloat16
        )
        with torch.autocast(kind, enabled=False):  # weights are rounded once, when they are whole
            levels = [
                self._level(name, state)
                for name in automaton.writable_levels
                if self._changes(name)
            ]
            self.weights = prepare(levels, reduced=reduced)

    def step(self, state: State, living: Tensor | None, fire_rate: float) -> dict[str, Tensor]:
        """Return the levels that change, after their change.

        Args:
            state: The state before the step.
            living: Which cells live, bool `(B, 1, H, W)`, or None: all.
            fire_rate: Chance that a cell fires.
        """
        alive, noise = self.automaton.alive, self.automaton.noise
        moment = StepArguments(
            random_seed=state.random_seed,
            step=state.step,
            samples=state.samples,
            fire_rate=fire_rate,
            living=living if alive and alive.dead == "frozen" else None,
            size=self.automaton.step_size,
            noise=noise.scale if noise else 0.0,
        )
        fields = [
            through(state[name]).float() if through else state[name]
            for name, through in self.fields
        ]
        return dict(zip(self.names, advance(self.weights, moment, fields), strict=True))

    def alive_mask(self, state: State) -> Tensor | None:
        """Return what `Automaton.living` returns."""
        alive = self.automaton.alive
        return find_alive(state[alive.level], self._life(alive)) if alive else None

    def clear_dead(self, state: State, lived: Tensor) -> State:
        """Return what `Automaton.bury` returns."""
        alive, names = self.automaton.alive, self.automaton.writable_levels
        assert alive is not None
        levels = [state[name] for name in names]
        buried = clear_dead_cells(state[alive.level], levels, lived, self._life(alive))
        return state.replace(dict(zip(names, buried, strict=True)))

    @staticmethod
    def _life(alive: Alive) -> AliveChannel:
        return AliveChannel(alive.channel, alive.radius, float(alive.above))

    def _changes(self, name: str) -> bool:
        return bool(self.automaton.rules_of(name) or self._noise(name))

    def _noise(self, name: str) -> tuple[str, ...]:
        noise = self.automaton.noise
        if not noise or not noise.scale:
            return ()
        if noise.when == "training" and not self.automaton.training:
            return ()
        stream = f"noise/{name}"
        return tuple(f"{stream}/{t}" for t in "abc") if noise.kind == "normal" else (stream,)

    def _level(self, name: str, state: State) -> LevelWeights:
        nets, share = [], None
        place = RuleContext(self.automaton.layout, name, 2, self.automaton.topology)
        for formula in _known(self.automaton, name):
            match formula:
                case FusedMLP(kernel, weight, bias):
                    _check(formula, place)
                    field = self._field(place.level(kernel.level).name, kernel.through)
                    nets.append(NetWeights(field, kernel.weight, kernel.bias, weight, bias))
                case FusedScale(factor):
                    if not isinstance(factor, Tensor):
                        factor = state[name].new_full((), factor)
                    share = factor if share is None else share + factor
        self.names.append(name)
        channels = self.automaton.layout[name].channels
        fire, *noise = map(_signed, (f"fire/{name}", *self._noise(name)))
        return LevelWeights(self._field(name, None), channels, nets, share, fire, noise)

    def _field(self, name: str, through: Through) -> int:
        key = (name, through)
        if key not in self.fields:
            self.fields.append(key)
        return self.fields.index(key)


def fuse(automaton: "Automaton", state: State) -> Fused | None:
    """Return the fused steps of a rollout, or None: it shall take plain steps.

    Raises:
        ShapeError: Fused steps are demanded, and impossible.
    """
    wanted = automaton.fused
    if wanted is False or torch.compiler.is_compiling():  # which makes programs of its own
        return None
    if wanted is None and next(iter(state.values())).device.type != "cuda":
        return None
    reason = why_not_fused(automaton, state)
    if reason is None and (wanted or matches_plain_step(automaton, state)):
        return Fused(automaton, state)
    if wanted:
        raise ShapeError(
            f"this automaton cannot take fused steps: {reason}.",
            where="Automaton(..., fused=True)",
            to_do="leave `fused` at None, to take them wherever they are possible",
        )
    return None


def why_not_fused(automaton: "Automaton", state: State) -> str | None:
    """Return the first reason why a state cannot take fused steps, or None: it can."""
    objections = (_of_grid, _of_rules, _of_device)
    return next((reason for ask in objections if (reason := ask(automaton, state))), None)


def _of_device(automaton: "Automaton", state: State) -> str | None:
    devices = {tensor.device for tensor in (*state.values(), *automaton.parameters())}
    if len(devices) > 1:
        return f"weights and state are on {' and '.join(sorted(map(str, devices)))}"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    device = devices.pop()
    kind = device.type
    if kind == "cuda" and torch.cuda.get_device_capability(device) < OLDEST:
        return f"{torch.cuda.get_device_name(device)} does not multiply bfloat16"
    if kind != "cuda" and not (kind == "cpu" and interpreted()):
        return f"the state is on {kind}, and Triton's programs run on CUDA devices"
    return None


def _of_grid(automaton: "Automaton", state: State) -> str | None:
    if state.axes != 2:
        return f"the grid has {state.axes} axes, and not two"
    if set(automaton.topology.of(2)) != {"torus"}:
        return "the grid is no torus"
    if state.window is not None or not automaton.topology.local:
        return "the state is a part of a larger grid"
    if len({tensor.shape[2:] for tensor in state.values()}) > 1:
        return "its levels differ in size"
    kinds = {tensor.dtype for tensor in state.values()} - {torch.float32}
    if kinds:
        return f"the state holds {kinds.pop()}, and not torch.float32".replace("torch.", "")
    if not state.batch:
        return "the state holds no sample"
    if automaton.sparse:
        return "listed cells are demanded (sparse=True)"
    return None


def _of_rules(automaton: "Automaton", state: State) -> str | None:
    for name in automaton.writable_levels:
        for number, rule in enumerate(automaton.rules_of(name)):
            here = f'rule {number} of level "{name}" ({type(rule).__name__})'
            known = lower(rule.program())
            if isinstance(known, str):
                return f"{here} {known}"
            for formula in known:
                if isinstance(formula, FusedMLP):
                    sides = tuple(formula.kernel.weight.shape[2:])
                    if sides != (3, 3):
                        return f"{here} has a kernel with the sides {sides}, and not (3, 3)"
    if not any(automaton.rules_of(name) for name in automaton.writable_levels):
        return "it has no rules"
    widest = max(level.channels for level in automaton.layout.values())
    if widest > MOST_CHANNELS:
        return f"a level has {widest} channels, more than {MOST_CHANNELS}"
    return None


def _known(automaton: "Automaton", name: str) -> Iterator[Formula]:
    for rule in automaton.rules_of(name):
        known = lower(rule.program())
        assert not isinstance(known, str)
        yield from known


def _check(formula: FusedMLP, place: RuleContext) -> None:
    """Refuse weights that do not fit the levels: they would be read where others lie."""
    kernel = formula.kernel
    hidden = len(kernel.weight)
    read, own = place.level(kernel.level).channels, place.own.channels
    given = [tuple(w.shape) for w in (kernel.weight, kernel.bias, formula.weight, formula.bias)]
    wanted = [(hidden, read, 3, 3), (hidden,), (own, hidden), (own,)]
    if given != wanted:
        raise ShapeError(
            f'a program of level "{place.name}" has weights of shapes {given}.',
            where=f"it reads {read} channels and writes {own}, with {hidden} hidden units",
            to_do=f"return weights of shapes {wanted} from the rule's `program()`",
        )


def _signed(stream: str) -> int:
    """Return the number of a stream as int32 has it."""
    return (number_of(stream) ^ 1 << 31) - (1 << 31)

"""Fused step: perception and hidden layers of all levels in one launch of a Triton program.

All rules have to declare a program (`UpdateRule.program`) of terms that `nca.backends.triton`
knows (`nca.backends.lowering`). Whatever cannot be fused takes another step, with the same random
numbers and the same results within rounding.
"""

import importlib.util
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from nca.backends.lowering import FusedAttention, FusedMLP, FusedScale, FusedTerm, lower
from nca.backends.triton import (
    AgreementPlan,
    AliveCells,
    AttentionPlan,
    LayerWeights,
    LevelAttention,
    LevelWeights,
    LifePlan,
    NetWeights,
    ReadWeights,
    RolloutArguments,
    RolloutGraphs,
    ShownPlan,
    interpreted,
    prepare,
    roll_out,
)
from nca.engine.conditions import remember
from nca.engine.context import RuleContext
from nca.engine.program import CellMap, Squash
from nca.engine.rng import number_of
from nca.engine.state import State
from nca.engine.stepper import HasSpec, Stepper, StepSpec, channels_last
from nca.engine.to_device import to_device
from nca.errors import ShapeError

MOST_CHANNELS = 128
"""Channels of a level up to which its tiles and the weights for them fit on a chip."""

MOST_CELLS = (1 << 31) - 64
"""Cells of all samples: programs count them in int32, to the end of the last tile."""

OLDEST = (8, 0)
"""Compute capability of the first cards that multiply bfloat16."""

FieldKey = tuple[str, CellMap | None]


class FusedStepper(Stepper):
    """Steps of one launch each, or two where the dead are cleared; a rollout is one operation.

    Args:
        spec: What a step is; `fusion_obstacle` finds nothing in its way.
        state: The state that the rollout starts from.
        graphs: Records rollouts and replays them, or None: each step is launched.
    """

    way = "fused"

    def __init__(self, spec: StepSpec, state: State, graphs: RolloutGraphs | None = None) -> None:
        self.spec, self.graphs = spec, graphs
        self.names: list[str] = []
        self.fields: list[FieldKey] = []
        kind = next(iter(state.values())).device.type
        reduced = autocast_dtype(kind) == torch.bfloat16
        with torch.autocast(kind, enabled=False):  # weights are rounded once, when they are whole
            changing = [name for name in spec.writable_levels if self._changes(name)]
            levels = [self._level(name, state) for name in changing]
            self.shown = self._shown(changing)
            self.weights = prepare(levels, list(self.shown.values()), reduced=reduced)
        self.life = self._life()
        mapped = any(
            cell_map and name in changing and number not in self.shown
            for number, (name, cell_map) in enumerate(self.fields)
        )
        self.singly = bool(mapped or spec.skips)
        """Whether steps are taken one by one, for what is between them is not fused."""

    def prepare(self, state: State) -> State:
        """Return the state with the channels of each cell side by side."""
        return state.map(channels_last)

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass; see `nca.engine.stepper.Stepper.step`."""
        return self.advance(state, 1, fire_rate)

    def advance(self, state: State, steps: int, fire_rate: float) -> State:
        """Let many steps pass as one operation; see `nca.engine.stepper.Stepper.advance`."""
        each = 1 if self.singly else max(steps, 1)
        for _ in range(0, steps, each):
            state = self._advance(state, each, fire_rate)
        return state

    def restore(self, state: State, whole: State) -> State:
        """Return the state as it is; see `nca.engine.stepper.Stepper.restore`."""
        return state

    def _advance(self, state: State, steps: int, fire_rate: float) -> State:
        spec = self.spec
        arguments = RolloutArguments(
            steps=steps,
            random_seed=state.random_seed,
            step=state.step,
            samples=state.samples,
            fire_rate=fire_rate,
            size=spec.step_size,
            noise=spec.noise.scale if spec.noise else 0.0,
            life=self.life,
        )
        fields = [
            cell_map(state[name]).float() if cell_map and n not in self.shown else state[name]
            for n, (name, cell_map) in enumerate(self.fields)
        ]
        ends = roll_out(self.weights, arguments, fields, self.graphs)
        levels = dict(zip(self.names, ends, strict=True))
        after = state.replace(levels, step=state.step + steps)
        return remember(spec.skips, spec.writable_levels, state, after)

    def _shown(self, changing: Sequence[str]) -> dict[int, ShownPlan]:
        """Return which fields are changing levels squashed, which the steps themselves do."""
        return {
            number: ShownPlan(
                number, self._field(name, None), self.spec.layout[name].channels, cell_map.bound
            )
            for number, (name, cell_map) in enumerate(self.fields)
            if name in changing and isinstance(cell_map, Squash)
        }

    def _life(self) -> AliveCells | None:
        alive = self.spec.alive
        if alive is None:
            return None
        channels = self.spec.layout[alive.level].channels
        plan = LifePlan(self._field(alive.level, None), channels, alive.channel, alive.radius)
        return AliveCells(plan, float(alive.above), alive.dead == "frozen")

    def _changes(self, name: str) -> bool:
        spec = self.spec
        cleared = spec.alive is not None and spec.alive.dead == "cleared"
        return bool(spec.rules_of(name) or self._noise(name) or cleared)

    def _noise(self, name: str) -> tuple[str, ...]:
        noise = self.spec.noise
        if not noise or not noise.scale:
            return ()
        stream = f"noise/{name}"
        return tuple(f"{stream}/{t}" for t in "abc") if noise.kind == "normal" else (stream,)

    def _level(self, name: str, state: State) -> LevelWeights:
        nets, attentions, share = [], [], None
        context = self.spec.context(name)
        for term in _terms(self.spec, name):
            match term:
                case FusedMLP():
                    _check_shapes(term, context)
                    nets.append(self._net(term, context))
                case FusedAttention():
                    attentions.append(self._attention(term, context, state[name]))
                case FusedScale(factor):
                    factor = _number(factor, state[name])
                    share = factor if share is None else share + factor
        self.names.append(name)
        channels = self.spec.layout[name].channels
        fire, *noise = map(_signed, (f"fire/{name}", *self._noise(name)))
        return LevelWeights(self._field(name, None), channels, nets, share, fire, noise, attentions)

    def _attention(
        self, term: FusedAttention, context: RuleContext, like: Tensor
    ) -> LevelAttention:
        weights, levels = term.weights, []
        for level, factor in zip(weights.levels, weights.factors, strict=True):
            field = self._field(context.name_of(level), None)
            levels.append(AgreementPlan.of(field, context.level(level).channels, float(factor)))
        own = float(weights.tiny), weights.itself, weights.rise
        plan = AttentionPlan(tuple(levels), weights.cosine, *own, numbers=-1, ahead=-1)
        return LevelAttention(plan, _number(term.rate, like), _number(weights.sharpness, like))

    def _net(self, term: FusedMLP, context: RuleContext) -> NetWeights:
        reads = [
            ReadWeights(
                self._field(context.name_of(one.level), one.cell_map), one.weight, one.stencils
            )
            for one in term.reads
        ]
        layers = [LayerWeights(one.activation, one.weight, one.bias) for one in term.layers]
        return NetWeights(tuple(reads), term.bias, tuple(layers))

    def _field(self, name: str, cell_map: CellMap | None) -> int:
        key = (name, cell_map)
        if key not in self.fields:
            self.fields.append(key)
        return self.fields.index(key)


def autocast_dtype(kind: str) -> torch.dtype:
    """Return what products are taken in on a kind of device; float32 without autocast."""
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32


def why_not_fused(automaton: HasSpec, state: State) -> str | None:
    """Return the first reason why a state cannot take fused steps, or None: it can."""
    return fusion_obstacle(automaton.spec, state)


def fusion_obstacle(spec: StepSpec, state: State) -> str | None:
    """Return the first reason why a state cannot take fused steps, or None: it can."""
    asked = (_of_grid, _of_rules, _of_device)
    return next((reason for ask in asked if (reason := ask(spec, state))), None)


def _of_device(spec: StepSpec, state: State) -> str | None:
    devices = {tensor.device for tensor in (*state.values(), *_parameters(spec))}
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
    products = autocast_dtype(kind)
    if products not in (torch.float32, torch.bfloat16):
        named = str(products).removeprefix("torch.")
        return f"autocast is to {named}, and fused products are of bfloat16 or float32"
    return None


def _of_grid(spec: StepSpec, state: State) -> str | None:
    if state.axes != 2:
        return f"the grid has {state.axes} axes, and not two"
    if set(spec.topology.of(2)) != {"torus"}:
        return "the grid is no torus"
    if state.window is not None or not spec.topology.local:
        return "the state is a part of a larger grid"
    if len({tensor.shape[2:] for tensor in state.values()}) > 1:
        return "its levels differ in size"
    kinds = {tensor.dtype for tensor in state.values()} - {torch.float32}
    if kinds:
        return f"the state holds {kinds.pop()}, and not torch.float32".replace("torch.", "")
    if not state.batch:
        return "the state holds no sample"
    cells = state.batch * math.prod(state.size(next(iter(state))))
    if cells > MOST_CELLS:
        return f"its samples have {cells} cells in all, more than {MOST_CELLS}"
    return None


def _of_rules(spec: StepSpec, state: State) -> str | None:
    for name in spec.writable_levels:
        for number, rule in enumerate(spec.rules_of(name)):
            here = f'rule {number} of level "{name}" ({type(rule).__name__})'
            known = lower(rule.program_alone(spec.context(name)))
            if isinstance(known, str):
                return f"{here} {known}"
            for term in known:
                reads = term.reads if isinstance(term, FusedMLP) else ()
                other = next((one.sides for one in reads if one.sides != (3, 3)), None)
                if other:
                    return f"{here} has a kernel with the sides {other}, and not (3, 3)"
    if not any(spec.rules_of(name) for name in spec.writable_levels):
        return "it has no rules"
    widest = max(level.channels for level in spec.layout.values())
    if widest > MOST_CHANNELS:
        return f"a level has {widest} channels, more than {MOST_CHANNELS}"
    return None


def _parameters(spec: StepSpec) -> Iterator[Tensor]:
    for rules in spec.rules.values():
        for rule in rules:
            yield from rule.parameters()


def _terms(spec: StepSpec, name: str) -> Iterator[FusedTerm]:
    for rule in spec.rules_of(name):
        lowered = lower(rule.declared_program())
        assert not isinstance(lowered, str)
        yield from lowered


def _number(number: Tensor | float, like: Tensor) -> Tensor:
    """Return a number where a tensor is, `()`."""
    if not isinstance(number, Tensor):
        return like.new_full((), number)
    return to_device(number.to(like.dtype), like.device)


def _check_shapes(term: FusedMLP, context: RuleContext) -> None:
    """Refuse weights that do not fit: they would be read elsewhere."""
    own = context.own.channels
    read = [context.level(one.level).channels for one in term.reads]
    units = [len(term.reads[0].weight), *(len(layer.weight) for layer in term.layers[:-1])]
    kernels = [(3, 3) if one.stencils is None else (len(one.stencils),) for one in term.reads]
    weights = [*(one.weight for one in term.reads), term.bias]
    wanted: list[tuple[int, ...]] = [
        *((units[0], count, *each) for count, each in zip(read, kernels, strict=True)),
        (units[0],),
    ]
    for layer, (given, found) in zip(term.layers, pairwise([*units, own]), strict=True):
        weights += [layer.weight, layer.bias]
        wanted += [(found, given), (found,)]
    shapes = [tuple(weight.shape) for weight in weights]
    if shapes != wanted:
        reads, hidden = (" and ".join(map(str, counts)) for counts in (read, units))
        raise ShapeError(
            f'a program of level "{context.name}" has weights of shapes {shapes}.',
            where=f"it reads {reads} channels and writes {own}, with {hidden} hidden units",
            to_do=f"return weights of shapes {wanted} from the rule's `program()`",
        )


def _signed(stream: str) -> int:
    """Return the number of a stream as int32 has it."""
    return (number_of(stream) ^ 1 << 31) - (1 << 31)

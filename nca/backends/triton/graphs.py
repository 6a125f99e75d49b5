"""Rollouts recorded as CUDA graphs, so that Python is off the step.

A graph holds the launches of 1, 2, 4, ... steps, and another those of their gradients; a rollout
of 37 steps is those of 32, 4 and 1. Random seed, step and samples are read from the device, so a
graph serves any iteration. It works on memory of its own, into which a rollout is copied and from
which its end is copied, so that it holds one rollout at a time, until its gradient is computed:
while it does, another rollout takes another graph, or is launched step by step.

The first rollout of a kind is launched step by step, which compiles its programs; the second is
recorded, and held against the same launches unrecorded. Where they do not have the same bits, or
nothing can be recorded, a warning says so and all further rollouts are launched step by step.
"""

import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor

from nca.backends.triton.backward import BackwardLaunches, GradientSums, of_fields, work_of
from nca.backends.triton.forward import ForwardLaunches
from nca.backends.triton.inputs import RolloutInputs, signed

MOST_KINDS = 8
"""Kinds of rollouts whose graphs are kept; each keeps memory on the device."""

MOST_AT_ONCE = 3
"""Rollouts of one kind that wait for their gradient at once, and have been recorded."""

Record: TypeAlias = Callable[[Callable[[], None]], Callable[[], object]]
"""Records launches on fixed memory, and returns what launches them again."""


class GraphClaim:
    """Held by a rollout whose gradient is still to be computed."""


def record_graph(launches: Callable[[], None]) -> Callable[[], object]:
    """Return the replay of a CUDA graph of launches on the current device."""
    launches()  # what is compiled or loaded late, is so before
    graph = torch.cuda.CUDAGraph()
    # a stream of this device; other threads may go on with whatever they do
    with torch.cuda.graph(graph, stream=torch.cuda.Stream(), capture_error_mode="thread_local"):
        launches()
    return graph.replay


def powers(steps: int) -> list[int]:
    """Return the powers of two whose sum is a number of steps, the greatest first."""
    return [1 << bit for bit in reversed(range(steps.bit_length())) if steps >> bit & 1]


class GraphPiece:
    """Some steps on memory of their own.

    Args:
        inputs: What the steps are given; fields that no step writes are shared with other pieces.
        steps: How many.
        sums: Where gradients add up, shared likewise, or None: none will be asked for.
        wanted: Which gradients of fields are asked for.
        of_weights: Whether those of the weights are.
        record: How launches are recorded.
    """

    def __init__(
        self,
        inputs: RolloutInputs,
        steps: int,
        sums: GradientSums | None,
        wanted: Sequence[bool],
        of_weights: bool,
        record: Record,
    ) -> None:
        self.steps = steps
        own = inputs.fields([torch.empty_like(level) for level in inputs.levels])
        inputs = replace(inputs, rows=own, arguments=replace(inputs.arguments, steps=steps))
        self.first = inputs.levels
        self.ahead = ForwardLaunches(inputs, keep=sums is not None)
        self.replay = record(self.ahead)
        if sums is not None:
            self.gradients = tuple(map(torch.empty_like, self.first))
            self.back = BackwardLaunches(
                inputs,
                self.ahead.history,
                self.gradients,
                sums,
                work_of(inputs, wanted, through=True),
                of_weights=of_weights,
                of_first=True,
            )
            self.replay_back = record(self.back)


class RolloutGraph:
    """The graphs of one rollout at a time, of any length.

    Args:
        inputs: A rollout of the kind.
        keep: Whether gradients will be asked for.
        wanted: Which of those of the fields.
        of_weights: Whether those of the weights.
        record: How launches are recorded.
    """

    def __init__(
        self,
        inputs: RolloutInputs,
        keep: bool,
        wanted: Sequence[bool],
        of_weights: bool,
        record: Record,
    ) -> None:
        weights = inputs.weights
        packed = torch.empty_like(weights.packed)
        exact = weights.low.dtype == packed.dtype
        low = packed if exact else torch.empty_like(weights.low)
        self.inputs = replace(
            inputs,
            weights=replace(weights, packed=packed, low=low),
            rows=tuple(map(torch.empty_like, inputs.rows)),
            samples=torch.empty_like(inputs.samples),
            clock=torch.empty_like(inputs.clock),
        )
        self._wanted, self._of_weights, self._record = wanted, of_weights, record
        self._sums = None
        if keep:
            self._sums = GradientSums(self.inputs, work_of(self.inputs, wanted, through=True))
        self._pieces: dict[int, GraphPiece] = {}
        self._claim: weakref.ref[GraphClaim] | None = None
        self.checked: set[int] = set()
        self.checked_back: set[int] = set()
        self._done: list[tuple[int, GraphPiece]] = []

    @property
    def free(self) -> bool:
        """Whether no rollout waits for its gradient."""
        return self._claim is None or self._claim() is None

    def holds(self, claim: GraphClaim) -> bool:
        """Tell whether what was kept is still that of a rollout."""
        return self._claim is not None and self._claim() is claim

    def release(self) -> None:
        """Hold no rollout any longer."""
        self._claim = None

    @property
    def lengths(self) -> set[int]:
        """The steps of the pieces of the last rollout."""
        return {piece.steps for _, piece in self._done}

    def forward(self, inputs: RolloutInputs) -> tuple[tuple[Tensor, ...], GraphClaim]:
        """Return the levels after a rollout, `(B, H, W, C)` each, and its claim on what is kept."""
        steps = inputs.arguments.steps
        pieces = [self._piece(count) for count in powers(steps)]
        self._begin(inputs)
        levels, self._done, step = inputs.levels, [], inputs.arguments.step
        for piece in pieces:
            self._set_step(step)
            _copy(levels, piece.first)
            piece.replay()
            levels = piece.ahead.ends
            self._done.append((step, piece))
            step += piece.steps
        claim = GraphClaim()
        self._claim = weakref.ref(claim) if self._sums else None
        return tuple(level.clone() for level in levels), claim

    def backward(self, gradients: Sequence[Tensor]) -> tuple[Tensor | None, list[Tensor | None]]:
        """Return the gradient of the weights, and those of the fields, `(B, C, H, W)` each.

        Args:
            gradients: Those of the levels after the rollout, `(B, H, W, C)` each.
        """
        assert self._sums is not None
        self._sums.clear()
        found: dict[int, Tensor] = {}
        for step, piece in reversed(self._done):
            self._set_step(step)
            _copy(gradients, piece.gradients)
            piece.replay_back()
            gradients, found = piece.back.levels(), piece.back.before
        copied = {field: gradient.clone() for field, gradient in found.items()}
        of_weights = self._sums.of_weights() if self._of_weights else None
        return of_weights, of_fields(copied, self._wanted)

    def _piece(self, steps: int) -> GraphPiece:
        if steps not in self._pieces:
            given = self._sums, self._wanted, self._of_weights, self._record
            with torch.cuda.device_of(self.inputs.rows[0]):
                self._pieces[steps] = GraphPiece(self.inputs, steps, *given)
        return self._pieces[steps]

    def _begin(self, inputs: RolloutInputs) -> None:
        """Copy what all steps of a rollout share to where the graphs read it."""
        own, levels = self.inputs, set(inputs.level_fields)
        shown = {one.field for one in inputs.weights.plan.shown}
        for field, row in enumerate(own.rows):
            if field not in levels | shown:
                row.copy_(inputs.rows[field])
        own.weights.packed.copy_(inputs.weights.packed.detach())
        if own.weights.low is not own.weights.packed:
            own.weights.low.copy_(inputs.weights.low)
        own.samples.copy_(inputs.samples)
        own.clock.copy_(inputs.clock)

    def _set_step(self, step: int) -> None:
        self.inputs.clock[2].fill_(signed(step))


class RolloutGraphs:
    """The graphs of an automaton's rollouts, by kind, the last used last.

    Args:
        record: How launches are recorded.
    """

    def __init__(self, record: Record = record_graph) -> None:
        self._record = record
        self._kinds: OrderedDict[Any, list[RolloutGraph]] = OrderedDict()
        self._failed = False
        self._lock = threading.RLock()  # two threads must not write to the memory of one graph

    def forward(
        self, inputs: RolloutInputs, *, keep: bool, wanted: Sequence[bool], of_weights: bool
    ) -> tuple[tuple[Tensor, ...], RolloutGraph, GraphClaim] | None:
        """Return the levels after a rollout, and which graph has it; None: launch it yourself.

        Args:
            inputs: The rollout.
            keep: Whether gradients will be asked for.
            wanted: Which of those of the fields.
            of_weights: Whether those of the weights.
        """
        if inputs.arguments.steps < 2 or self._failed or _recording(inputs):
            return None
        with self._lock:
            return self._forward(inputs, keep, tuple(wanted), of_weights)

    def _forward(
        self, inputs: RolloutInputs, keep: bool, wanted: tuple[bool, ...], of_weights: bool
    ) -> tuple[tuple[Tensor, ...], RolloutGraph, GraphClaim] | None:
        try:
            graph = self._graph(inputs, keep, wanted, of_weights)
            if graph is None:
                return None
            ends, claim = graph.forward(inputs)
        except RuntimeError as error:  # whatever a driver may raise, want of memory included
            self._give_up(inputs, f"{type(error).__name__}: {error}")
            return None
        if not graph.lengths <= graph.checked:
            plain = ForwardLaunches(inputs, keep=False)
            plain()
            if not _same(ends, plain.ends):
                self._give_up(inputs, "a replayed rollout has other bits than its launches")
                return None
            graph.checked |= graph.lengths
        return ends, graph, claim

    def backward(
        self,
        graph: RolloutGraph,
        gradients: Sequence[Tensor],
        plain: Callable[[], tuple[Tensor | None, list[Tensor | None]]],
    ) -> tuple[Tensor | None, list[Tensor | None]]:
        """Return what `RolloutGraph.backward` returns.

        Args:
            graph: Holds the rollout.
            gradients: Those of the levels after it.
            plain: Returns the same without any graph.
        """
        if self._failed:
            return plain()
        with self._lock:
            of_weights, fields = graph.backward(gradients)
            graph.release()
        if not graph.lengths <= graph.checked_back:
            wanted = plain()
            if not _same((of_weights, *fields), (wanted[0], *wanted[1])):
                self._give_up(graph.inputs, "a replayed gradient has other bits than its launches")
                return wanted
            graph.checked_back |= graph.lengths
        return of_weights, fields

    def _graph(
        self, inputs: RolloutInputs, keep: bool, wanted: Sequence[bool], of_weights: bool
    ) -> RolloutGraph | None:
        """Return a graph that is free, or None: this rollout is to be launched step by step."""
        kind = (*_kind(inputs), keep, wanted, of_weights)
        if kind not in self._kinds:
            self._kinds[kind] = []
            while len(self._kinds) > MOST_KINDS:
                self._kinds.popitem(last=False)
            return None
        self._kinds.move_to_end(kind)
        graphs = self._kinds[kind]
        for graph in graphs:
            if graph.free:
                return graph
        if len(graphs) == MOST_AT_ONCE:
            return None
        graphs.append(RolloutGraph(inputs, keep, wanted, of_weights, self._record))
        return graphs[-1]

    def _give_up(self, inputs: RolloutInputs, why: str) -> None:
        self._failed = True
        self._kinds.clear()
        warnings.warn(f"rollouts are not recorded on {inputs.samples.device}: {why}", stacklevel=2)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return an empty one: graphs hold the memory of this very automaton."""
        return type(self)(self._record)


def _kind(inputs: RolloutInputs) -> tuple[Any, ...]:
    """Return what tells apart the launches of rollouts, but for how many there are."""
    arguments, weights = inputs.arguments, inputs.weights
    shapes = tuple(tuple(row.shape) for row in inputs.rows)
    numbers = arguments.fire_rate, arguments.size, arguments.noise, arguments.life
    # what is allocated in inference mode must not be written to outside of it
    where = inputs.samples.device, torch.is_inference_mode_enabled()
    return *where, weights.plan, weights.products, shapes, *numbers


def _recording(inputs: RolloutInputs) -> bool:
    """Tell whether somebody else records what is launched now."""
    return inputs.samples.is_cuda and torch.cuda.is_current_stream_capturing()


def _copy(sources: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)


def _same(ours: Sequence[Tensor | None], theirs: Sequence[Tensor | None]) -> bool:
    """Tell whether tensors have the same bits, whatever stands for no number."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    return all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)

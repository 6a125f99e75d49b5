"""Run a model of one step in ONNX Runtime, and compare it with torch, on grids of many sizes."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from nca.engine.state import State
from nca.errors import ExportError, NCAError
from nca.export.example import Begin
from nca.export.onnx_step import Step
from nca.export.verify import Difference, Trial, compare, scale_of, trials

OPSET = 20


@torch.no_grad()
def try_model(step: Step, model: Any, begun: Begin, steps: int) -> Difference:
    """Return how far a model strays from torch, on the grid of a state and on others.

    Args:
        step: What the model was made of.
        model: The ONNX model.
        begun: Where the trials begin.
        steps: Steps of the longest.

    Raises:
        ExportError: It strays further than rounding explains, or does not run.
    """
    import onnxruntime

    session = _session(model)
    engine = f"ONNX Runtime {onnxruntime.__version__}, opset {OPSET}, float32"
    tried = trials(step.automaton, begun.state, steps)
    for state in _other_grids(step, begun.state):
        tried += trials(step.automaton, state, 1)
    return compare(tried, [_run(session, step, trial) for trial in tried], engine, begun.notes)


def _session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it has to say comes as an error
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as fault:  # the runtime has kinds of errors of its own
        raise ExportError(
            f"the model cannot be run: {str(fault).strip().splitlines()[0]}",
            where=f"ONNX Runtime {onnxruntime.__version__}",
            to_do="a rule computes something that this runtime does not know; install a newer "
            "onnxruntime, or write the model with --no-check",
        ) from fault


def _run(session: Any, step: Step, trial: Trial) -> dict[str, Tensor]:
    now = trial.begun
    for _ in range(trial.steps):
        given = zip(step.inputs, step.tensors(now, trial.rate), strict=True)
        try:
            out = session.run(None, {name: tensor.numpy() for name, tensor in given})
        except Exception as fault:  # the runtime has kinds of errors of its own
            raise _stopped(trial, str(fault)) from fault
        after = dict(zip(step.changes, map(torch.from_numpy, out), strict=True))
        now = now.replace(after, step=now.step + 1)
    return dict(now.levels)


def _stopped(trial: Trial, why: str) -> ExportError:
    size = "x".join(map(str, trial.begun.grid_size))
    return ExportError(
        f"the model does not run on a grid of {size}: {why.strip().splitlines()[0]}",
        where="ONNX Runtime",
        to_do="a rule computes something that depends on the size of the grid: let it ask its "
        "view for neighbours, or write the model with --no-check for the grids it does run on",
    )


def _other_grids(step: Step, state: State) -> Iterator[State]:
    """Yield two samples of the state on grids of other sides, where torch itself takes a step."""
    coarsest = step.automaton.layout.coarsest
    sides = tuple(side // coarsest for side in state.grid_size)
    uneven = tuple(max(1, side // 2 + 1 - axis) for axis, side in enumerate(sides))
    greater = tuple(side + 3 + axis for axis, side in enumerate(sides))
    narrow = ((1,) * (len(sides) - 1) + (sides[-1],), (*sides[:1], *(1,) * (len(sides) - 1)))
    for size in dict.fromkeys((uneven, greater, *narrow, (1,) * len(sides))):
        other = _laid_out(state, [coarsest * side for side in size])
        try:
            after = step.automaton.step(other, fire_rate=1.0)
        except (NCAError, ArithmeticError, IndexError, RuntimeError, ValueError):
            continue  # a rule that cannot compute there need not be able to elsewhere
        if scale_of(after) < torch.inf:
            yield other


def _laid_out(state: State, size: Sequence[int]) -> State:
    """Return two samples of the state, cut off or repeated until it fills a grid."""

    def fill(level: Tensor, scale: int) -> Tensor:
        for axis, side in enumerate(size, start=2):
            level = level.index_select(axis, torch.arange(side // scale) % level.shape[axis])
        return torch.cat([level, level.roll(1, -1)]).contiguous()

    levels = {name: fill(level, state.scale(name)) for name, level in state.items()}
    return State(levels, state.random_seed, state.step)

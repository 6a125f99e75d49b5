"""ONNX model of one step: for any grid size, any batch, and fire masks given from outside.

The model's inputs are the levels, for each level that rules write to a fire mask (1 where a cell
fires, 0 where it waits), and, where the recipe adds noise after training, the noise's numbers
before they are scaled. Its outputs are the levels after the step. Chance stays outside: whoever
runs the model draws it. What does not change (input levels) goes in and does not come out.
"""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nca.checkpoint.trained import Trained
from nca.engine.automaton import Automaton
from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs
from nca.engine.stepper import dense_step, shared_correlations_of
from nca.errors import ExportError
from nca.export.example import example_state, warmed_up
from nca.export.verify import Difference, compare, torch_states
from nca.files import write_whole
from nca.jsonl import dumps

OPSET = 20


class GivenNumbers:
    """Random numbers that are given from outside, by the name of their stream.

    Args:
        numbers: Fire masks and noise, as the inputs of the model are named.
    """

    def __init__(self, numbers: Mapping[str, Tensor]) -> None:
        self.numbers = numbers

    def chance(self, stream: str, probability: float, channels: int, size: Any) -> Tensor:
        """Return a mask."""
        return self._named(stream)

    def normal(self, stream: str, channels: int, size: Any) -> Tensor:
        """Return noise, whatever its distribution."""
        return self._named(stream)

    uniform = normal

    def _named(self, stream: str) -> Tensor:
        if stream not in self.numbers:
            raise ExportError(
                "a rule draws random numbers of its own, and the model has no input for them.",
                where=stream,
                to_do="export an automaton whose rules draw none outside of training",
            )
        return self.numbers[stream]


class Step(nn.Module):
    """One step as a function of tensors: levels, fire masks, noise.

    Args:
        automaton: Whose step it is; it is copied, and its rules are the same.
    """

    def __init__(self, automaton: Automaton) -> None:
        super().__init__()
        self.automaton = copy.deepcopy(automaton).eval()
        self.spec = self.automaton.spec
        self.levels = list(automaton.layout)
        noisy = bool(self.spec.noise and self.spec.noise.scale)
        writable = self.spec.writable_levels
        self.fires = [name for name in writable if self.spec.rules_of(name) or noisy]
        self.noises = writable if noisy else []
        self.changes = writable if self.spec.alive else self.fires

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs, in order."""
        fires = [f"fire/{name}" for name in self.fires]
        return [*self.levels, *fires, *(f"noise/{name}" for name in self.noises)]

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs, in order."""
        return [f"{name}/next" for name in self.changes]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the levels that may have changed, after a step."""
        given = dict(zip(self.inputs, tensors, strict=True))
        samples = torch.zeros(1, dtype=torch.int64)
        state = State({name: given[name] for name in self.levels}, samples=samples)
        rng = cast(CellRNG, GivenNumbers(given))
        shared = shared_correlations_of(self.spec)
        inputs = DenseInputs(state, self.spec.topology, shared, rng)
        # a rate below 1 makes the step ask for the mask
        after = dense_step(self.spec, inputs, fire_rate=0.5)
        return tuple(after[name].contiguous() for name in self.changes)

    def tensors(self, state: State, fire_rate: float) -> list[Tensor]:
        """Return the inputs for the step that a state takes next, as torch would draw them."""
        source, noise = state.rng, self.spec.noise
        found = [state[name].contiguous() for name in self.levels]
        for name in self.fires:
            size = state.size(name)
            fire = source.chance(f"fire/{name}", fire_rate, 1, size)
            found.append(fire.to(state[name].dtype).contiguous())
        for name in self.noises:
            assert noise
            draw = source.normal if noise.kind == "normal" else source.uniform
            drawn = draw(f"noise/{name}", state[name].shape[1], state.size(name))
            found.append(drawn.to(state[name].dtype).contiguous())
        return found


def write_onnx(trained: Trained, path: Path, steps: int, check: bool = True) -> Difference | None:
    """Write one step of a checkpoint, and return how far it strays from torch.

    Args:
        trained: On the CPU.
        path: Where to.
        steps: Steps of each trial.
        check: Whether to try it out in ONNX Runtime.

    Raises:
        ExportError: ONNX or its runtime is not installed, the automaton cannot be exported, or
            the model strays from torch further than rounding explains; then nothing is written.
        StorageError: The file cannot be written.
    """
    if check:
        _installed("onnx", "onnxscript", "onnxruntime")
    automaton, first = trained.automaton, example_state(trained.task.display())
    step, model = step_model(automaton, first)
    states = (first, warmed_up(automaton, first, steps))
    checked = _tried(step, model, states, steps) if check else None
    _note(model, trained, step, checked)
    write_whole(path, model.SerializeToString())
    return checked


def step_model(automaton: Automaton, first: State) -> tuple[Step, Any]:
    """Return one step of an automaton, and the ONNX model of it.

    Args:
        automaton: On the CPU.
        first: A state of it, for the number of axes and channels.

    Raises:
        ExportError: ONNX is not installed, or the automaton cannot be exported.
    """
    _installed("onnx", "onnxscript")
    if automaton.skips:
        raise ExportError(
            "its temporal skip connections remember states, which one step alone does not.",
            where="[rollout] skips",
            to_do="run it in torch, or train it without skips",
        )
    step = Step(automaton)
    return step, _model(step, _example(first))


def _example(state: State) -> State:
    """Return two empty samples on a grid of unequal sides, which nothing can be mistaken for."""
    sides = [5 + 2 * axis for axis in range(state.axes)]
    return State(
        {name: level.new_zeros(2, level.shape[1], *sides) for name, level in state.items()}
    )


def _model(step: Step, state: State) -> Any:
    example = tuple(step.tensors(state, 0.5))
    batch = torch.export.Dim("batch", min=1)
    words = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}[state.axes]
    reach = 4  # the smallest side that is no special case
    sides = {axis + 2: torch.export.Dim(w, min=reach) for axis, w in enumerate(words)}
    shapes = (tuple({0: batch, **sides} for _ in example),)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                step,
                example,
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=shapes,
                input_names=step.inputs,
                output_names=step.outputs,
                verbose=False,
                optimize=False,  # it takes what is added to keep a divisor from zero for nothing
            )
    except ExportError:
        raise
    except Exception as fault:  # torch tells of what it cannot export in many kinds of error
        cause = fault.__cause__ or fault
        raise ExportError(
            f"torch cannot export a step: {str(cause).strip().splitlines()[0]}",
            where=f"torch.onnx.export, {type(cause).__name__}",
            to_do="a rule computes something that ONNX does not know, or that depends on numbers",
        ) from fault
    assert program is not None
    return program.model_proto


def _tried(step: Step, model: Any, states: Sequence[State], steps: int) -> Difference:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    engine = f"ONNX Runtime {onnxruntime.__version__}, opset {OPSET}, float32"
    worst: list[Difference] = []
    for state in (*states, _odd(states[-1])):
        found = {}
        for trial, rate in (("synchronous", 1.0), ("asynchronous", step.automaton.fire_rate)):
            now = state
            for _ in range(steps):
                given = zip(step.inputs, step.tensors(now, rate), strict=True)
                out = session.run(None, {name: t.numpy() for name, t in given})
                after = dict(zip(step.changes, map(torch.from_numpy, out), strict=True))
                now = now.replace(after, step=now.step + 1)
            found[trial] = dict(now.levels)
        expected = torch_states(step.automaton, state, steps)
        worst.append(compare(expected, found, steps, engine))
    return max(worst, key=lambda difference: difference.greatest)


def _odd(state: State) -> State:
    """Return the state on a grid of other, unequal sides, two samples of it."""

    def cut(level: Tensor) -> Tensor:
        for axis in range(2, level.ndim):
            side = level.shape[axis]
            level = level.narrow(axis, side // 8, max(side - 2 * axis, min(side, 4)))
        return torch.cat([level, level.roll(1, 2)]).contiguous()

    return State({name: cut(level) for name, level in state.items()}, state.random_seed, state.step)


def _note(model: Any, trained: Trained, step: Step, checked: Difference | None) -> None:
    notes = {
        "name": trained.recipe.name,
        "recipe": trained.recipe.text,
        "nca": version("nca"),
        "fire_rate": str(step.automaton.fire_rate),
        "checked": dumps(checked.to_json()) if checked else "not compared with torch",
    }
    for key, value in notes.items():
        model.metadata_props.add(key=key, value=value)
    model.producer_name = "nca"


def _installed(*wanted: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise ExportError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed.",
            where="nca export",
            to_do='pip install "nca[onnx]"',
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter says of its own parts to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


__all__: Sequence[str] = ["Step", "step_model", "write_onnx"]

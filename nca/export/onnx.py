"""ONNX model of one step: for any grid size, any batch, and fire masks given from outside.

The model's inputs are the levels, for each level that rules write to a fire mask (1 where a cell
fires, 0 where it waits), and, where the recipe adds noise after training, the noise's numbers
before they are scaled. Its outputs are the levels after the step. Chance stays outside: whoever
runs the model draws it. What does not change (input levels) goes in and does not come out.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from nca.checkpoint.trained import Trained
from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import ExportError, NCAError
from nca.export.example import example_state, lively_state
from nca.export.onnx_step import Step
from nca.export.onnx_trial import OPSET, try_model
from nca.export.verify import Difference, NotCompared
from nca.files import write_whole
from nca.jsonl import dumps


def write_onnx(
    trained: Trained, path: Path, steps: int, check: bool = True
) -> Difference | NotCompared | None:
    """Write one step of a checkpoint, and return how far it strays from torch.

    Args:
        trained: On the CPU.
        path: Where to.
        steps: Steps of each trial.
        check: Whether to try it out in ONNX Runtime.

    Returns:
        The difference, or why there is none: nothing happens that could be compared. None where
        no check was wanted. The model's metadata says all of this.

    Raises:
        ExportError: ONNX or its runtime is not installed, the automaton cannot be exported, or
            the model strays from torch further than rounding explains; then nothing is written.
        StorageError: The file cannot be written.
    """
    if check:
        _installed("onnx", "onnxscript", "onnxruntime")
    automaton, first = trained.automaton, example_state(trained.task.display())
    step, model = step_model(automaton, first)
    checked = None
    if check:
        begun = lively_state(automaton, first, steps)
        checked = begun if isinstance(begun, NotCompared) else try_model(step, model, begun, steps)
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
    return step, _model(step, _example(step, first))


def _example(step: Step, state: State) -> State:
    """Return two empty samples on a grid of unequal sides, which nothing can be mistaken for."""
    layout = step.automaton.layout
    sides = tuple(layout.coarsest * (5 + 2 * axis) for axis in range(state.axes))
    return layout.zeros(2, sides, dtype=next(iter(state.values())).dtype)


def _model(step: Step, state: State) -> Any:
    example = tuple(step.tensors(state, 0.5))
    batch = torch.export.Dim("batch", min=1)
    words = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}[state.axes]
    least = {axis + 2: torch.export.Dim(w, min=1) for axis, w in enumerate(words)}
    coarsest = step.automaton.layout.coarsest
    finer = [coarsest // step.automaton.layout[name].scale for name in step.levels_of_inputs]
    shapes = (
        tuple(
            {0: batch, **{a: s if by == 1 else by * s for a, s in least.items()}} for by in finer
        ),
    )
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
    except Exception as fault:  # torch tells of what it cannot export in many kinds of error
        raise _not_traced(fault) from fault
    assert program is not None
    model = program.model_proto
    _forget_origins(model)
    return model


def _forget_origins(message: Any) -> None:
    """Remove what the exporter notes of where each node comes from, lines of files among it.

    It is most of a model's bytes, and names folders of whoever exports it.
    """
    for field, value in message.ListFields():
        if field.name == "metadata_props":
            message.ClearField(field.name)
        elif field.message_type is not None:
            repeated = not hasattr(value, "ListFields")
            for part in value if repeated else (value,):
                _forget_origins(part)


def _not_traced(fault: BaseException) -> ExportError:
    """Return why a step cannot be exported: a refusal of nca's own, if that is the cause."""
    cause = fault
    while not isinstance(cause, NCAError) and (cause.__cause__ or cause.__context__):
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, NCAError):
        return ExportError(cause.what, where=cause.where, to_do=cause.to_do)
    cause = fault.__cause__ or fault
    first = (str(cause).strip().splitlines() or ["it does not say why."])[0]
    return ExportError(
        f"torch cannot export a step: {first}",
        where=f"torch.onnx.export, {type(cause).__name__}",
        to_do="let rules compute with what ONNX knows, and choose by torch.where instead of by "
        "Python's if; nca play runs them as they are",
    )


def _note(
    model: Any, trained: Trained, step: Step, checked: Difference | NotCompared | None
) -> None:
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
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    kept = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(kept),
            contextlib.redirect_stderr(kept),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


__all__: Sequence[str] = ["OPSET", "Step", "step_model", "write_onnx"]

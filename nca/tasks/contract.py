"""What a task must answer: each answer of a task's own methods is judged where it is given.

Only types, shapes and names are looked at, never the numbers of a batch that is trained on: an
iteration takes as long as without.

Legend: B sample.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nca.engine.state import State
from nca.errors import PluginError
from nca.tasks.batch import Batch
from nca.tasks.display import (
    COLOUR_MAPS,
    Canvas,
    ChannelColours,
    ClassColours,
    Display,
    MappedColours,
    StateColours,
)
from nca.tasks.metrics import Share
from nca.tasks.prediction import Prediction

Judge = Callable[..., str]
"""Given task, answer and arguments, returns in words what the answer is; nothing if it is right."""


def judged(task: type) -> None:
    """Let all answers of a task's own methods be judged.

    Args:
        task: A subclass of `Task`.
    """
    for name, (judge, wanted) in _ANSWERS.items():
        method = vars(task).get(name)
        if inspect.isfunction(method) and not getattr(method, "__isabstractmethod__", False):
            setattr(task, name, _judged(name, method, judge, wanted))


def signature_fault(task: type, base: type) -> str:
    """Return in words what is wrong with how a task's methods can be called; nothing if all is.

    Args:
        task: A subclass of `Task`.
        base: `Task`.
    """
    for name, wanted in vars(base).items():
        own = inspect.getattr_static(task, name, wanted)
        if name.startswith("_") or own is wanted:
            continue
        if isinstance(wanted, property) and callable(own):
            return f"its `{name}` is a method, and has to be a property: write @property above it"
        if inspect.isfunction(wanted) and inspect.isfunction(own):
            parameters = [*inspect.signature(wanted).parameters.values()]
            try:
                inspect.signature(own).bind(*parameters)
            except TypeError:
                given = ", ".join(each.name for each in parameters)
                return f"its `{name}` cannot be called with ({given})"
    return ""


def attribute_fault(task: type[Any]) -> str:
    """Return in words what is wrong with a task's attributes; nothing if they are right."""
    if task.better not in ("more", "less"):
        return f'its `better` is {task.better!r}, and has to be "more" or "less"'
    if isinstance(task.roles, str) or not _words(task.roles):
        return f"its `roles` are {task.roles!r}, and have to be words in a tuple"
    sources = task.derived_buffers
    if not (isinstance(sources, Mapping) and all(_words(each) for each in sources.values())):
        return "its `derived_buffers` have to map names to tuples of options"
    options = inspect.signature(task.__init__).parameters
    if any(each.kind is each.VAR_KEYWORD for each in options.values()):
        return ""
    known = {*options, "size"}
    unknown = sorted({option for each in sources.values() for option in each} - known)
    return f"its `derived_buffers` name no option of it: {', '.join(unknown)}" if unknown else ""


def _words(given: Any) -> bool:
    return isinstance(given, tuple | list) and all(isinstance(each, str) for each in given)


def _judged(name: str, method: Callable[..., Any], judge: Judge, wanted: str) -> Callable[..., Any]:
    def judge_it(task: Any, answer: Any, *given: Any, **named: Any) -> Any:
        if found := judge(task, answer, *given, **named):
            raise PluginError(
                f"{type(task).__name__}.{name} returns {found}.",
                where=f"{method.__module__}.{method.__qualname__}, a task's method",
                to_do=f"return {wanted}",
            )
        return answer

    @functools.wraps(method)
    def whole(self: Any, *given: Any, **named: Any) -> Any:
        return judge_it(self, method(self, *given, **named), *given, **named)

    @functools.wraps(method)
    def each(self: Any, *given: Any, **named: Any) -> Iterator[Any]:
        answers = method(self, *given, **named)
        if not isinstance(answers, Iterable):
            judge_it(self, answers)
        for answer in answers:
            yield judge_it(self, answer)

    return each if name == "evaluation_batches" else whole


def _said(answer: Any) -> str:
    """Return in words what something is."""
    if isinstance(answer, Tensor):
        return f"a tensor {tuple(answer.shape)} of {str(answer.dtype).removeprefix('torch.')}"
    return "nothing" if answer is None else f"{type(answer).__name__} {answer!r:.60}"


def _batch(task: Any, answer: Any, *_: Any, **__: Any) -> str:
    if not isinstance(answer, Batch):
        return _said(answer)
    return _levels(task, answer.state) or next(
        (
            f"a batch of {answer.state.batch} samples, whose truth {name!r} is {_said(truth)}"
            for name, truth in answer.truth.items()
            if not isinstance(truth, Tensor) or truth.shape[:1] != (answer.state.batch,)
        ),
        "",
    )


def _levels(task: Any, state: Any) -> str:
    if not isinstance(state, State):
        return f"a batch whose state is {_said(state)}"
    had = {name: level.channels for name, level in task.context.layout.items()}
    has = {name: state[name].shape[1] for name in state}
    return "" if had == has else f"a state with levels (and channels) {has}, not {had}"


def _fresh(task: Any, answer: Any, draw: Any, samples: Tensor) -> str:
    found = _batch(task, answer)
    if found or answer.state.batch == len(samples):
        return found
    return f"{answer.state.batch} samples where {len(samples)} were asked for"


def _count(task: Any, answer: Any, split: str) -> str:
    return "" if answer is None or (type(answer) is int and answer >= 0) else _said(answer)


def _asked(task: Any, answer: Any, split: str, index: Tensor) -> str:
    return _fresh(task, answer, split, index)


def _terms(task: Any, answer: Any, states: Sequence[State], batch: Batch) -> str:
    if not isinstance(answer, Mapping) or not answer:
        return _said(answer)
    shape = (states[-1].batch,)
    return _first_wrong(answer, lambda term: _has_shape(term, shape) and term.is_floating_point())


def _metrics(task: Any, answer: Any, state: State, batch: Batch) -> str:
    if not isinstance(answer, Mapping):
        return _said(answer)
    if task.headline not in answer:
        return f"the metrics {', '.join(map(str, answer)) or 'of no name'}"
    shape = (state.batch,)
    return _first_wrong(
        answer,
        lambda one: (
            isinstance(one, Share) and _has_shape(one.part, shape) and _has_shape(one.whole, shape)
        ),
    )


def _image(task: Any, answer: Any, state: State | Batch) -> str:
    count = (state.state if isinstance(state, Batch) else state).batch
    right = isinstance(answer, Tensor) and answer.ndim == 4 and answer.shape[:2] == (count, 3)
    return "" if right and answer.is_floating_point() else _said(answer)


def _image_or_none(task: Any, answer: Any, batch: Batch) -> str:
    return "" if answer is None else _image(task, answer, batch)


def _images(task: Any, answer: Any, batch: Batch) -> str:
    if not isinstance(answer, Mapping):
        return _said(answer)
    return _first_wrong(answer, lambda one: not _image(task, one, batch))


def _numbers(task: Any, answer: Any, batch: Batch) -> str:
    if not isinstance(answer, Mapping):
        return _said(answer)
    shape = (batch.state.batch, *batch.state.grid_size)
    return _first_wrong(answer, lambda one: _has_shape(one, shape) and one.dtype == torch.int64)


def _votes(task: Any, answer: Any, batch: Batch) -> str:
    if not isinstance(answer, list | tuple):
        return _said(answer)
    shape = (batch.state.batch,)
    named = {f"class {n}": one for n, one in enumerate(answer)}
    return _first_wrong(named, lambda one: _has_shape(getattr(one, "share", None), shape))


def _classes(task: Any, answer: Any, batch: Batch) -> str:
    if answer is None:
        return ""
    if not _has_shape(answer, (batch.state.batch,)) or answer.dtype != torch.int64:
        return _said(answer)
    least, greatest = (int(bound) for bound in answer.aminmax())
    count = len(task.votes(batch))
    return f"{least} to {greatest} of {count} classes" * (least < -1 or greatest >= count)


def _ranges(task: Any, answer: Any) -> str:
    if not isinstance(answer, Mapping):
        return _said(answer)

    def right(one: Any) -> bool:
        pair = isinstance(one, tuple | list) and [type(bound) for bound in one] == [int, int]
        return pair and one[0] <= one[1]

    return _first_wrong(answer, right)


def _shown(task: Any, answer: Any) -> str:
    if not isinstance(answer, Display):
        return _said(answer)
    if found := _levels(task, answer.first):
        return found
    layout, look, drawing = task.context.layout, answer.look, answer.drawing
    if answer.lattice not in ("square", "hexagonal"):
        return f"a Display of a lattice {answer.lattice!r}, which is none"
    for part in (look, drawing):
        if part is not None and part.level not in layout:
            return f"a Display of a level {part.level!r}, which is none"
    if drawing is not None and (found := _canvas(drawing, layout[drawing.level].channels)):
        return found
    channels = layout[look.level].channels if look else 0
    if isinstance(look, ChannelColours) and max(*look.channels, look.alpha or 0) >= channels:
        return f"a Display of channels {look.channels} of a level that has {channels}"
    if isinstance(look, MappedColours | StateColours):
        return _scalar_look(look, channels)
    if isinstance(look, ClassColours):
        count = len(look.names)
        shapes = [tuple(each.shape) for each in (look.weight, look.bias, look.colours)]
        if shapes != [(count, channels), (count,), (count, 3)]:
            return f"a Display of {count} classes, whose weight, bias and colours are {shapes}"
    return ""


def _canvas(drawing: Canvas, channels: int) -> str:
    shape = tuple(drawing.examples.shape)
    if len(shape) not in (3, 4) or drawing.colours not in (1, 3):
        return f"a Display with examples {shape}, which are neither grey nor of three colours"
    if channels % (drawing.colours * drawing.patch**2):
        held = f"{drawing.colours} x {drawing.patch}**2 numbers"
        return f"a Display to draw {held} a cell on a level that has {channels}"
    return ""


def _scalar_look(look: MappedColours | StateColours, channels: int) -> str:
    if not 0 <= look.channel < channels:
        return f"a Display of channel {look.channel} of a level that has {channels}"
    if isinstance(look, StateColours):
        right = tuple(look.colours.shape) == (len(look.names), 3) and look.names
        shape = tuple(look.colours.shape)
        return "" if right else f"a Display of {len(look.names)} states in colours {shape}"
    if look.colour_map not in COLOUR_MAPS:
        return f"a Display in the colour map {look.colour_map!r}, which is none"
    return "" if look.low < look.high else f"a Display from {look.low} to {look.high}"


def _seen(task: Any, answer: Any, pictures: Tensor) -> str:
    found = _batch(task, answer)
    if found or answer.state.batch == len(pictures):
        return found
    return f"{answer.state.batch} samples for {len(pictures)} pictures"


def _drawn(task: Any, answer: Any, text: str) -> str:
    channels = {level.channels for level in task.context.layout.values()}
    right = isinstance(answer, Tensor) and answer.ndim == 1 + len(task.context.size)
    return "" if right and len(answer) in channels and answer.numel() else _said(answer)


def _text(task: Any, answer: Any, state: State) -> str:
    return "" if isinstance(answer, str) else _said(answer)


def _predictions(task: Any, answer: Any, states: Sequence[State], batch: Batch) -> str:
    if not isinstance(answer, list | tuple):
        return _said(answer)
    if len(answer) != batch.state.batch:
        return f"{len(answer)} predictions for {batch.state.batch} samples"
    if wrong := [one for one in answer if not isinstance(one, Prediction)]:
        return f"among its predictions: {_said(wrong[0])}"
    if len({(tuple(one.values), tuple(one.pictures)) for one in answer}) > 1:
        return "predictions with different columns or pictures"
    drawn = {name: picture for one in answer for name, picture in one.pictures.items()}
    return _first_wrong(
        drawn,
        lambda one: (
            isinstance(one, Tensor)
            and one.dtype == torch.uint8
            and one.ndim == 3
            and one.shape[0] in (1, 3)
        ),
    )


def _has_shape(given: Any, shape: tuple[int, ...]) -> bool:
    return isinstance(given, Tensor) and tuple(given.shape) == shape


def _first_wrong(answers: Mapping[Any, Any], right: Callable[[Any], bool]) -> str:
    wrong = [(name, one) for name, one in answers.items() if not right(one)]
    return f"as {wrong[0][0]!r}: {_said(wrong[0][1])}" if wrong else ""


_STATES = "a Batch of states with all levels, and of truths whose first axis is the sample"
_PER_CELL = "int64 tensors (B, *space) by name"
_ANSWERS: dict[str, tuple[Judge, str]] = {
    "training_batch": (_fresh, f"{_STATES}: one for each sample number"),
    "evaluation_count": (_count, "how many samples there are, a whole number, or None"),
    "evaluation_batch": (_asked, f"{_STATES}: one for each number of the index"),
    "evaluation_batches": (_batch, f"(or yield) each time {_STATES}"),
    "loss": (_terms, "terms by name, each a tensor (B,) of real numbers, at least one"),
    "measure": (_metrics, "nca.Share of (B,) by name, the headline among them"),
    "truth_ranges": (_ranges, "by name of a truth: (least, greatest), whole numbers"),
    "segments": (_numbers, _PER_CELL),
    "guesses": (_numbers, _PER_CELL),
    "categories": (_numbers, _PER_CELL),
    "display": (_shown, "an nca.Display of the levels, channels and classes that there are"),
    "picture": (_image, "a tensor (B, 3, height, width) of real numbers from 0 to 1"),
    "targets": (_image_or_none, "a tensor (B, 3, height, width) from 0 to 1, or None"),
    "pictures": (_images, "tensors (B, 3, height, width) from 0 to 1 by name"),
    "votes": (_votes, "a list of nca.ClassShare, each with a share (B,)"),
    "true_classes": (_classes, "an int64 tensor (B,): which vote, -1: unknown; or None"),
    "apply_picture": (_batch, _STATES),
    "add_seed": (_batch, _STATES),
    "input_batch": (_seen, f"{_STATES}: one for each picture"),
    "read_pattern": (_drawn, "a tensor (C, *cells) of real numbers, C as the level has"),
    "write_pattern": (_text, "the text of a pattern"),
    "predict": (_predictions, "an nca.Prediction for each sample, all of the same columns"),
}

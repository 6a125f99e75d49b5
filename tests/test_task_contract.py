"""A task that answers wrongly is named with its method, and with what it has to answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training_case import Sinking, begun

from nca import (
    Batch,
    ClassShare,
    Display,
    PluginError,
    Prediction,
    Share,
    Task,
    TaskContext,
    register,
)
from nca.display import ChannelColours
from nca.engine.layout import Layout, Level
from nca.engine.rng import HostRNG
from nca.tasks.contract import signature_fault

LAYOUT = Layout([Level("body", 1)])
CONTEXT = TaskContext(LAYOUT, (4, 4), Path())
STATE = LAYOUT.zeros(2, (4, 4))
BATCH = Batch(STATE, {})
VOTE = ClassShare("a", (0.0, 0.0, 0.0), torch.ones(2))

ASKED: dict[str, Callable[[Task], Any]] = {
    "training_batch": lambda task: task.training_batch(HostRNG(0, 0), torch.arange(2)),
    "evaluation_batches": lambda task: list(task.evaluation_batches("test", 2)),
    "evaluation_count": lambda task: task.evaluation_count("test"),
    "evaluation_batch": lambda task: task.evaluation_batch("test", torch.arange(2)),
    "loss": lambda task: task.loss([STATE], BATCH),
    "measure": lambda task: task.measure(STATE, BATCH),
    "truth_ranges": lambda task: task.truth_ranges(),
    "display": lambda task: task.display(),
    "picture": lambda task: task.picture(STATE),
    **{
        name: lambda task, name=name: getattr(task, name)(BATCH)
        for name in ("segments", "categories", "targets", "pictures", "votes", "true_classes")
    },
    "apply_picture": lambda task: task.apply_picture(BATCH, torch.zeros(4, 4, 4), "input"),
    "add_seed": lambda task: task.add_seed(BATCH, (0, 0)),
    "input_batch": lambda task: task.input_batch(torch.zeros(2, 4, 4, 4)),
    "predict": lambda task: task.predict([STATE], BATCH),
}

WRONG: list[tuple[str, Any, str]] = [
    ("training_batch", None, "returns nothing"),
    ("training_batch", Batch(LAYOUT.zeros(3, (4, 4)), {}), "3 samples where 2 were asked for"),
    ("training_batch", Batch(STATE, {"label": torch.zeros(1)}), "truth 'label' is a tensor (1,)"),
    ("training_batch", Batch(Layout([Level("a", 1)]).zeros(2, (4, 4)), {}), "levels"),
    ("evaluation_batches", None, "returns nothing"),
    ("evaluation_batches", [STATE], "returns State"),
    ("evaluation_count", -1, "returns int -1"),
    ("evaluation_batch", Batch(LAYOUT.zeros(3, (4, 4)), {}), "3 samples where 2 were asked for"),
    ("loss", {}, "returns dict {}"),
    ("loss", {"a": torch.zeros(())}, "as 'a': a tensor () of float32"),
    ("measure", {"other": Share.of(torch.zeros(2))}, "the metrics other"),
    ("measure", {"height": torch.zeros(2)}, "as 'height': a tensor (2,) of float32"),
    ("truth_ranges", None, "returns nothing"),
    ("truth_ranges", {"label": 10}, "as 'label': int 10"),
    ("truth_ranges", {"label": (9, 0)}, "as 'label': tuple (9, 0)"),
    ("display", None, "returns nothing"),
    ("display", Display(STATE, ChannelColours("none")), "a level 'none', which is none"),
    ("display", Display(STATE, ChannelColours("body")), "channels (0, 1, 2) of a level that has 1"),
    ("input_batch", Batch(STATE.select(slice(0, 1)), {}), "1 samples for 2 pictures"),
    ("predict", None, "returns nothing"),
    ("predict", [Prediction({"class": "a"})], "1 predictions for 2 samples"),
    ("predict", [Prediction({"class": "a"}), "a"], "among its predictions: str 'a'"),
    ("predict", [Prediction({"a": 1}), Prediction({"b": 1})], "with different columns"),
    ("predict", [Prediction({}, {"mask": torch.zeros(1, 4, 4)})] * 2, "as 'mask': a tensor"),
    ("picture", torch.zeros(2, 1, 4, 4), "a tensor (2, 1, 4, 4) of float32"),
    ("targets", torch.zeros(3, 4, 4), "a tensor (3, 4, 4) of float32"),
    ("pictures", {"x": None}, "as 'x': nothing"),
    ("segments", {"part": torch.zeros(2, 4, 4)}, "as 'part': a tensor (2, 4, 4) of float32"),
    ("categories", {"kind": torch.zeros(2, dtype=torch.int64)}, "as 'kind': a tensor (2,)"),
    ("votes", [torch.zeros(2)], "as 'class 0': a tensor (2,)"),
    ("true_classes", torch.zeros(2), "a tensor (2,) of float32"),
    ("true_classes", torch.tensor([0, 1]), "0 to 1 of 1 classes"),
    ("apply_picture", None, "returns nothing"),
    ("add_seed", STATE, "returns State"),
]


@pytest.mark.parametrize(("method", "answer", "said"), WRONG, ids=[f"{m}-{s}" for m, _, s in WRONG])
def test_a_wrong_answer_of_a_task_names_method_and_answer(method, answer, said):
    answers = {"votes": lambda self, *_: [VOTE], method: lambda self, *_: answer}
    task = type("Answering", (Sinking,), answers)(CONTEXT)
    with pytest.raises(PluginError) as refused:
        ASKED[method](task)
    assert f"Answering.{method} " in refused.value.what
    assert said in refused.value.what
    assert refused.value.to_do.startswith("return ")


@pytest.mark.parametrize("method", ["truth_ranges", "segments", "categories", "display", "targets"])
def test_a_task_need_not_say_what_has_a_default(method):
    ASKED[method](Sinking(CONTEXT))
    assert Sinking(CONTEXT).true_classes(BATCH) is None


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"derived_buffers": {"kept": "depth"}}, "map names to tuples"),
        ({"derived_buffers": {"kept": ("dept",)}}, "name no option of it: dept"),
        ({"better": "higher"}, "'higher'"),
        ({"roles": "input"}, "words in a tuple"),
        ({"true_classes": lambda self: None}, "cannot be called with (self, batch)"),
        ({"canvas": lambda self: (8, 8)}, "has to be a property"),
    ],
)
def test_a_task_with_wrong_attributes_is_refused_where_it_is_registered(attributes, said):
    with pytest.raises(PluginError) as refused:
        register.task("wrong")(type("Wrong", (Sinking,), attributes))
    assert said in refused.value.what


def test_a_task_with_all_methods_of_its_own_can_be_called():
    assert signature_fault(Sinking, Task) == ""


def test_a_run_ends_with_one_sentence_where_a_task_answers_wrongly(tmp_path):
    run = begun(tmp_path)
    run.task.__class__ = type("Bad", (Sinking,), {"loss": lambda self, states, batch: None})
    from nca.training.loop import train

    with pytest.raises(PluginError, match=r"Bad\.loss returns nothing"):
        train(run)

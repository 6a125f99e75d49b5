"""Write an automaton as one page that runs in any browser, on the graphics card through WebGL2.

The page holds the plan, the weights and the scripts, and asks for nothing else. An automaton whose
rules do not say what they do can be taken along as the ONNX graph of its step, which the page
computes on the processor: slower, and whatever the rules are. Before it is
written, a browser on this machine runs the very same scripts, and what they compute is compared
with torch.
"""

import re
from dataclasses import asdict, dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from nca.checkpoint.trained import Trained
from nca.checkpoint.trained_conditions import input_change, pause
from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.export.browser import answer, find_browser, version_of
from nca.export.example import Begin, example_state, lively_state
from nca.export.onnx import step_model
from nca.export.onnx_json import graph
from nca.export.page_data import check_exportable, page_data
from nca.export.page_views import drawing, views
from nca.export.texels import Packer, base64_of, numbers_of
from nca.export.verify import Difference, NotCompared, Trial, compare, scale_of, trials
from nca.files import write_whole
from nca.jsonl import dumps
from nca.tasks.display import Display

ENGINES = {
    "webgl": ("webgl/shaders.js", "webgl/discrete.js", "webgl/engine.js"),
    "onnx": (
        *(
            "webgl/shaders.js",
            "webgl/discrete.js",
            "webgl/engine.js",
            "onnx/tensors.js",
            "onnx/rearranged.js",
            "onnx/products.js",
        ),
        *("onnx/operations.js", "onnx/interpreter.js"),
    ),
}
"""The scripts that compute, for each way to."""

BITS = "webgl/bits.js"
"""What computes as bits, beside the first of these ways."""

READINGS = "webgl/readings.js"
"""What reads levels of another resolution, likewise."""

Engine: TypeAlias = Literal["webgl", "onnx"]
HEXAGONS = "hexagons.js"
SHOWN = (HEXAGONS, "page/looks.js", "page/stage.js", "page/controls.js", "page/app.js")
UNCHECKED = "not compared with torch"


@dataclass(frozen=True)
class Page:
    """A page in the making.

    Attributes:
        data: What the page needs, ready for JSON.
        begun: What its trials begin with, if there is anything to compare.
        engine: How it computes.
    """

    data: dict[str, Any]
    begun: Begin | NotCompared
    engine: Engine

    @property
    def in_bits(self) -> bool:
        """Whether cells are stepped as bits."""
        return any(level["bits"] for level in self.data["levels"])

    @property
    def of_many_scales(self) -> bool:
        """Whether levels differ in resolution."""
        return any(level["scale"] > 1 for level in self.data["levels"])

    def html(
        self, checked: Difference | NotCompared | None = None, tried: dict[str, Any] | None = None
    ) -> str:
        """Return the page, with what its trials have shown, or with trials to run."""
        data = {**self.data, "checked": checked.to_json() if checked else None}
        more = (*(READINGS,) * self.of_many_scales, *(BITS,) * self.in_bits)
        scripts = ("rng.js", *ENGINES[self.engine], *more, *SHOWN)
        parts = {
            "TITLE": escape(data["name"]),
            "HEADING": escape(data["name"]).replace("_", "_<wbr>"),
            "STYLE": _web("page/page.css"),
            "PLAN": _safe(data),
            "TRIALS": _safe(tried),
            "CHECKED": escape(str(checked) if checked else UNCHECKED),
            "SCRIPT": "\n".join(map(_web, scripts)),
        }
        page = _web("page/page.html")
        for name, text in parts.items():
            page = page.replace(f"<!--{name}-->", text)
        return page


def make_page(trained: Trained, steps: int, engine: Engine = "webgl") -> Page:
    """Return the page of a checkpoint.

    Args:
        trained: On the CPU; if its task is prepared, there are examples to choose from.
        steps: Steps that pass before the trial begins.
        engine: How it computes: by shaders of its own, or by the graph of its step.

    Raises:
        ExportError: The automaton does something that the page cannot do.
    """
    display = trained.task.display()
    packer = Packer()
    names = list(trained.automaton.layout)
    drawn_on = display.drawing.level if display.drawing else ""
    check_exportable(trained.automaton, display.first.axes, drawn_on)
    computed = None
    if engine == "onnx":
        computed = graph(*step_model(trained.automaton, display.first))
    data = page_data(trained.automaton, display.first, packer, computed)
    pausing = pause(trained)
    begun = lively_state(trained.automaton, example_state(display), steps)
    seen = views(display, _seen(trained.automaton, display, steps), packer, names)
    return Page(
        {
            "name": trained.recipe.name,
            "recipe": trained.recipe.text,
            "versions": dict(trained.checkpoint.versions),
            "parameters": sum(p.numel() for p in trained.automaton.parameters()),
            **data,
            "views": seen,
            "drawing": drawing(display.drawing, names),
            "hint": display.hint,
            "hexagonal": display.lattice == "hexagonal",
            "inputChange": input_change(trained.recipe),
            "pause": asdict(pausing) if pausing else None,
            "weights": packer.base64(),
        },
        begun,
        engine,
    )


def write_html(
    trained: Trained, path: Path, steps: int, check: bool = True, engine: Engine = "webgl"
) -> Difference | NotCompared | None:
    """Write the page of a checkpoint, and return how far it strays from torch.

    Args:
        trained: On the CPU; if its task is prepared, there are examples to choose from.
        path: Where to.
        steps: Steps of each trial.
        check: Whether to try it out at all.
        engine: How it computes: by shaders of its own, or by the graph of its step.

    Returns:
        The difference, or why there is none: nothing happens that could be compared. None where
        no browser was found or no check was wanted. The page says all of this.

    Raises:
        ExportError: The automaton does something that the page cannot do, or the page strays
            from torch further than rounding explains; then nothing is written.
        StorageError: The file cannot be written.
    """
    page = make_page(trained, steps, engine)
    browser = find_browser() if check else None
    checked = _tried(trained, page, steps, browser) if browser else None
    write_whole(path, page.html(checked).encode())
    return checked


def _tried(trained: Trained, page: Page, steps: int, browser: str) -> Difference | NotCompared:
    if isinstance(page.begun, NotCompared):
        return page.begun
    tried = trials(trained.automaton, page.begun.state, steps)
    given = answer(browser, page.html(tried=_to_try(tried)))
    found = [
        dict(zip(trial.begun, map(numbers_of, levels), strict=True))
        for trial, levels in zip(tried, given["found"], strict=True)
    ]
    where = "ONNX" if page.engine == "onnx" else "WebGL2" + ", as bits" * page.in_bits
    engine = f"{where}, {'float32' if given['exact'] else 'float16'}, {version_of(browser)}"
    return compare(tried, found, engine, page.begun.notes)


def _to_try(tried: list[Trial]) -> dict[str, Any]:
    """Return what the page shall do; its own fire rate, where cells fire by chance."""
    first = tried[0].begun
    return {
        "size": list(first.grid_size),
        "trials": [
            {
                "all": trial.kind == "synchronous",
                "step": trial.begun.step,
                "steps": trial.steps,
                "levels": [base64_of(level) for level in trial.begun.values()],
            }
            for trial in tried
        ],
    }


@torch.no_grad()
def _seen(automaton: Automaton, display: Display, steps: int) -> list[State]:
    """Return what all examples become, at a few steps, to find colours for."""
    canvas = display.drawing
    count = len(canvas.examples) if canvas else 0
    first = State.cat([example_state(display, number) for number in range(max(count, 1))])
    seen = automaton.trajectory(first, 2 * steps, max(steps // 2, 1))
    return [state for state in seen[1:] if scale_of(state) < torch.inf] or seen[:1]


def _web(name: str) -> str:
    """Return a script or a style; what `nca play` shares is a module there, and none here."""
    if name == HEXAGONS:
        shared = files("nca.render").joinpath(name).read_text(encoding="utf-8")
        return re.sub("^export ", "", shared, flags=re.MULTILINE)
    return files("nca.export").joinpath("web", name).read_text(encoding="utf-8")


def _safe(value: Any) -> str:
    """Return JSON that cannot end the element it stands in."""
    return dumps(value, compact=True).replace("<", "\\u003c")

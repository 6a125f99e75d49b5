"""Exported pages in a real browser: write them, open them, and read the state they are in."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from browser import PATIENCE
from playwright.sync_api import Page
from torch.testing import assert_close

from nca import Automaton, State
from nca.checkpoint.trained import Trained
from nca.export import write_html
from nca.export.html import Engine
from nca.types import Size

STEPS = 20
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def trained(name: str, *overrides: str) -> Trained:
    return Trained.load(name, torch.device("cpu"), overrides)


Pages: TypeAlias = Callable[..., tuple[Trained, Path]]


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> Pages:
    """Write the page of a pretrained checkpoint, once, without comparing it with torch."""
    folder = tmp_path_factory.mktemp("pages")

    @cache
    def write(name: str, engine: Engine = "webgl", examples: bool = False) -> tuple[Trained, Path]:
        loaded, file = trained(name), folder / f"{Path(name).stem}-{engine}-{examples}.html"
        if examples:
            loaded.prepare(None, lambda *told: None)
        assert write_html(loaded, file, STEPS, check=False, engine=engine) is None
        return loaded, file

    return write


@pytest.fixture(scope="session")
def fading(tmp_path_factory) -> str:
    """Write a classifier whose input never changed in training, and whose vote fell by step 40."""
    loaded = trained("glom_mnist_long", "pool.swapped=0")
    rows = [{"steps": step, "after": "", "vote": vote} for step, vote in ((10, 0.982), (40, 0.91))]
    file, recipe = tmp_path_factory.mktemp("fading") / "fading.safetensors", loaded.recipe
    kept = {"recipe": recipe.text, "overrides": recipe.overrides, "metrics": {"test": rows}}
    replace(loaded.checkpoint, **kept).write(file)
    return str(file)


def opened(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    page.evaluate("nca.play(false)")


def until(page: Page, condition: str) -> None:
    """Wait for a condition; the page allows nobody, playwright included, to evaluate text."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def read(page: Page, automaton: Automaton, size: Size) -> State:
    """Return the state that the page is in, one sample."""
    levels, sizes = {}, automaton.layout.sizes(size)
    for place, (name, level) in enumerate(automaton.layout.items()):
        numbers = page.evaluate(f"Array.from(nca.stage.engine.read({place}))")
        levels[name] = torch.tensor(numbers, dtype=torch.float32).view(
            1, level.channels, *sizes[name]
        )
    step = page.evaluate("nca.stage.engine.step")
    lower, upper = page.evaluate("plan.randomSeed")
    seed = lower | upper << 32
    samples = torch.tensor([page.evaluate("plan.sample | 0")])
    return State(levels, random_seed=seed, step=step, samples=samples)


def assert_close_levels(found: State, expected: State) -> None:
    assert found.step == expected.step
    for name, level in expected.items():
        assert_close(found[name], level.contiguous(), **CLOSE)

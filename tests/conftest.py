"""What all tests share: Hypothesis profiles, every plugin promised, a fresh registry, no hurry.

What a test needs beyond torch and pytest may be missing, as on a machine borrowed for its card:
then the files that import it are skipped, and the others run.
"""

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

# Triton asks when it is first imported, which torch does: without a CUDA driver its programs
# run on the host, so that they can be tested there
if not any(Path(driver).exists() for driver in ("/dev/nvidiactl", "/dev/dxg")):
    os.environ.setdefault("TRITON_INTERPRET", "1")

# commands that tests start share the cores with other tests: their threads would only wait
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from machine import SkippableModule, installed, require_gpu

from nca.registry.discovery import discover, load_file
from nca.registry.registry import registry

pytest.register_assert_rewrite("fused_case")
pytest_plugins = ["browser", "page_case"] if installed("playwright") else []

if installed("hypothesis"):
    from hypothesis import configuration, settings

    settings.register_profile(
        "dev", max_examples=25, derandomize=True, deadline=None, database=None
    )
    settings.register_profile("ci", settings.get_profile("dev"), max_examples=60)
    settings.load_profile(
        os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
    )
    # what Hypothesis notes for itself goes elsewhere than into the working directory
    configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "nca-hypothesis")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker whole files, as far as that goes: what they build is built once."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> SkippableModule:
    return SkippableModule.from_parent(parent, path=module_path)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rules", action="append", default=[], metavar="FILE", help="put this plugin file to test"
    )
    parser.addoption(
        "--triton",
        action="append",
        default=[],
        metavar="VERSION",
        help="compile the programs of all automata with this Triton, which pip fetches; or with "
        "the one in this folder, or the installed one; after a colon, for one card: 80 or 90",
    )


def pytest_configure(config: pytest.Config) -> None:
    # before the tests are collected, for the laws run on whatever is registered
    discover()
    for file in config.getoption("--rules"):
        load_file(config.invocation_params.dir / file)
    # what nohup or a background job ignores, the commands that tests start would ignore, too; a
    # handler of our own they do not inherit
    for name in ("SIGHUP", "SIGINT", "SIGTERM"):
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    # our tensors are small: threads would only wait for each other, the more so under xdist
    torch.set_num_threads(1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while a million objects are made that stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    pass_over_modules()


FROZEN_WITH = 0
"""How many modules there were when `pass_over_modules` last did something."""


def pass_over_modules() -> None:
    """Look for garbage no more among what tests, modules and torch's compiler hold for ever.

    They are a million objects, and take half a second at each `gc.collect()` of a measurement.
    """
    global FROZEN_WITH
    if len(sys.modules) > FROZEN_WITH + 100:
        gc.collect()
        gc.freeze()
        FROZEN_WITH = len(sys.modules)


def pytest_runtest_setup(item: pytest.Item) -> None:
    pass_over_modules()
    if item.get_closest_marker("gpu"):
        require_gpu()


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """Forget after each test what it registered."""
    with registry.preserved():
        yield

"""A real headless Chromium for tests of pages: `page` is an empty tab that fails on any error.

WebGL2 runs in software here, which says what is right and nothing about what is fast.
"""

import faulthandler
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
)


PATIENCE = 60_000
"""Milliseconds that a test waits for a page, on a machine that does other work too."""

GONE = ("ERR_CONNECTION_REFUSED", "status of 503 (Service Unavailable)")
"""What a page says that asks a server which the test has stopped, or is stopping."""

HUNG = 600
"""Seconds after which a tab that does not answer ends the process, and with it one test."""

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a worker."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser, and none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh tab; what its scripts throw or log as an error fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    tab = context.new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    faulthandler.dump_traceback_later(HUNG, exit=True)  # nothing else ends a page that hangs
    yield tab
    faulthandler.cancel_dump_traceback_later()
    context.close()
    faults = [fault for fault in faults if not any(words in fault for words in GONE)]
    assert not faults, faults

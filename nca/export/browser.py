"""Find a browser on this machine and let it run a page, to see what the page computes.

The browser is started without a window, with a profile of its own that is thrown away, and asked
for the page as it stands after its scripts have run. WebGL2 runs in software there: slow, and the
same arithmetic.
"""

import html
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nca.errors import ExportError
from nca.files import home

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
FLAGS = (
    "--headless",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--dump-dom",
)
PATIENCE = 180
"""Seconds after which a browser that does not answer is stopped."""
LINGERS = 5.0
"""Seconds for which a browser that was killed may still write."""


def find_browser() -> str | None:
    """Return the path of a browser of the Chromium family, or None."""
    named = os.environ.get("NCA_BROWSER")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def version_of(browser: str) -> str:
    """Return what the browser calls itself."""
    try:
        finished = subprocess.run(
            [browser, "--version"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return Path(browser).name
    words = re.match(r"[A-Za-z ]+[0-9]+", finished.stdout.strip())
    return words[0] if words else Path(browser).name


def answer(browser: str, page: str) -> Any:
    """Return the JSON that a page puts into its element `answer`.

    Args:
        browser: Path of the browser.
        page: The page's HTML.

    Raises:
        ExportError: The browser does not start, does not end, or the page gives no answer.
    """
    # a browser that is a snap sees no /tmp, but this; one that is none sees both
    snap = home() / "snap" / "chromium" / "common"
    with _own_folder(snap if snap.is_dir() else None) as folder:
        file = Path(folder) / "page.html"
        file.write_text(page, encoding="utf-8")
        command = [browser, *FLAGS, f"--user-data-dir={folder}/profile", file.as_uri()]
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # its sandbox refuses root
            command.insert(1, "--no-sandbox")
        try:
            finished = _run_alone(command)
        except OSError as fault:
            raise _silent(browser, f"it does not start: {fault.strerror}") from fault
        except subprocess.TimeoutExpired as fault:
            raise _silent(browser, f"no answer within {PATIENCE} seconds") from fault
    found = re.search(
        r'<script id="answer"[^>]*>(.*?)</script>', finished.stdout.decode(), re.DOTALL
    )
    if found is None:
        words = finished.stderr.decode(errors="replace").strip().splitlines()
        raise _silent(browser, words[-1] if words else "it says nothing")
    given = json.loads(html.unescape(found[1]))
    if "lacking" in given:
        raise _silent(browser, given["lacking"])
    if "fault" in given:
        raise ExportError(
            f"the page computes no steps: {given['fault']}.",
            where=f"the page's own scripts, in {browser}",
            to_do="this is a fault of nca, not of the browser: please report it with the "
            "checkpoint; --to onnx exports the same step for ONNX Runtime",
        )
    return given


@contextmanager
def _own_folder(parent: Path | None) -> Iterator[Path]:
    """Make a folder that goes, though a browser that was killed may still be writing into it."""
    folder = Path(tempfile.mkdtemp(prefix="nca-export-", dir=parent))
    try:
        yield folder
    finally:
        until = time.monotonic() + LINGERS
        while folder.exists() and time.monotonic() < until:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05 * folder.exists())


def _run_alone(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a program in a session of its own; where it is cut short, its children end with it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except BaseException:  # Ctrl-C too
            if hasattr(os, "killpg"):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _silent(browser: str, why: str) -> ExportError:
    return ExportError(
        f"the page could not be tried out: {why}.",
        where=browser,
        to_do="name another browser in NCA_BROWSER, or leave the trial out with --no-check",
    )

"""Who is at fault when a page cannot be tried: the browser, or the page."""

import subprocess

import pytest

from nca import ExportError
from nca.export import browser


def answering(monkeypatch, text: str) -> None:
    page = f'<html><script id="answer" type="application/json">{text}</script></html>'
    ended = subprocess.CompletedProcess([], 0, page.encode(), b"")
    monkeypatch.setattr(browser, "_run_alone", lambda command: ended)


def test_a_fault_of_the_pages_scripts_is_not_blamed_on_the_browser(monkeypatch):
    answering(monkeypatch, '{"fault": "x is not defined"}')
    with pytest.raises(ExportError, match="the page computes no steps: x is not") as refused:
        browser.answer("chromium", "<html></html>")
    assert "NCA_BROWSER" not in refused.value.to_do


def test_a_browser_that_lacks_something_is(monkeypatch):
    answering(monkeypatch, '{"lacking": "this browser has no WebGL2"}')
    with pytest.raises(ExportError, match="could not be tried out: this browser has") as refused:
        browser.answer("chromium", "<html></html>")
    assert "NCA_BROWSER" in refused.value.to_do

"""Reports of a model in Python: what a notebook shows, and the folder that the commands write."""

import json
import re
from html.parser import HTMLParser

import pytest
from islands_case import blocks
from PIL import Image
from robustness_case import trained

import nca
from nca import NCAError, NCAWarning, OptionError
from nca.registry.registry import registry
from nca.reports.finding import Finding
from nca.reports.report import Report
from nca.reports.table import Table


class Cells(HTMLParser):
    """Note the text of all cells, and what is not closed."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def cells(report: Report) -> list[str]:
    reader = Cells()
    reader.feed(report._repr_html_())
    assert reader.open == []
    return reader.cells


@pytest.fixture
def plugins():
    with registry.preserved():
        yield


def test_islands_of_a_model_show_verdict_answers_and_levels(plugins, tmp_path):
    with pytest.warns(NCAWarning, match="hold 12 samples, fewer than 200"):
        report = nca.Model(blocks()).islands()
    shown = cells(report)
    assert report.title == "Islands of blocks"
    assert report.headline in report._repr_html_()
    for one in report.findings:
        assert one.question in shown
        assert one.answer in shown
    levels = shown[shown.index("level") :]
    assert levels[:2] == ["level", "contrast"]
    assert {"part", "whole"} <= set(levels)
    folder = report.save(tmp_path / "deep" / "islands")
    assert json.loads((folder / "islands.json").read_text()) == report.figures
    assert report.headline in (folder / "report.html").read_text()


def test_islands_are_measured_on_pictures_of_ones_own(tmp_path):
    Image.new("RGB", (16, 16), "white").save(tmp_path / "white.png")
    model = nca.load("segmentation", device="cpu", grid={"size": [24, 24]})
    report = model.islands(tmp_path / "white.png", steps=2)
    assert (report.figures["samples"], report.figures["split"]) == (1, None)
    with pytest.raises(NCAError, match=r"gone\.png"):
        model.islands(tmp_path / "gone.png", steps=2)


def test_an_examination_of_a_model_shows_its_conditions(plugins, tmp_path):
    report = nca.Model(trained("still")).examine("damage", "noise", seeds=2, samples=3)
    shown = cells(report)
    assert [one.question for one in report.findings] == [
        one["asks"] for one in report.figures["questions"].values()
    ]
    heads = shown.index("check")
    assert shown[heads : heads + 4] == ["check", "condition", "kept", "change"]
    assert any(text.startswith("never heals") for text in shown)
    assert "Cut short" not in report.headline
    folder = report.save(tmp_path)
    assert json.loads((folder / "examination.json").read_text())["verdict"] == report.headline
    assert re.match(r"Report\(Robustness of all still: ", repr(report))


def test_what_a_report_cannot_be_asked_for_is_said(plugins):
    model = nca.Model(trained("still"))
    with pytest.raises(NCAError, match="damage"):
        model.examine("damages")
    with pytest.raises(OptionError, match="seeds is 0"):
        model.examine("damage", seeds=0)
    with pytest.raises(OptionError, match="threshold is 2"):
        model.islands(threshold=2)


def test_what_stands_in_a_report_is_no_markup():
    finding = Finding("Does a < b?", "yes", "", "a & b")
    shown = Table(1, ("<i>",), [("<script>",)])
    report = Report("<b>", "is 1 < 2", [finding], {}, shown, lambda path: None)
    assert cells(report)[3:] == ["Does a < b?", "yes", "a & b", "<i>", "<script>"]
    assert "<script>" not in report._repr_html_()
    assert "is 1 &lt; 2" in report._repr_html_()

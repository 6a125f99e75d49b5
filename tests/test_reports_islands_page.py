"""What a study looks like: colours, outlines, tables, and a page that needs nothing else."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import pytest
import torch
from islands_case import blocks
from PIL import Image
from torch.testing import assert_close

from nca.render.outlines import outlined
from nca.render.pca import angle_colours, component_colours, wheel
from nca.reports.islands import (
    IslandsPlan,
    islands_to_json,
    measure_islands,
    publish_islands,
    tables,
)

PLATES = {
    "components",
    "angles",
    "outlines",
    "through_time",
    "pictures",
    "course",
    "sweep",
    "rest",
}


@pytest.fixture(scope="module")
def found():
    from nca.registry.registry import registry

    with registry.preserved():
        return measure_islands(blocks(), IslandsPlan(4, samples=6, shown=2))


@pytest.fixture(scope="module")
def folder(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "deep" / "islands"
    publish_islands(found, folder)
    return folder


class Reader(HTMLParser):
    """Note what opens, what closes, and where anything is fetched from."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_colour_wheel_goes_from_red_over_green_to_blue():
    hues = torch.tensor([[[0.0, 1 / 3, 2 / 3, 1 / 6]]])
    red, green, blue, yellow = wheel(hues)[0, :, 0].T
    for colour, wanted in ((red, (1, 0, 0)), (green, (0, 1, 0)), (blue, (0, 0, 1))):
        assert_close(colour, torch.tensor(wanted).float())
    assert_close(yellow, torch.tensor([1.0, 1.0, 0.0]))


def test_opposite_directions_have_opposite_hues_and_the_mean_is_black():
    field = torch.tensor([[2.0, -2.0, 0.0], [0.0, 0.0, 0.0]]).view(1, 2, 1, 3)
    left, right, mean = angle_colours([field])[0][0, :, 0].T
    assert_close(left + right, torch.ones(3))
    assert not mean.any()


def test_one_basis_serves_all_moments():
    first = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    second = first.flip(3)
    one, other = component_colours([first, second])
    assert_close(other, one.flip(3))
    # fitted to the first alone, colours of the first do not depend on the second
    alone = component_colours([first, 100 * second], slice(1))[0]
    assert_close(alone, component_colours([first])[0])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_few_channels_have_colours_too(channels):
    field = torch.arange(channels * 4.0).view(1, channels, 2, 2)
    for colours in (*component_colours([field]), *angle_colours([field])):
        assert colours.shape == (1, 3, 2, 2)
        assert colours.min() >= 0
        assert colours.max() <= 1
    lost = torch.full((1, channels, 2, 2), torch.nan)
    assert component_colours([field, lost], slice(1))[1].isfinite().all()


def test_outlines_run_where_islands_end_and_leave_other_cells_alone():
    labels = torch.tensor([[1, 1, 2, 0]])
    shown = outlined(torch.ones(3, 1, 4), labels, 4)
    assert shown.shape == (3, 4, 16)
    dark = (shown < 0.1).all(dim=0)
    # between the islands two columns, at the border to no island one, at the grid's edge none
    assert dark.all(dim=0).nonzero().flatten().tolist() == [7, 8, 11]
    assert dark.any(dim=0).sum() == 3
    assert (shown[:, :, 12:] == 1).all()


def test_a_report_is_a_page_a_file_of_figures_and_eight_pictures(folder, found):
    files = {path.name for path in folder.iterdir()}
    assert files == {"islands.json", "report.html", *(f"{name}.png" for name in PLATES)}
    assert json.loads((folder / "islands.json").read_text()) == islands_to_json(found)
    for name in PLATES:
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.format == "PNG"
            assert picture.convert("RGB").getcolors(3) is None, f"{name} is nearly blank"


def test_the_page_holds_all_pictures_and_fetches_nothing(folder):
    text = (folder / "report.html").read_text()
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    assert len(reader.sources) == len(PLATES)
    for source in reader.sources:
        kind, _, content = source.partition(",")
        assert kind == "data:image/png;base64"
        Image.open(io.BytesIO(base64.b64decode(content))).verify()
    assert not re.search(r"https?:|@import|url\(|<script", text)
    assert "prefers-color-scheme: dark" in text


def test_the_page_tells_the_verdict_and_explains_every_measure(folder):
    reader = Reader()
    reader.feed((folder / "report.html").read_text())
    text = " ".join(reader.text)
    assert "A part-whole hierarchy appears. Islands form." in text
    assert "patches of at least 4 cells" in text
    assert not re.search(r"\{\w+\}", text), "a sentence lacks its number"
    for heading in (
        "Levels",
        "Beside the controls",
        "From level to level",
        "True segments: part",
        "What the cells know",
    ):
        assert heading in reader.text


def test_tables_show_contrast_beside_collapse(found):
    table = tables.levels(found)
    assert table.columns[:3] == ["level", "contrast", "collapse"]
    assert [row[0] for row in table.rows] == ["part", "whole"]
    assert table.rows[0][4] == "5 ± 0"
    line = tables.table_lines(found)[0]
    assert list(line)[:3] == ["level", "contrast", "collapse"]
    assert line["nests above"] == "1"


def test_patches_of_the_foreground_stand_in_the_table_of_the_truth(found):
    (_, table), _ = tables.truths(found)
    assert [row[:2] for row in table.rows] == [
        ["patches of the foreground", ""],
        ["places of the foreground", ""],
        ["image", ""],
        ["part", "trained"],
        ["part", "untrained"],
        ["whole", "trained"],
        ["whole", "untrained"],
    ]
    assert table.rows[0][2] == "0 ± 0"
    assert table.rows[3][2:4] == ["1 ± 0", "1 ± 0"]


def test_the_table_of_probes_tells_what_naming_the_most_frequent_would_reach(found):
    table = tables.probes(found)
    assert table.columns == ["level", "", "part"]
    assert [row[:2] for row in table.rows] == [
        ["the most frequent", ""],
        ["image", ""],
        ["part", "trained"],
        ["part", "untrained"],
        ["whole", "trained"],
        ["whole", "untrained"],
    ]
    assert [row[2] for row in table.rows[:3]] == ["0.250 ± 0", "1 ± 0", "1 ± 0"]

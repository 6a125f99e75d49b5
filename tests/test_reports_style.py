"""Pages of reports follow the theme, and what is wider than the screen shows that it goes on."""

from PIL import Image

from nca.reports.html import figure, table
from nca.reports.style import STYLE
from nca.reports.table import Table


def test_charts_turn_dark_with_the_page_and_pictures_of_cells_do_not():
    picture = Image.new("RGB", (4, 4))
    assert "<img class=chart " in figure(picture, "A curve.", chart=True)
    assert "class=chart" not in figure(picture, "Some cells.")
    dark = STYLE.partition("img.chart")[0].rpartition("@media")[2]
    assert dark.split("{")[0].strip() == "(prefers-color-scheme: dark)"
    assert "invert" in STYLE.partition("img.chart")[2].partition("}")[0]


def test_a_table_is_reached_by_keys_and_shaded_where_it_goes_on():
    assert table(Table(1, ["a"], [["1"]])).startswith("<div class=table tabindex=0>")
    rule = STYLE.partition(".table {")[2].partition("}")[0]
    assert "overflow-x: auto" in rule
    assert rule.count("var(--shade)") == rule.count("scroll;") + rule.count("scroll,") == 2

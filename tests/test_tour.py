"""The tour runs from top to bottom, and is stored with what it shows."""

import warnings
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="it needs what tests of notebooks need")
import nbformat
from nbclient import NotebookClient

TOUR = Path(__file__).parent.parent / "recipes" / "tour.ipynb"
LARGEST = 1_000_000
LONG = '"iterations": 300'
"""What is trained in a cell, and here no longer than shows that it trains."""


def shown(notebook) -> dict[str, set[str]]:
    """Return by cell which kinds of output it has, and what it prints."""
    return {
        cell.id: {kind for one in cell.outputs for kind in one.get("data", {"printed": ""})}
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


def test_the_tour_shows_what_it_was_stored_with(tmp_path):
    stored = nbformat.read(TOUR, 4)
    assert TOUR.stat().st_size < LARGEST
    assert any("text/html" in kinds for kinds in shown(stored).values())
    fresh = nbformat.read(TOUR, 4)
    (trained,) = [cell for cell in fresh.cells if LONG in cell.source]
    trained.source = trained.source.replace(LONG, '"iterations": 20')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel's own threads and sockets
        place = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(fresh, timeout=600, resources=place).execute()
    assert shown(fresh) == shown(stored)
    said = [one.text for cell in fresh.cells for one in cell.get("outputs", []) if "text" in one]
    assert said == ["7 with a confidence of 1.00\n"]

"""The notebooks run from their first cell to their last, in under two minutes of a processor's time."""

import os

import nbformat
import pytest
from helpers import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebook_runs(notebook, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    before = os.times()
    client = NotebookClient(nbformat.read(notebook, 4), timeout=600, resources={"metadata": {"path": str(notebook.parent)}})
    client.execute()
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 120


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebook_shows_what_it_gives(notebook):
    cells = [cell for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)

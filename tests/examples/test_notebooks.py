"""The notebooks run from their first cell to their last, in under two minutes of a processor's time."""

import os
import re

import nbformat
import pytest
from helpers import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
REPEATABLE = ("export_to_onnx", "photos_to_table")
"""Notebooks whose numbers are the same at each run. Training does not repeat itself on another processor."""


def shown_text(notebook: nbformat.NotebookNode) -> str:
    """What the cells print and return, but for warnings and progress."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = [output.text for output in outputs if output.output_type == "stream" and output.name == "stdout"]
    return "\n".join([*printed, *(output.data.get("text/plain", "") for output in outputs if "data" in output)])


def shown_numbers(notebook: nbformat.NotebookNode) -> list[float]:
    """The decimal numbers among it."""
    return [float(number) for number in re.findall(r"\d+\.\d+", shown_text(notebook))]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebook_runs(notebook, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    before = os.times()
    client = NotebookClient(nbformat.read(notebook, 4), timeout=600, resources={"metadata": {"path": str(notebook.parent)}})
    executed = client.execute()
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 120
    if notebook.stem in REPEATABLE:
        stored = shown_numbers(nbformat.read(notebook, 4))
        assert stored and shown_numbers(executed) == pytest.approx(stored, abs=0.005), "run the notebook again and store it"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebook_shows_what_it_gives(notebook):
    cells = [cell for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
    # Warnings and progress bars are of one machine alone.
    assert all(output.get("name") != "stderr" for cell in cells for output in cell.outputs)
    assert str(ROOT) not in notebook.read_text(encoding="utf-8") and "site-packages" not in notebook.read_text(encoding="utf-8")

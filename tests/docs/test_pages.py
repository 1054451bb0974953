"""Every command and every Python block in README and documentation runs."""

from contextlib import ExitStack

import pytest
from helpers import ROOT
from pages import PAGES, PageRun, read_blocks

RUN = [page for page in PAGES if any(block.language in ("python", "bash") for block in read_blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ExitStack() as cleanup:
        PageRun(page, tmp_path, cleanup).run()

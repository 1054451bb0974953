"""The page of examples/browser, set up as the documentation says, and opened in a real browser."""

import contextlib
import shutil
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import pytest
from benchmark_space import DESKTOP, find_chromium
from browser_example import PACKAGES, copy_example, served, visit
from helpers import ROOT, fer
from pages import read_blocks, read_commands
from playwright.sync_api import Page, sync_playwright


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder of the page after the commands of the documentation, in a clone that holds what they need."""
    clone = tmp_path_factory.mktemp("clone")
    page = copy_example(clone / "examples" / "browser")
    (clone / "modeling_fer").symlink_to(ROOT / "modeling_fer")
    [block] = [block for block in read_blocks(ROOT / "docs/start/web.md") if block.language == "sh"]
    with contextlib.chdir(clone):
        for words in read_commands(block.code):
            match words:
                case ["pip", *_]:
                    continue
                case ["fer", *arguments]:
                    assert fer(*arguments).returncode == 0
                case ["npm", "install", "--prefix", "examples/browser"]:
                    (page / "node_modules").symlink_to(PACKAGES)
                case ["cp", pattern, folder]:
                    for file in glob(pattern):
                        shutil.copy(file, folder)
                case _:
                    assert words == ["python", "-m", "http.server", "--bind", "127.0.0.1", "--directory", "examples/browser"]
    return page


@pytest.fixture(scope="module")
def address(site):
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(browser, address) -> Iterator[tuple[Page, list[str]]]:
    """The page, and a list that its errors are added to."""
    page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    visit(page, address)
    yield page, errors
    page.close()


@pytest.fixture
def page(opened) -> Iterator[Page]:
    """The page, which must not report an error."""
    page, errors = opened
    errors.clear()
    yield page
    assert errors == []


@pytest.fixture(scope="module")
def open_to_scripts(browser, address) -> Iterator[Page]:
    """The page without its own policy, which forbids scripts from outside, those of tests among them."""
    page = browser.new_page(bypass_csp=True)
    visit(page, address)
    yield page
    page.close()

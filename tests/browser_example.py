"""The page of examples/browser: its files, how they are served, and what a user does first."""

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from benchmark_space import find_chromium
from helpers import ROOT
from playwright.sync_api import Page, expect

EXAMPLE = ROOT / "examples" / "browser"
PACKAGES = EXAMPLE / "node_modules"


def in_browser(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that needs Chromium and the page's packages."""
    chromium = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed (apt-get install chromium)")
    reason = "onnxruntime-web is not installed (npm install --prefix examples/browser)"
    packages = pytest.mark.skipif(not (PACKAGES / "onnxruntime-web").is_dir(), reason=reason)
    return pytest.mark.slow(chromium(packages(test)))


def copy_example(folder: Path) -> Path:
    """The files of the example that are the repository's own."""
    return Path(shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "model")))


class Files(SimpleHTTPRequestHandler):
    """What `python -m http.server` serves by, without its log."""

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, while it is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def visit(page: Page, address: str) -> None:
    """Opens the page and waits until a photo can be chosen."""
    page.goto(address)
    expect(page.get_by_role("status")).to_have_text("Choose a photo.", timeout=60_000)
    expect(page.locator("#photo")).to_be_enabled()


def choose(page: Page, path: Path, sentence: str) -> None:
    """Chooses a photo and waits for what is said of it."""
    page.locator("#photo").set_input_files([])
    page.locator("#photo").set_input_files(path)
    expect(page.get_by_role("status")).to_have_text(sentence, timeout=60_000)

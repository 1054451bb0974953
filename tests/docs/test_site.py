"""The site is built without a warning, no link of it is dead, and the reference holds every public name."""

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from benchmark_space import find_chromium
from browser_example import served
from helpers import ROOT
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, sync_playwright

import modeling_fer

pytestmark = pytest.mark.slow


@dataclass
class HtmlPage(HTMLParser):
    """The links of a page, and what can be linked to in it."""

    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.append(value)
            elif value and name in ("id", "name"):
                self.anchors.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    start = time.perf_counter()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - start < 60
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, HtmlPage]:
    found = {}
    for file in site.rglob("*.html"):
        found[file] = HtmlPage()
        found[file].feed(file.read_text(encoding="utf-8"))
    return found


def test_no_link_is_dead(site, pages):
    dead = []
    for file, page in pages.items():
        for link in page.links:
            address = urlparse(link)
            # The page for missing addresses has links from the site's root on the web.
            if address.scheme or address.netloc or file.name == "404.html":
                continue
            target = (file.parent / unquote(address.path)).resolve() if address.path else file
            target = target / "index.html" if target.is_dir() else target
            anchored = not address.fragment or target.suffix != ".html" or unquote(address.fragment) in pages[target].anchors
            if not target.exists() or not anchored:
                dead.append(f"{file.relative_to(site)}: {link}")
    assert dead == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


def test_the_site_loads_nothing_from_elsewhere(site, browser):
    page = browser.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    with served(site) as address:
        for name in ("", "card/", "results/", "start/web/"):
            page.goto(f"{address}{name}", wait_until="load")
            # Pictures further down are loaded when they come into sight.
            page.evaluate("document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))")
            page.wait_for_load_state("networkidle")
    page.close()
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []
    assert {f"{address}robustness.png", f"{address}reliability.png"} <= set(requests)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_and_links_stand_out(site, browser, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    page = browser.new_page(color_scheme=scheme)
    rules = {"runOnly": ["color-contrast", "link-in-text-block"]}
    found = []
    with served(site) as address:
        for name in ("", "card/", "start/web/"):
            page.goto(f"{address}{name}")
            found += axe.Axe().run(page, options=rules).response["violations"]
    page.close()
    assert [(one["id"], node["target"]) for one in found for node in one["nodes"]] == []


def public_names(file: Path) -> list[str]:
    """The classes and functions of a module that do not begin with an underscore."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name[0] != "_"]


def test_the_reference_holds_every_public_name(site, pages):
    anchors = set().union(*(page.anchors for file, page in pages.items() if "reference" in file.parts))
    missing = []
    for file in sorted((ROOT / "modeling_fer").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        # What commands do is said by their --help; a checkpoint's folder may hold copies of the code.
        if module.startswith("modeling_fer.commands") or (file.parent / "config.json").is_file():
            continue
        missing += [name for name in public_names(file) if f"{module}.{name}" not in anchors]
    assert missing == []


def test_what_the_package_offers_is_in_the_reference(site, pages):
    anchors = set().union(*(page.anchors for file, page in pages.items() if "reference" in file.parts))
    for name in modeling_fer.__all__:
        thing = getattr(modeling_fer, name)
        assert f"{import_module(thing.__module__).__name__}.{thing.__name__}" in anchors, name


def test_arguments_and_examples_of_the_reference_are_read_as_they_are_meant(site):
    """One entry for each name, and examples as code, where Markdown takes `>>>` for quotations."""
    files = list((site / "reference").rglob("*.html"))
    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "<blockquote>" not in text, file
        assert not re.findall(r"<code>\w+,</code>|<strong>\w+,</strong>", text), file


def test_links_between_files_of_the_repository_lead_somewhere():
    dead = []
    for file in sorted(ROOT.glob("*.md")):
        for token in MarkdownIt().parse(file.read_text(encoding="utf-8")):
            for child in token.children or []:
                link = child.attrs.get("href") or child.attrs.get("src")
                address = urlparse(str(link)) if link else None
                if address and not address.scheme and address.path and not (ROOT / unquote(address.path)).exists():
                    dead.append(f"{file.name}: {link}")
    assert dead == []

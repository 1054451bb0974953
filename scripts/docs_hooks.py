"""What MkDocs is told beside mkdocs.yml: pages that are files of the repository, the reference, and the help of every command.

A page whose header says `include: RESULTS.md` is that file, its links turned to where they lead from the site. One whose header says
`modules: [data.*]` holds what the docstrings of these modules say, those under `without` left out.
"""

import itertools
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from typer.main import get_group
from typer.testing import CliRunner

import modeling_fer_cli

ROOT = Path(__file__).parents[1]
PAGES = {"CHANGELOG.md": "changelog.md", "RESULTS.md": "results.md", "model_card.md": "card.md"}
"""Files of the repository that are pages of the site."""

COMMAND_PAGE = "reference/command.md"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The text of a page before it is rendered; MkDocs calls it for each."""
    if "include" in page.meta:
        text = (ROOT / page.meta["include"]).read_text(encoding="utf-8")
        return relink(without_header(text), config["repo_url"])
    if page.file.src_uri == COMMAND_PAGE:
        return markdown + command_help()
    if "modules" in page.meta:
        return markdown + reference_of(modules_of(page.meta))
    return markdown


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """The HTML of a page; MkDocs calls it for each. Types in docstrings of transformers' form are Markdown, which is not rendered
    within code.
    """
    if "modules" not in page.meta:
        return html
    return re.sub(r"\(<code>(`[^<]*)</code>\)", lambda found: f"(<code>{re.sub('[`*]', '', found[1])}</code>)", html)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """A whole page; MkDocs calls it for each."""
    return without_facts(output)


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """A file that is no page, as the one for missing addresses; MkDocs calls it for each."""
    return without_facts(output_content)


def without_facts(html: str) -> str:
    """HTML without the mark by which the theme asks GitHub for the stars of the repository: the site loads nothing from elsewhere."""
    return html.replace(' data-md-component="source"', "")


def without_header(text: str) -> str:
    """Markdown without the YAML that a model card begins with."""
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)


def relink(text: str, repository: str) -> str:
    """Turns links from the repository's root to pages and pictures of the site, or to the repository on the web. Pictures that are
    taken from the web, as on a model card, are the site's own too.

    Args:
        text: Markdown that lies in the root.
        repository: address of the repository.
    """

    pictures = f"{repository.replace('github.com', 'raw.githubusercontent.com')}/main/"

    def turn(found: re.Match[str]) -> str:
        target = found[1].removeprefix(pictures)
        path, _, anchor = target.partition("#")
        if "://" in target or not path:
            return found[0]
        if path in PAGES:
            return f"]({PAGES[path]}{'#' + anchor if anchor else ''})"
        if path.startswith("docs/"):
            return f"]({target.removeprefix('docs/')})"
        return f"]({repository}/blob/main/{target})"

    return re.sub(r"\]\(([^)\s]+)\)", turn, text)


def list_modules() -> list[str]:
    """The modules of the package, as `data.readers`, in alphabetical order; copies that lie in checkpoints left out."""
    files = (file for file in (ROOT / "modeling_fer").rglob("*.py") if not (file.parent / "config.json").is_file())
    parts = (file.relative_to(ROOT / "modeling_fer").with_suffix("").parts for file in files)
    return sorted(name for part in parts if (name := ".".join(part).removesuffix("__init__").strip(".")))


def modules_of(header: dict[str, Any]) -> list[str]:
    """The modules that a page's header names, in the order of its patterns."""
    left_out = match_modules(header.get("without", []))
    return [module for module in match_modules(header["modules"]) if module not in left_out]


def match_modules(patterns: list[str]) -> list[str]:
    """The modules that fit one of some patterns. A star stands for anything but a dot."""
    modules = list_modules()
    fits = [[one for one in modules if fnmatch(one, pattern) and one.count(".") == pattern.count(".")] for pattern in patterns]
    return list(dict.fromkeys(itertools.chain(*fits)))


def reference_of(modules: list[str]) -> str:
    """What mkdocstrings is told to write of some modules."""
    options = "options: { show_root_heading: false, show_root_toc_entry: false }"
    return "".join(f"\n## {name}\n\n::: modeling_fer.{name}\n    {options}\n" for name in modules)


def command_help() -> str:
    """What `--help` says of each command, as Markdown."""
    names = get_group(modeling_fer_cli.app).commands
    return "".join(f"\n## fer {name}\n\n```text\n{help_of(name)}```\n" for name in names)


def help_of(command: str) -> str:
    """What `fer COMMAND --help` prints."""
    done = CliRunner().invoke(modeling_fer_cli.app, [command, "--help"], prog_name="fer", env={"COLUMNS": "100"})
    return done.stdout.lstrip()

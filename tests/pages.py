"""The blocks of code on a page of Markdown, and how each is run: what the documentation says has to work.

Pages are run in a folder of their own, block after block, as a reader would: a Python block in one namespace for the page, a `bash`
block line by line, and a block with a title is the file of that name.
"""

import os
import re
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from drawn_inputs import draw_inputs
from helpers import ROOT, fer
from markdown_it import MarkdownIt
from served_page import serve_page

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
"""The pages whose blocks are run."""

BRIEF = ["--set", "epochs=1", "--set", "warmup_epochs=0"]
"""Trainings are cut to one epoch."""

OFFLINE = ["--landmarks", "detector"]
"""Preparation goes without the landmark network, which would be downloaded."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: what it says that it is.
        title: the file that it is the content of; empty where it is none.
        code: its text.
        line: where the code begins in the page, from 1.
    """

    language: str
    title: str
    code: str
    line: int


def read_blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    blocks = []
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map is not None:
            language = (token.info.split() or [""])[0]
            title = re.search(r'title="([^"]+)"', token.info)
            blocks.append(Block(language, title[1] if title else "", token.content, token.map[0] + 2))
    return blocks


def included(page: Path) -> Path:
    """The file that a page of the site is made of: the one that its header includes, else itself."""
    header = re.match(r"---\ninclude: (.+)\n---\n", page.read_text(encoding="utf-8"))
    return ROOT / header[1] if header else page


TEXTS = sorted({*map(included, PAGES), *ROOT.glob("*.md"), ROOT / "examples/README.md", ROOT / "space/README.md"})
"""Every text that tells readers what to run."""


@dataclass
class PageRun:
    """A page on its way through its blocks.

    Attributes:
        page: the Markdown file.
        folder: where its blocks run; it is the working directory.
        cleanup: ends what the blocks started.
        names: of the page's Python blocks.
    """

    page: Path
    folder: Path
    cleanup: ExitStack
    names: dict[str, object] = field(default_factory=lambda: {"__name__": "__page__"})

    def run(self) -> None:
        """Draws what the page takes for granted, and runs its blocks."""
        draw_inputs(self.page.read_text(encoding="utf-8"), self.folder)
        for block in read_blocks(self.page):
            try:
                self.run_block(block)
            except Exception as error:
                place = f"{self.page.relative_to(ROOT)}, block at line {block.line}"
                raise AssertionError(f"{place}:\n{block.code}\n{traceback.format_exc(limit=-3)}") from error

    def run_block(self, block: Block) -> None:
        """One block, by its title and its language."""
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        if block.language == "python":
            exec(compile(block.code, f"{self.page.name}, line {block.line}", "exec"), self.names)
        elif block.language == "bash":
            for command in read_commands(block.code):
                self.run_command(command)

    def run_command(self, words: list[str]) -> None:
        """One command, by its first word."""
        runners: dict[str, Callable[[list[str]], None]] = {
            "accelerate": run_launched,
            "cd": self.enter_clone,
            "fer": run_fer,
            "git": self.link_clone,
            "hf": lambda words: None,
            "make": check_target,
            "pip": check_requirements,
            "python": self.run_python,
            "torchrun": run_torchrun,
        }
        runners[words[0]](words)

    def link_clone(self, words: list[str]) -> None:
        """`git clone`: the repository is there by its name; nothing else of git is run."""
        if words[1] == "clone":
            (self.folder / "modeling-fer").symlink_to(ROOT)

    def enter_clone(self, words: list[str]) -> None:
        """`cd` into the clone: its folders are there from then on."""
        assert words[1:] == ["modeling-fer"], words
        for name in ("examples", "scripts", "space"):
            (self.folder / name).symlink_to(ROOT / name)

    def run_python(self, words: list[str]) -> None:
        """A script of the repository, or a module; the Space's page stays served until the end."""
        if words[1].startswith("space/"):
            self.cleanup.enter_context(closing(serve_page(ROOT / words[1], self.folder)))
            return
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, *words[1:]], cwd=self.folder, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr


def read_commands(code: str) -> Iterator[list[str]]:
    """The commands of a block as words, without its comments; patterns become the files that they name."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def run_fer(words: list[str]) -> None:
    """`fer`, briefly and without sending anything."""
    words = [file for word in words for file in (sorted(glob(word)) if "*" in word else [word])]
    arguments = words[1:]
    if arguments[0] in ("train", "cross-validate", "search"):
        arguments += BRIEF
    if arguments[0] == "prepare" and "--landmarks" not in arguments:
        arguments += ["--landmarks", "none"] if "--cropped" in arguments else OFFLINE
    if arguments[0] == "push" and "--dry-run" not in arguments:
        arguments.append("--dry-run")
    done = fer(*arguments)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"


def run_launched(words: list[str]) -> None:
    """`accelerate launch -m MODULE ...`: Accelerate reads its own arguments and configuration; the training runs on one process."""
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    assert words[1] == "launch", words
    arguments = launch_command_parser().parse_args(words[2:])
    if arguments.config_file is not None:
        assert load_config_from_file(arguments.config_file).num_processes > 1
    run_module(arguments.training_script, arguments.training_script_args)


def run_torchrun(words: list[str]) -> None:
    """`torchrun -m MODULE ...`, likewise."""
    from torch.distributed.run import get_args_parser

    arguments = get_args_parser().parse_args(words[1:])
    run_module(arguments.training_script, arguments.training_script_args)


def run_module(module: str, arguments: list[str]) -> None:
    """The command of `fer` that a module under commands/ is."""
    assert module.startswith("modeling_fer.commands."), module
    run_fer(["fer", module.rpartition(".")[2].replace("_", "-"), *arguments])


def check_target(words: list[str]) -> None:
    """`make TARGET`: the Makefile has it."""
    done = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check_requirements(words: list[str]) -> None:
    """`pip install`: the extras that it names are those of the package."""
    import tomllib

    from packaging.requirements import Requirement

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert words[1] == "install", words
    for word in words[2:]:
        if not word.startswith("-"):
            requirement = Requirement(word.replace(".[", "modeling-fer[") if word != "." else "modeling-fer")
            assert requirement.name != "modeling-fer" or requirement.extras <= set(extras), word

"""Every command that a text shows can be given: its options are there, its values are allowed, its script exists. Nothing is run, so
that the commands of long trainings are looked at too.
"""

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from helpers import ROOT
from markdown_it import MarkdownIt
from pages import TEXTS, Block, check_requirements, check_target, read_blocks, read_commands
from typer.main import get_group

from modeling_fer.training.recipe import read_overrides, read_recipe
from modeling_fer_cli import app
from modeling_fer_cli.data import FORMS
from modeling_fer_cli.training import RECIPES

COMMANDS = get_group(app).commands
ASSIGNMENT = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)
FOREIGN = ("accelerate", "cd", "cp", "git", "hf", "npm", "torchrun")
"""Commands of others; test_pages.py runs most pages that have them."""


class StoppedError(Exception):
    """A script's parser is known, and nothing more is to be run of it."""


@cache
def parser_of(script: str) -> argparse.ArgumentParser:
    """The parser that `main` of a script of scripts/ makes."""
    main = import_module(script).main
    found = []

    def stop(parser: argparse.ArgumentParser, *_: object) -> None:
        found.append(parser)
        raise StoppedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", [script])
        with pytest.raises(StoppedError):
            main()
    return found[0]


def expanded_commands(code: str) -> Iterator[list[str]]:
    """The commands of a block as words: its variables are put in, what is set for one command is taken away, and so is "..."."""
    variables: dict[str, list[str]] = {}
    for words in read_commands(code):
        if len(words) == 1 and (setting := ASSIGNMENT.fullmatch(words[0])):
            variables[f"${setting[1]}"] = shlex.split(setting[2])
            continue
        while ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        yield [one for word in words for one in variables.get(word, [word]) if one != "..."]


def check_fer(words: list[str]) -> None:
    """`fer COMMAND ...`: its arguments are taken, its recipe is one, with the settings that are given beside it."""
    context = COMMANDS[words[1]].make_context(" ".join(words[:2]), words[2:])
    recipe, form = context.params.get("recipe"), context.params.get("form")
    if recipe in RECIPES:
        read_recipe(recipe, read_overrides(context.params["settings"] or []))
    else:
        assert recipe is None or recipe.endswith(".yaml"), f"there is no recipe {recipe}"
    assert form is None or form in FORMS, f"there is no form {form}"


def check_python(words: list[str]) -> None:
    """`python FILE ...`: the repository has the file, and a script takes its arguments. Modules are those of others."""
    if words[1] == "-m":
        return
    file = Path(words[1].removeprefix("modeling-fer/"))
    assert (ROOT / file).is_file(), f"there is no file {file}"
    if file.parent.name == "scripts":
        parser_of(file.stem).parse_args(words[2:])


CHECKS = {"fer": check_fer, "make": check_target, "pip": check_requirements, "python": check_python}


def find_problems(blocks: list[Block]) -> list[str]:
    """What is wrong with the commands of some blocks, each with its line."""
    problems = []
    for block in blocks:
        for words in expanded_commands(block.code) if block.language in ("bash", "sh") else ():
            try:
                if words[0] not in FOREIGN:
                    CHECKS[words[0]](words)
            # A parser of argparse ends the program.
            except (Exception, SystemExit) as error:
                problems.append(f"block at line {block.line}: {shlex.join(words)}: {error!r} {error}")
    return problems


def mentioned_options(text: str) -> Iterator[tuple[str, str]]:
    """Command and option of each `fer COMMAND ... --OPTION` within a sentence."""
    for token in MarkdownIt().parse(text):
        for child in token.children or []:
            words = child.content.split() if child.type == "code_inline" else []
            if len(words) > 1 and words[0] == "fer" and words[1].isidentifier():
                yield from ((words[1], word.partition("=")[0]) for word in words[2:] if word.startswith("--"))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text.relative_to(ROOT)))
def test_commands_can_be_given(text):
    assert find_problems(read_blocks(text)) == []


@pytest.mark.parametrize("text", [text for text in TEXTS if text.name != "CHANGELOG.md"], ids=lambda text: text.name)
def test_options_within_sentences_are_those_of_the_command(text):
    content = text.read_text(encoding="utf-8")
    for command, option in mentioned_options(content):
        known = {"--help", *(name for one in COMMANDS[command].params for name in (*one.opts, *one.secondary_opts))}
        assert option in known, f"fer {command} has no {option}"
    for script in re.findall(r"scripts/\w+\.py", content):
        assert (ROOT / script).is_file(), script


def test_every_text_is_looked_at():
    names = {str(text.relative_to(ROOT)) for text in TEXTS}
    assert {"RESULTS.md", "model_card.md", "RELEASING.md", "CONTRIBUTING.md", "examples/README.md", "space/README.md"} <= names
    assert not names & {"docs/results.md", "docs/card.md"}


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("fer train finetune --data prepared/mine --output runs/mine --epochs 3", "--epochs"),
        ("fer train finetune --data prepared/mine", "MissingParameter"),
        ("fer train fine-tune --data prepared/mine --output runs/mine", "no recipe fine-tune"),
        ("fer train finetune --data prepared/mine --output runs/mine --set dropout=0.5", "no setting 'dropout'"),
        ("fer predict party.jpg --prior 2", "BadParameter"),
        ("fer prepare folder my-photos/ --output prepared/mine", "no form folder"),
        ("fer learn", "KeyError"),
        ('S="fer search ckplus48_hybrid --data prepared/ckplus48"\n$S --output runs/search --points 3', "--points"),
        ("python scripts/measure_cost.py --checkpoints fer-base --second 5 --outputs cost.json", "SystemExit"),
        ("OMP_NUM_THREADS=1 python scripts/measure_everything.py", "no file scripts/measure_everything.py"),
        ('pip install "modeling-fer[everything]"', "everything"),
        ("make everything", "everything"),
        ("conda install modeling-fer", "conda"),
    ],
)
def test_a_wrong_command_is_found(command, problem):
    [found] = find_problems([Block("bash", "", command, 1)])
    assert problem in found

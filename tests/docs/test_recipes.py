"""The bundled recipes are listed for those who look for one."""

import re

import pytest
from helpers import ROOT, fer, plain

from modeling_fer.training.recipe import RECIPES


def bundled() -> list[str]:
    return sorted(file.stem for file in RECIPES.glob("*.yaml"))


def test_the_page_names_every_bundled_recipe_and_no_other():
    page = (ROOT / "docs/reference/training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE)
    assert sorted(name for name, _ in rows) == bundled()


@pytest.mark.parametrize("command", ["train", "cross-validate", "search"])
def test_the_help_of_a_command_names_them_too(command):
    assert f"Name of a bundled recipe ({', '.join(bundled())}), or a YAML file." in plain(fer(command, "--help").stdout)

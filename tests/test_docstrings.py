"""The examples in docstrings run, and give what they say."""

import doctest
from importlib import import_module

import pytest
from helpers import ROOT

FILES = [file for file in sorted((ROOT / "modeling_fer").rglob("*.py")) if ">>> " in file.read_text(encoding="utf-8")]
MODULES = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in FILES]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, photo_path, monkeypatch):
    monkeypatch.chdir(photo_path.parent)
    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0 and result.failed == 0

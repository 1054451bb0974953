"""Files that are read by others' machines: workflows, forms, the citation; and what they say twice."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from helpers import ROOT
from packaging.version import Version

import modeling_fer

FORMS = ("bug", "idea", "measurement")
SCHEMAS = [
    ("citation-file-format", "CITATION.cff"),
    ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    *(("github-issue-forms", f".github/ISSUE_TEMPLATE/{name}.yml") for name in FORMS),
    *(("github-workflows", str(path.relative_to(ROOT))) for path in sorted((ROOT / ".github/workflows").glob("*.yml"))),
]


@pytest.mark.parametrize(("schema", "file"), SCHEMAS)
def test_files_fit_their_schema(schema, file):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", ROOT / file]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def released_version() -> str:
    """The version of the last release: the newest one that CHANGELOG has a dated section for."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.findall(r"^## \[(.+?)\] - \d{4}-\d\d-\d\d$", text, re.MULTILINE)[0]


def test_the_version_is_that_of_the_last_release_or_a_later_one_in_development():
    version, released = Version(modeling_fer.__version__), Version(released_version())
    assert version == released or (version.is_devrelease and version > released)


def test_unreleased_changes_are_not_called_a_release():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert unreleased and (Version(modeling_fer.__version__).is_devrelease or not unreleased[1].strip())


def test_the_citation_names_the_release_and_the_addresses_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == released_version()
    assert citation["repository-code"] == project["urls"]["Source"]
    assert citation["license"] == project["license"]
    assert f"https://doi.org/{citation['preferred-citation']['doi']}" == project["urls"]["Paper"]


def test_the_changelog_has_dated_sections_below_what_is_not_released():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.MULTILINE)
    assert [version for version, _ in versions[:2]] == ["Unreleased", released_version()]
    assert all(date for _, date in versions[1:])


def test_tested_pythons_are_those_that_the_package_names():
    checks = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text(encoding="utf-8"))
    matrix = checks["jobs"]["tests"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [one.rpartition(" ")[2] for one in project["classifiers"] if re.search(r"Python :: 3\.\d+$", one)]
    assert matrix["python"] == named
    assert project["requires-python"] == f">={named[0]}"

"""The check of a release, on archives that are whole and on archives that are not."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from check_release import Archives, find_faults
from helpers import write

FILES = ("modeling_fer/__init__.py", "modeling_fer/py.typed", "modeling_fer/recipes/one.yaml", "modeling_fer_cli/__init__.py")


BESIDE = ("CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml")


def write_archives(
    folder: Path,
    names: tuple[str, ...] = FILES,
    readme: str = "Read [more](https://example.org).",
    version: str = "1.0.0",
    source: tuple[str, ...] = (*FILES, *BESIDE),
) -> Archives:
    """Archives as a build leaves them."""
    wheel, sdist = folder / f"modeling_fer-{version}-py3-none-any.whl", folder / f"modeling_fer-{version}.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        metadata = f"Name: modeling-fer\nVersion: {version}\n\n{readme}\n"
        archive.writestr(f"modeling_fer-{version}.dist-info/METADATA", metadata)
        for name in names:
            archive.writestr(name, "")
    with tarfile.open(sdist, "w:gz") as archive:
        for name in source:
            archive.addfile(tarfile.TarInfo(f"modeling_fer-{version}/{name}"), io.BytesIO())
    return Archives(wheel, sdist)


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "source"
    for name in FILES:
        write(folder / name, "")
    write(folder / "CHANGELOG.md", "# Changelog\n\n## [1.0.0] - 2026-01-02\n")
    write(folder / "CITATION.cff", "cff-version: 1.2.0\nversion: 1.0.0\n")
    return folder


def test_whole_archives_have_no_fault(tmp_path, source):
    assert find_faults(write_archives(tmp_path), source) == []


def test_what_is_missing_or_foreign_is_named(tmp_path, source):
    names = (*FILES[:2], FILES[3], "modeling_fer/faces.parquet", "tests/test_all.py")
    assert find_faults(write_archives(tmp_path, names), source) == [
        "The wheel lacks modeling_fer/recipes/one.yaml.",
        "The wheel holds modeling_fer/faces.parquet, which does not belong there.",
        "The wheel holds tests/test_all.py, which does not belong there.",
    ]


def test_the_sdist_holds_the_packages_and_no_tests(tmp_path, source):
    archives = write_archives(tmp_path, source=(*FILES[1:], *BESIDE[1:], "tests/test_faces.py"))
    assert find_faults(archives, source) == [
        "The sdist lacks CHANGELOG.md.",
        "The sdist lacks modeling_fer/__init__.py.",
        "The sdist holds tests, which need the whole repository; MANIFEST.in is to leave them out.",
    ]


def test_between_releases_the_texts_name_the_last_one(tmp_path, source):
    assert find_faults(write_archives(tmp_path, version="1.1.0.dev0"), source) == []


def test_versions_must_agree_and_the_changelog_be_dated(tmp_path, source):
    write(source / "CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## 0.9.0 - 2025-01-01\n")
    write(source / "CITATION.cff", "version: 0.9.0\n")
    assert find_faults(write_archives(tmp_path), source) == [
        "CHANGELOG.md has no dated section for 1.0.0.",
        "CITATION.cff does not name the version 1.0.0.",
    ]


def test_links_that_break_on_the_package_index_are_named(tmp_path, source):
    faults = find_faults(write_archives(tmp_path, readme='![A picture](docs/a.png) <img src="b.png"> [down](#cite)'), source)
    assert faults == [
        "README links to docs/a.png, which the package index does not know; make it absolute.",
        "README links to b.png, which the package index does not know; make it absolute.",
    ]

"""`fer predict` whose standard output or standard error is full, closed, or no longer read."""

import subprocess
from pathlib import Path

import pytest
from helpers import FER, fer

pytestmark = pytest.mark.slow


def in_shell(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", "-c", f"{FER} {command}"], capture_output=True, text=True, cwd=folder, timeout=120)


@pytest.fixture
def folder(small, tmp_path) -> Path:
    small.save(tmp_path / "photo.jpg")
    return tmp_path


def test_a_full_output_is_a_failure(folder):
    done = in_shell("predict photo.jpg > /dev/full", folder)
    assert (done.returncode, done.stderr) == (1, "the standard output cannot be written: No space left on device.\n")


@pytest.mark.parametrize(("closed", "left"), [(">&-", ""), ("2>&-", "photo.jpg\t1\t")])
def test_a_closed_stream_is_done_without(folder, closed, left):
    done = in_shell(f"predict photo.jpg {closed}", folder)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(left)


def test_rows_need_an_output(folder):
    done = in_shell("predict photo.jpg --output - >&-", folder)
    assert done.returncode == 2 and "is the standard output, which is closed; name a file." in done.stderr


@pytest.mark.parametrize("rows", ["", "--output -"])
def test_it_ends_without_a_word_when_nobody_reads(folder, small, rows):
    for number in range(3000):
        (folder / f"{number:04}.jpg").write_bytes((folder / "photo.jpg").read_bytes() + b"%d" % number)
    done = in_shell(f"predict . --workers 1 {rows} | head -1; exit ${{PIPESTATUS[0]}}", folder)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("\n") == 1


def test_what_is_written_elsewhere_goes_on_when_nobody_reads(folder):
    for number in range(60):
        (folder / f"{number:02}.jpg").write_bytes((folder / "photo.jpg").read_bytes() + b"%d" % number)
    done = in_shell("predict . --workers 1 --output all.csv | head -1; exit ${PIPESTATUS[0]}", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "all.csv").read_text().count("\n") == 62


def test_an_empty_name_is_not_this_folder():
    done = fer("predict", "")
    assert done.returncode == 2 and "an input is empty; give a photo, a video, a folder or a pattern." in done.stderr

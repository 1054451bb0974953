"""`fer predict` that is killed, stopped or out of space keeps what it found, and that of the run before it."""

import csv
import os
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pyarrow.parquet
import pytest
from helpers import FER, fer, limit_file_size
from predictions import read_rows


@pytest.fixture
def many(small, tmp_path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    small.save(folder / "0000.jpg")
    # The same file by several names is read once.
    for number in range(1, 2000):
        shutil.copyfile(folder / "0000.jpg", folder / f"{number:04}.jpg")
    return folder


def start_and_stop(many: Path, output: Path, written: Path, number: int) -> subprocess.CompletedProcess:
    """Starts a run and sends it a signal as soon as it has written some rows."""
    command = [FER, "predict", many, "--output", output, "--batch-size", "8"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if written.exists() and written.read_bytes().count(b"\n") > 40:
            process.send_signal(number)
            break
        time.sleep(0.05)
    stdout, stderr = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@pytest.mark.slow
def test_killed_in_the_middle_the_rows_are_there(many, tmp_path):
    for output, written in (("a.jsonl", "a.jsonl"), ("b.csv", "b.csv"), ("c.parquet", "c.parquet.unfinished.jsonl")):
        done = start_and_stop(many, tmp_path / output, tmp_path / written, signal.SIGKILL)
        assert done.returncode == -signal.SIGKILL
        if output == "b.csv":
            rows = list(csv.DictReader((tmp_path / output).open(encoding="utf-8", newline="")))
        else:
            rows = read_rows(tmp_path / written)
        shown = done.stdout.splitlines()
        assert len(rows) >= max(40, len(shown))
        assert all(row["expression"] == "happiness" for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "send"), [(signal.SIGTERM, os.kill), (signal.SIGINT, os.killpg)])
def test_stopped_before_the_first_row_it_promises_nothing(many, tmp_path, number, send):
    # A terminal sends Ctrl-C to all processes of a command, `kill` its signal to one.
    command = [FER, "predict", many, "--workers", "2", "--output", tmp_path / "faces.csv"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    # Its worker processes start, which takes longer than to find the photos.
    while process.poll() is None and not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text():
        time.sleep(0.01)
    send(process.pid, number)
    assert process.communicate(timeout=60)[1] == "interrupted: no row is written yet.\n"
    assert process.returncode == 1 and not (tmp_path / "faces.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_the_file_is_whole(many, tmp_path, number):
    output = tmp_path / "faces.parquet"
    done = start_and_stop(many, output, tmp_path / "faces.parquet.unfinished.jsonl", number)
    assert done.returncode == 1
    assert done.stderr == "interrupted: the results so far are kept.\n"
    assert 40 < pyarrow.parquet.read_table(output).num_rows < 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces.parquet", "many"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_full_disk_keeps_whole_rows(many, tmp_path, suffix):
    output = tmp_path / f"faces.{suffix}"
    done = subprocess.run(
        [FER, "predict", many, "--output", output],
        capture_output=True,
        text=True,
        preexec_fn=partial(limit_file_size, 6000),
    )
    assert done.returncode == 1
    assert done.stderr == f"{output} cannot be written: File too large.\n"
    text = output.read_text(encoding="utf-8")
    assert text.endswith("\n") and 4000 < len(text) <= 6000
    rows = read_rows(output) if suffix == "jsonl" else list(csv.DictReader(text.splitlines()))
    assert rows[-1]["expression"] == "happiness"


def test_a_run_that_reads_nothing_keeps_the_results_of_before(small, tmp_path):
    small.save(tmp_path / "a.png")
    for output in ("FACES.CSV", "faces.parquet"):
        assert fer("predict", tmp_path / "a.png", "--output", tmp_path / output).returncode == 0
        before = (tmp_path / output).read_bytes()
        done = fer("predict", tmp_path / "b.png", tmp_path / "b.mp4", "--output", tmp_path / output)
        assert (done.returncode, done.stdout) == (1, "")
        assert (tmp_path / output).read_bytes() == before

"""The files and lines that `fer predict` writes: they replace nothing of a user's, and say also what was not found."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from helpers import FER, fer, two_people, write_clip
from predictions import read_rows


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


# Files beside each other


def test_outputs_replace_no_input_and_no_other_output(small, tmp_path):
    small.save(tmp_path / "a.jpg")
    small.save(tmp_path / "a.png")
    small.save(tmp_path / "A.PNG")
    write_clip(tmp_path / "a.mp4", [small] * 3)
    write_clip(tmp_path / "a.mkv", [small] * 3)
    before = digests(tmp_path)
    for _ in range(2):
        done = fer("predict", *(tmp_path / name for name in sorted(before)), "--overlay", tmp_path)
        assert done.returncode == 0, done.stderr
        assert {name: digest for name, digest in digests(tmp_path).items() if name in before} == before
        # A second run replaces what the first one drew, and nothing else.
        assert len(digests(tmp_path)) == 10


def test_the_tracks_of_an_earlier_run_do_not_stay_beside_new_rows(small, tmp_path):
    small.save(tmp_path / "a.jpg")
    write_clip(tmp_path / "a.mp4", [small] * 6)
    table, tracks = tmp_path / "faces.csv", tmp_path / "faces.tracks.csv"
    assert fer("predict", tmp_path / "a.mp4", "--output", table).returncode == 0
    assert tracks.is_file()
    # A run that reads nothing leaves both.
    assert fer("predict", tmp_path / "missing.jpg", "--output", table).returncode == 1
    assert tracks.is_file()
    assert fer("predict", tmp_path / "a.jpg", "--output", table).returncode == 0
    assert not tracks.exists()


def test_pictures_that_are_no_inputs_are_not_replaced_either(small, tmp_path):
    small.save(tmp_path / "a.jpg")
    small.rotate(90).save(tmp_path / "a.png")
    before = digests(tmp_path)
    assert fer("predict", tmp_path / "a.jpg", "--overlay", tmp_path).returncode == 0
    assert digests(tmp_path)["a.png"] == before["a.png"]
    assert (tmp_path / "a-1.png").is_file()


def test_drawings_inside_a_folder_of_photos_are_not_read(small, tmp_path):
    small.save(tmp_path / "a.jpg")
    for _ in range(2):
        fer("predict", tmp_path, "--overlay", tmp_path / "out", "--output", tmp_path / "faces.jsonl")
    assert [row["file"] for row in read_rows(tmp_path / "faces.jsonl")] == [str(tmp_path / "a.jpg")]


def test_an_overlay_that_cannot_be_written_is_reported(small, tmp_path, monkeypatch):
    small.save(tmp_path / "a.jpg")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = fer("predict", tmp_path / "a.jpg", "--overlay", tmp_path / "out", "--output", tmp_path / "faces.csv")
    assert done.returncode == 1
    assert "a.png: cannot be written: No space left on device" in done.stderr
    assert "happiness" in (tmp_path / "faces.csv").read_text(encoding="utf-8")


# Nothing found


def test_photos_without_a_face_have_a_row(noise, small, tmp_path):
    noise.save(tmp_path / "a.png")
    small.save(tmp_path / "b.png")
    fer("predict", tmp_path, "--output", tmp_path / "faces.jsonl")
    none, found = read_rows(tmp_path / "faces.jsonl")
    assert (none["file"], none["face"], none["xmin"], none["expression"]) == (str(tmp_path / "a.png"), 0, None, None)
    assert found["face"] == 1 and list(none) == list(found)
    fer("predict", tmp_path, "--output", tmp_path / "faces.jsonl", "--faces-only")
    assert [row["face"] for row in read_rows(tmp_path / "faces.jsonl")] == [1]


# The console


def test_lines_for_a_pipe_are_plain(small, tmp_path):
    name = "a" * 90 + ".png"
    two_people(small).save(tmp_path / name)
    lines = fer("predict", tmp_path / name).stdout.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [[str(tmp_path / name), "1"], [str(tmp_path / name), "2"]]
    assert all(line.split("\t")[3].startswith("happiness ") for line in lines)


def test_rows_on_the_standard_output(small, noise, tmp_path):
    small.save(tmp_path / "a.png")
    noise.save(tmp_path / "b.png")
    done = fer("predict", tmp_path, "--output", "-")
    assert [(json.loads(line)["face"], json.loads(line)["expression"]) for line in done.stdout.splitlines()] == [
        (1, "happiness"),
        (0, None),
    ]


@pytest.mark.slow
def test_a_reader_that_goes_away_does_not_end_the_run(small, tmp_path):
    for number in range(6):
        small.save(tmp_path / f"{number}.png")
    command = f"{FER} predict {tmp_path} --batch-size 1 --output {tmp_path}/a.csv | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()) == 7

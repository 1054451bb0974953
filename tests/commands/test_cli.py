"""The command `fer`, run as users run it."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet
import pytest
from helpers import FER, fer, write_bad_files
from PIL import Image

from modeling_fer.inference.media import Finder, Source


@pytest.mark.slow
def test_a_photo_from_a_cold_start(photo_path, tmp_path):
    done = subprocess.run([FER, "predict", photo_path, "--overlay", tmp_path], capture_output=True, text=True, check=True)
    assert "happiness" in done.stdout
    assert done.stderr == ""
    assert Image.open(tmp_path / "astronaut.png").width > 512


def test_help_answers_at_once():
    start = time.perf_counter()
    done = subprocess.run([FER, "--help"], capture_output=True, text=True, check=True)
    # Half a second is promised and measured by scripts/benchmark.py; a loaded machine gets more here.
    assert time.perf_counter() - start < 3
    assert "predict" in done.stdout
    imported = subprocess.run(
        [sys.executable, "-c", "import sys, modeling_fer_cli; print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert imported.stdout.strip() == "False"


def test_outputs_say_the_same_in_every_format(photo_path, tmp_path):
    for suffix in ("jsonl", "csv", "parquet"):
        assert fer("predict", photo_path, "--output", tmp_path / f"faces.{suffix}").returncode == 0
    [from_json] = [json.loads(line) for line in (tmp_path / "faces.jsonl").read_text().splitlines()]
    [from_csv] = csv.DictReader((tmp_path / "faces.csv").open())
    [from_parquet] = pyarrow.parquet.read_table(tmp_path / "faces.parquet").to_pylist()
    assert from_json == from_parquet
    assert list(from_csv) == list(from_json)
    assert from_json["expression"] == from_csv["expression"] == "happiness"
    assert from_json["file"] == str(photo_path)
    assert float(from_csv["happiness"]) == pytest.approx(from_json["probability"], abs=1e-5)


def test_folders_patterns_and_equal_names(photo, tmp_path):
    for name in ("a/one.jpg", "b/one.jpg", "b/deeper/two.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        photo.save(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    done = fer(
        "predict", tmp_path / "b", f"{tmp_path}/a/*.jpg", "--overlay", tmp_path / "out", "--output", tmp_path / "f.jsonl"
    )
    assert done.returncode == 0
    files = [json.loads(line)["file"] for line in (tmp_path / "f.jsonl").read_text().splitlines()]
    assert files == [str(tmp_path / name) for name in ("b/one.jpg", "b/deeper/two.png", "a/one.jpg")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one-1.png", "one.png", "two.png"]


def test_bad_files_are_reported_and_the_rest_goes_on(photo, noise, tmp_path):
    bad = write_bad_files(tmp_path)
    photo.save(tmp_path / "good.jpg")
    noise.save(tmp_path / "noise.png")
    done = fer("predict", tmp_path, tmp_path / "missing.jpg", "--output", tmp_path / "faces.csv")
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == len(bad) + 1
    for name in [*bad, "missing.jpg"]:
        assert sum(name in line for line in lines) == 1
    assert "happiness" in done.stdout
    assert "no face found" in done.stdout
    rows = list(csv.DictReader((tmp_path / "faces.csv").open(encoding="utf-8")))
    assert [(row["file"], row["face"]) for row in rows] == [
        (str(tmp_path / "good.jpg"), "1"),
        (str(tmp_path / "noise.png"), "0"),
    ]


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="folders are locked by modes only where users have numbers")
def test_unreadable_folder_is_reported(photo, tmp_path):
    photo.save(tmp_path / "good.jpg")
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0)
    user = os.geteuid()
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if user == 0 and folder != Path("/tmp"):
            folder.chmod(0o755)
    try:
        if user == 0:
            os.seteuid(65534)
        complaints: list[str] = []
        finder = Finder(lambda name, reason: complaints.append(f"{name}: {reason}"), complaints.append)
        found = finder.find([str(locked), str(tmp_path / "good.jpg")])
    finally:
        os.seteuid(user)
        locked.chmod(0o755)
    assert found == [Source(str(tmp_path / "good.jpg"), "photo")]
    assert complaints == [f"{locked}: this folder cannot be read; check its permissions."]


def test_crops_and_top_k(photo, tmp_path):
    photo.crop((170, 50, 280, 180)).save(tmp_path / "crop.png")
    done = fer("predict", tmp_path / "crop.png", "--no-detect", "--top-k", 1)
    assert done.returncode == 0
    assert "happiness" in done.stdout
    assert "neutral" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict"],
        ["predict", "x.jpg", "--output", "faces.xlsx"],
        ["predict", "x.jpg", "--batch-size", "0"],
        ["predict", "PHOTO", "--model", "no/such-folder/here"],
        ["predict", "PHOTO", "--device", "abacus"],
        ["predict", "PHOTO", "--output", "PHOTO/faces.csv"],
        ["predict", "PHOTO", "--overlay", "PHOTO/out"],
        ["guess"],
    ],
)
def test_wrong_usage_ends_with_2(arguments, photo_path):
    assert fer(*[argument.replace("PHOTO", str(photo_path)) for argument in arguments]).returncode == 2


def test_model_without_weights_is_wrong_usage(tiny_checkpoint, photo_path):
    (tiny_checkpoint / "model.safetensors").unlink()
    done = fer("predict", photo_path, "--model", tiny_checkpoint)
    assert done.returncode == 2
    assert "model.safetensors" in done.stderr


def test_empty_folder_and_pattern_without_match(tmp_path):
    done = fer("predict", tmp_path, f"{tmp_path}/*.gif")
    assert done.returncode == 1
    assert "holds no photo and no video" in done.stderr
    assert "no file matches" in done.stderr

"""Photos and videos of whatever name, format and size are read by `fer predict`."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from helpers import FER, fer, write_clip
from PIL import Image
from predictions import read_rows

# Names and encodings


@pytest.mark.slow
def test_names_that_are_not_utf8_and_a_console_that_knows_ascii_only(small, tmp_path):
    for name in (b"caf\xe9.jpg", "Zoë 😀.jpg".encode(), b"two\nlines.jpg", b"\x1b[2J.jpg"):
        small.save(tmp_path / "photo.jpg")
        os.rename(tmp_path / "photo.jpg", os.path.join(os.fsencode(tmp_path), name))
    write_clip(tmp_path / "clip.mp4", [small] * 3)
    os.rename(tmp_path / "clip.mp4", os.path.join(os.fsencode(tmp_path), b"vid\xe9o.mp4"))
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    output = tmp_path / "out/faces.jsonl"
    command = [FER, "predict", tmp_path, "--output", output, "--overlay", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    lines = done.stdout.decode("ascii").splitlines()
    assert len(lines) == 5 and any("caf\\xe9.jpg" in line for line in lines) and any("\\x1b[2J" in line for line in lines)
    names = [Path(row["file"]).name for row in read_rows(output)]
    assert set(names) == {"caf\\xe9.jpg", "Zoë 😀.jpg", "two\nlines.jpg", "\x1b[2J.jpg", "vid\\xe9o.mp4"}
    drawn = os.listdir(os.fsencode(tmp_path / "out"))
    assert b"caf\xe9.png" in drawn and b"vid\xe9o.mp4" in drawn


# Formats


def test_every_kind_of_photo_and_video_in_a_folder(small, tmp_path):
    pillow_heif.register_heif_opener()
    photos = ["a.jfif", "b.gif", "c.avif", "d.jp2", "e.heic", "f.JPG", "g.webp", "h.tif"]
    for name in photos:
        form = "JPEG" if name.endswith("jfif") else None
        small.save(tmp_path / name, form)
    small.save(tmp_path / "wave.png", save_all=True, append_images=[small.rotate(5), small.rotate(9)])
    videos = ["a.3gp", "b.mts", "c.ts", "d.flv", "e.webm", "f.MP4", "g.avi"]
    for name in videos:
        form = {".3gp": ".mp4", ".mts": ".ts", ".webm": ".mkv", ".MP4": ".mp4"}.get(Path(name).suffix, Path(name).suffix)
        write_clip(tmp_path / f"clip{form}", [small] * 3).rename(tmp_path / name)
    for name in ("notes.txt", "program.ts", "x.pdf"):
        (tmp_path / name).write_text("const one = 1;", encoding="utf-8")
    (tmp_path / "._f.JPG").write_bytes(b"\0\5\x16\7")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
    done = fer("predict", tmp_path, "--output", tmp_path / "faces.csv")
    assert done.returncode == 0, done.stderr
    note, animation = sorted(done.stderr.splitlines(), key=lambda line: "animation" in line)
    assert note == f"{tmp_path}: 3 other files (.pdf, .ts, .txt) are left out."
    assert animation == f"{tmp_path}/wave.png is an animation; the first of its 3 pictures is read."
    rows = list(csv.DictReader((tmp_path / "faces.csv").open(encoding="utf-8")))
    assert {Path(row["file"]).name for row in rows if row["time"] == ""} == {*photos, "wave.png"}
    assert {Path(row["file"]).name for row in rows if row["time"]} == set(videos)


def test_heic_without_its_decoder_is_one_sentence(small, tmp_path, monkeypatch):
    pillow_heif.register_heif_opener()
    small.save(tmp_path / "a.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "OPEN", {key: value for key, value in Image.OPEN.items() if key != "HEIF"})
    monkeypatch.setattr(Image, "ID", [form for form in Image.ID if form not in ("HEIF", "AVIF")])
    done = fer("predict", tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/a.heic is a HEIC photo, which needs pillow-heif; run: pip install pillow-heif.\n"


def test_files_of_no_or_another_suffix_are_known_by_what_is_in_them(small, tmp_path):
    small.save(tmp_path / "IMG_0001", "JPEG")
    write_clip(tmp_path / "clip.mp4", [small] * 3).rename(tmp_path / "download")
    assert fer("predict", tmp_path / "IMG_0001", tmp_path / "download", "--output", tmp_path / "a.jsonl").returncode == 0
    rows = read_rows(tmp_path / "a.jsonl")
    assert [(Path(row["file"]).name, row["frame"]) for row in rows] == [("IMG_0001", None), ("download", 0), ("download", 2)]


# Pipes


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="this system has no name for the standard input")
def test_a_photo_comes_through_a_pipe(photo_path):
    piped = subprocess.run([FER, "predict", "/dev/stdin", "--top-k", "1"], input=photo_path.read_bytes(), capture_output=True)
    assert piped.stderr == b"" and piped.returncode == 0
    assert piped.stdout.startswith(b"/dev/stdin\t1\t") and b"happiness" in piped.stdout
    script = f'"{FER}" predict <(cat "{photo_path}") --top-k 1'
    substituted = subprocess.run(["bash", "-c", script], capture_output=True)
    assert substituted.stderr == b"" and substituted.stdout.partition(b"\t")[2] == piped.stdout.partition(b"\t")[2]


def test_a_dash_says_how_to_give_the_standard_input():
    done = fer("predict", "-")
    assert done.returncode == 1
    assert done.stderr == "- is no file; for a photo on the standard input give /dev/stdin.\n"


# Files of several pictures


def test_photos_with_a_second_picture_are_no_animations(small, tmp_path):
    small.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[small.rotate(5)])
    small.save(tmp_path / "b.tif", save_all=True, append_images=[small.rotate(5), small.rotate(9)])
    done = fer("predict", tmp_path, "--model", "fer-tiny")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
    assert done.stderr == f"{tmp_path}/b.tif holds 3 pictures; the first is read.\n"


# Small faces


def test_small_faces_of_large_photos_are_found(photo, tmp_path):
    large = Image.new("RGB", (4000, 3000), "gray")
    large.paste(photo.resize((240, 240)), (1000, 1000))
    large.paste(photo.resize((120, 120)), (3000, 2000))
    large.save(tmp_path / "a.png")

    def count(*options) -> int:
        fer("predict", tmp_path / "a.png", "--output", tmp_path / "a.jsonl", "--faces-only", *options)
        return len(read_rows(tmp_path / "a.jsonl"))

    # Faces of 50 and of 25 pixels.
    assert count("--search-size", "640") == 0
    assert count() == 1
    assert count("--min-face", "20") == 2
    assert count("--min-face", "40") == 1
    assert count("--min-face", "0.3") == 0

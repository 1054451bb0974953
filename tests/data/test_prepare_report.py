"""The report on a preparation: every problem, and the photos without a face."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from helpers import fer, save, write
from PIL import Image

from modeling_fer.data import load_splits
from modeling_fer.data.face_preparer import PrepareSettings
from modeling_fer.data.prepare import finish, prepare
from modeling_fer.data.readers import read_source
from modeling_fer.data.shared_images import digest_images


def test_nothing_is_dropped_silently(faces, tmp_path):
    settings = PrepareSettings(image_size=64, landmarks="none", drop_not_found=True)
    source = read_source("imagefolder", faces)
    splits = prepare(source, settings, tmp_path / "out")
    finish(splits, source, settings, tmp_path / "out")
    assert splits["test"]["source"] == ["test/smile/c.png"]
    with open(tmp_path / "out/report/problems.csv", newline="") as file:
        problems = {row["source"]: row["problem"] for row in csv.DictReader(file)}
    assert problems["test/smile/d.png"] == "No face was found in the image."
    assert "cannot be read" in problems["test/smile/e.png"]
    summary = json.loads((tmp_path / "out/report/summary.json").read_text())
    assert summary["train"]["classes"] == {"frown": 1, "smile": 1}
    sheet = Image.open(tmp_path / "out/report/not_found.png")
    assert sheet.size == (120, 134) and np.asarray(sheet).std() > 10
    assert "No face was found in the image. (1 times)" in (tmp_path / "out/README.md").read_text()


def draw_noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32)).astype(np.uint8))


def test_images_that_splits_share_are_noted_with_their_number_and_listed(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    images = {"train/smile/a": 1, "train/frown/b": 2, "train/frown/again": 2, "validation/smile/c": 3, "validation/frown/d": 4}
    for name, seed in {**images, "test/smile/e": 1, "test/frown/f": 5}.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        draw_noise(seed).save(raw / f"{name}.png")
    # The same pixels in a file of another kind.
    draw_noise(2).save(raw / "test/frown/g.bmp")
    command = ("prepare", "imagefolder", raw, "--output", out, "--cropped", "--image-size", 24, "--landmarks", "none")
    done = fer(*command)
    copies = "Images that are copies of others, pixel by pixel: 3."
    assert "Problems: 2, listed in" in done.stdout and copies in done.stdout and "another label" not in done.stdout
    with open(out / "report/problems.csv", newline="") as file:
        problem, counted = csv.DictReader(file)
    assert counted["problem"] == copies
    assert problem["source"] == "test"
    assert problem["problem"].startswith("Images that are in train too: 2, the first is test/frown/g.bmp, there train/frown/")
    assert problem["problem"] in (out / "README.md").read_text()
    with open(out / "report/shared_images.csv", newline="") as file:
        listed = {(row["split"], row["source"], row["first_split"]) for row in csv.DictReader(file)}
    assert listed == {
        ("train", "train/frown/b.png", "train"),
        ("test", "test/smile/e.png", "train"),
        ("test", "test/frown/g.bmp", "train"),
    }
    for name in ("train/frown/again.png", "test/smile/e.png", "test/frown/g.bmp"):
        (raw / name).unlink()
    draw_noise(6).save(raw / "test/smile/e.png")
    done = fer(*command)
    assert done.returncode == 0 and "Problems" not in done.stdout, done.stderr
    assert not (out / "report/shared_images.csv").exists()


def test_copies_of_photos_are_counted_kept_and_held_out_together(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    for label in ("frown", "smile"):
        (raw / label).mkdir(parents=True)
        for number in range(10):
            draw_noise(number // 2 + 10 * (label == "smile")).save(raw / label / f"{number}.png")
    draw_noise(0).save(raw / "smile/other.png")
    command = ("prepare", "imagefolder", raw, "--output", out, "--cropped", "--image-size", 24, "--landmarks", "none")
    counts = ("copies of others, pixel by pixel: 11.", "Copies with another label than the first of them: 1.")
    for _ in ("prepared", "prepared already"):
        done = fer(*command)
        assert done.returncode == 0 and "21 images" in done.stdout and all(count in done.stdout for count in counts), (
            done.stderr
        )
    with open(out / "report/shared_images.csv", newline="") as file:
        [conflict] = [row for row in csv.DictReader(file) if row["label"] != row["first_label"]]
    assert (conflict["source"], conflict["label"], conflict["first_label"]) == ("smile/other.png", "smile", "frown")
    splits = load_splits(out)
    train, held = (set(digest_images(splits[name])) for name in ("train", "validation"))
    assert not train & held and len(train | held) == 10 and len(splits["train"]) + len(splits["validation"]) == 21


def test_landmarks_that_cannot_be_used_are_not_said_to_be_searched_for(tmp_path):
    save(tmp_path / "a.png")
    write(tmp_path / "faces.csv", 'image,label,landmarks\na.png,smile,"[1, 2, 3]"\n')
    fer("prepare", "table", tmp_path / "faces.csv", "--output", tmp_path / "out", "--cropped", "--landmarks", "none")
    with open(tmp_path / "out/report/problems.csv", newline="") as file:
        [problem] = csv.DictReader(file)
    assert problem["problem"] == "The landmarks are not pairs of x and y; the image counts as one without."


def test_problems_are_told_only_where_there_are_any(tmp_path):
    raw = save(tmp_path / "raw/smile/a.png").parents[1]
    command = (
        "prepare",
        "imagefolder",
        raw,
        "--cropped",
        "--image-size",
        24,
        "--landmarks",
        "none",
        "--output",
        tmp_path / "out",
    )
    for said in ("train: 1 images", "holds this data set already"):
        done = fer(*command)
        assert said in done.stdout and "Problems" not in done.stdout, done.stdout
    write(raw / "smile/notes.txt", "one")
    write(raw / "smile/more.txt", "two")
    done = fer(*command[:-1], tmp_path / "other")
    assert f"Problems: 2, listed in {tmp_path / 'other'}/report/problems.csv" in done.stdout
    assert "Problems: 2, listed in" in fer(*command[:-1], tmp_path / "other").stdout


def test_the_card_says_what_was_done_to_the_images(tmp_path):
    whole = "The images were crops of faces already and are taken whole: no face was searched, cut out or turned."
    raw, pixels = save(tmp_path / "raw/smile/a.png").parents[1], " ".join(["0"] * 48 * 48)
    write(tmp_path / "fer2013/fer2013.csv", f"emotion,pixels,Usage\n0,{pixels},Training\n")
    cases = [
        (("imagefolder", raw, "--cropped", "--like", "fer-base"), whole),
        (("fer2013", tmp_path / "fer2013"), whole),
        (("imagefolder", raw, "--margin", "0.25", "--no-align"), "Faces are cut with margin 0.25, offset 0.0,\nnot turned."),
    ]
    for number, (arguments, sentence) in enumerate(cases):
        out = tmp_path / f"out-{number}"
        done = fer("prepare", *arguments, "--landmarks", "none", "--output", out)
        assert done.returncode == 0, done.stderr
        card = (out / "README.md").read_text()
        assert sentence in card and card.count("Faces are cut") == (sentence != whole)


CONTACT_SHEET = """
import resource, sys
from modeling_fer.data.report import contact_sheet
from modeling_fer.data.source import Sample
from pathlib import Path
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sheet = contact_sheet([Sample(str(number), "smile", file=Path(sys.argv[1])) for number in range(10)])
print(sheet.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is told in other units elsewhere")
def test_a_contact_sheet_holds_one_photo_at_a_time(tmp_path):
    Image.new("RGB", (4000, 3000), "gray").save(tmp_path / "large.jpg")
    command = [sys.executable, "-c", CONTACT_SHEET, tmp_path / "large.jpg"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "(960, 268)" in done.stdout, done.stderr
    # A photo of 12 megapixels takes 36 MB, and ten of them 360.
    assert int(done.stdout.split()[-1]) < 150_000

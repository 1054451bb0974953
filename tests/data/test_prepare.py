"""What a prepared data set holds: crops, landmarks, heatmaps, labels and votes."""

import numpy as np
import pytest
from datasets import load_dataset
from helpers import OFFLINE, fer, save, write, write_prepared

from modeling_fer.data.face_preparer import PrepareSettings
from modeling_fer.data.prepare import finish, prepare
from modeling_fer.data.prepared import load_whole
from modeling_fer.data.readers import read_source
from modeling_fer.data.source import Sample, Source
from modeling_fer.data.targets import choose_target


def test_prepared_columns(faces, tmp_path):
    source = read_source("imagefolder", faces)
    splits = prepare(source, OFFLINE, tmp_path / "out")
    finish(splits, source, OFFLINE, tmp_path / "out")
    dataset = load_dataset(str(tmp_path / "out"))
    assert {split: len(part) for split, part in dataset.items()} == {"train": 2, "test": 2}
    assert dataset["train"].features["label"].names == ["frown", "smile"]
    row = dataset["test"][0]
    assert row["image"].size == row["heatmap"].size == (64, 64)
    assert row["heatmap"].mode == "L" and row["heatmap_sigma"] == 3.0
    assert (row["source"], row["subject"], row["face_detected"]) == ("test/smile/c.png", None, True)
    # The detector's five points lie in the crop, eyes above mouth, and the heatmap peaks on one of them.
    points = np.array(row["landmarks"])
    assert points.shape == (5, 2) and points.min() > 0 and points.max() < 64
    assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min()
    # Eyes are level in an aligned crop.
    assert points[0, 1] == pytest.approx(points[1, 1], abs=0.01)
    heatmap = np.asarray(row["heatmap"])
    peak = np.array(np.unravel_index(heatmap.argmax(), heatmap.shape))[::-1]
    assert np.abs(points - peak).max(1).min() < 2 and heatmap.max() == 255
    missing = dataset["test"][1]
    assert (missing["source"], missing["face_detected"], missing["landmarks"]) == ("test/smile/d.png", False, None)
    assert missing["heatmap"] is None


def test_a_box_that_cannot_be_is_noted_and_the_rest_goes_on(tmp_path):
    save(tmp_path / "a.png", size=100)
    boxes = {"empty": (10, 10, 10, 10), "outside": (500, 500, 600, 600), "right": (10, 10, 90, 90)}
    samples = [Sample(name, "smile", file=tmp_path / "a.png", box=box) for name, box in boxes.items()]
    source = Source(["smile"], samples)
    prepared = prepare(source, PrepareSettings(image_size=32, landmarks="none"), tmp_path / "out")
    assert prepared["train"]["source"] == ["right"]
    assert [problem.source for problem in source.problems] == ["empty", "outside"]
    assert "is empty" in source.problems[0].sentence and "wholly outside" in source.problems[1].sentence


def test_tables_of_crops_are_taken_whole_and_pixels_and_votes_stay(tmp_path):
    raw = write_prepared(tmp_path / "raw", 6)
    options = ["--cropped", "--image-size", "48", "--landmarks", "none", "--output", tmp_path / "out"]
    done = fer("prepare", "table", raw, *options)
    assert done.returncode == 0 and "validation: 6 images" in done.stdout, done.stderr
    before, after = load_whole(raw), load_whole(tmp_path / "out")
    for split in ("train", "validation", "test"):
        for one, other in zip(before[split], after[split], strict=True):
            np.testing.assert_array_equal(one["image"], other["image"])
            np.testing.assert_allclose(one["landmarks"], other["landmarks"], atol=1e-4)
            assert (one["votes"], one["face_detected"]) == (other["votes"], other["face_detected"])
        names = [[part.features["label"].names[label] for label in part["label"]] for part in (before[split], after[split])]
        assert names[0] == names[1]
        targets = [choose_target(part, "joint")["distribution"] for part in (before[split], after[split])]
        np.testing.assert_allclose(*targets)


def test_ferplus_is_prepared_with_the_labels_of_fer2013_and_its_votes(tmp_path):
    pixels = " ".join(str(i % 256) for i in range(48 * 48))
    rows = [f"{number % 7},{pixels},{usage}" for number, usage in enumerate(["Training"] * 7 + ["PublicTest", "PrivateTest"])]
    write(tmp_path / "raw/fer2013.csv", "\n".join(["emotion,pixels,Usage", *rows]))
    columns = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    votes = ["Training,a.png,1,0,0,0,9,0,0,0,0,0"] * 8 + ["PrivateTest,,0,0,0,0,0,0,0,0,0,10"]
    write(tmp_path / "raw/fer2013new.csv", "\n".join([f"Usage,Image name,{columns}", *votes]))
    options = ["--image-size", "48", "--landmarks", "none", "--output", tmp_path / "out"]
    assert fer("prepare", "ferplus", tmp_path / "raw", *options).returncode == 0
    splits = load_whole(tmp_path / "out")
    assert {split: len(part) for split, part in splits.items()} == {"train": 7, "validation": 1, "test": 1}
    assert len(splits["train"].features["label"].names) == 7 and splits["train"]["votes"][0] == [1, 0, 0, 0, 9, 0, 0, 0, 0, 0]
    assert np.asarray(splits["train"]["image"][0]).ravel().tolist() == [i % 256 for i in range(48 * 48)]
    # Nobody saw a face in the last one: it has a label, and no vote to learn.
    assert len(choose_target(splits["validation"], "votes")) == 1 and len(choose_target(splits["test"], "votes")) == 0

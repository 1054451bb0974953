import csv
import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import load_dataset
from helpers import FER, OFFLINE, draw_face, fer, plain, save, write, write_prepared
from PIL import Image

from modeling_fer.data.face_preparer import PrepareSettings, given_face, prepared_features
from modeling_fer.data.landmarks import FanLandmarks
from modeling_fer.data.prepare import finish, is_finished, plan_shards, prepare, run_shards
from modeling_fer.data.prepared import load_whole
from modeling_fer.data.readers import read_source
from modeling_fer.data.source import Sample, Source
from modeling_fer.data.targets import choose_target
from modeling_fer.faces_fer import Face, FaceCropper, MtcnnDetector
from modeling_fer.images_fer import open_image


@pytest.fixture
def faces(tmp_path, photo) -> Path:
    """Three photos of a face, one without a face, and one that is no image."""
    folder = tmp_path / "faces"
    for name in ("train/smile/a.png", "train/frown/b.jpg", "test/smile/c.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path)
    save(folder / "test/smile/d.png", size=100, mode="RGB")
    write(folder / "test/smile/e.png", "not an image")
    return folder


def test_points_are_found_again_in_the_crop():
    image = np.zeros((200, 300), np.uint8)
    image[80, 120] = image[110, 135] = 255
    eyes = np.array([[120, 80], [150, 90], [0, 0], [0, 0], [0, 0]], dtype=float)
    face = Face((100, 60, 170, 140), points=eyes)
    crop = FaceCropper(100, margin=0.2, offset=0.05)(Image.fromarray(image), face)
    for x, y in FaceCropper(100, margin=0.2, offset=0.05).map_points(np.array([[120, 80], [135, 110]]), face, crop.width):
        around = np.asarray(crop)[int(y) - 5 : int(y) + 7, int(x) - 5 : int(x) + 7].astype(float)
        rows, columns = np.mgrid[int(y) - 5 : int(y) + 7, int(x) - 5 : int(x) + 7]
        # The dot's centre of gravity lies where the point was mapped to.
        assert (around * columns).sum() / around.sum() == pytest.approx(x, abs=0.1)
        assert (around * rows).sum() / around.sum() == pytest.approx(y, abs=0.1)


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


def test_given_landmarks_are_moved_into_the_crop_and_find_the_face_where_the_detector_does_not():
    drawn = draw_face(100, "RGB")
    points = np.stack([np.linspace(30, 70, 68), np.linspace(40, 90, 68)], axis=1).astype(np.float32)
    points[36:42], points[42:48] = (35, 50), (65, 50)
    sample = Sample("a", "smile", landmarks=points)
    face = given_face(sample)
    assert face.box == pytest.approx((30, 40 - 12.5, 70, 90)) and face.points.tolist() == [[35, 50], [65, 50]]
    from modeling_fer.data.face_preparer import FacePreparer

    preparer = FacePreparer(OFFLINE)
    row, _ = preparer.cut(sample, drawn, face)
    # The crop is as wide as the box is high, 62.5 pixels, and becomes 64 pixels wide.
    assert row["landmarks"][42, 0] - row["landmarks"][36, 0] == pytest.approx(30 * 64 / 62.5)


def test_a_box_that_cannot_be_is_noted_and_the_rest_goes_on(tmp_path):
    save(tmp_path / "a.png", size=100)
    boxes = {"empty": (10, 10, 10, 10), "outside": (500, 500, 600, 600), "right": (10, 10, 90, 90)}
    samples = [Sample(name, "smile", file=tmp_path / "a.png", box=box) for name, box in boxes.items()]
    source = Source(["smile"], samples)
    prepared = prepare(source, PrepareSettings(image_size=32, landmarks="none"), tmp_path / "out")
    assert prepared["train"]["source"] == ["right"]
    assert [problem.source for problem in source.problems] == ["empty", "outside"]
    assert "is empty" in source.problems[0].sentence and "wholly outside" in source.problems[1].sentence


def test_photos_are_turned_as_the_camera_was_held(tmp_path):
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    assert Sample("a", "smile", file=tmp_path / "a.jpg").open().size == (20, 40)
    assert Sample("a", "smile", file=tmp_path / "a.jpg", box=(0, 0, 9, 9)).open().size == (40, 20)


@pytest.mark.parametrize("name", ["clear.png", "gray and clear.png", "deep.png", "whole.tif", "float.tif", "palette.png"])
def test_training_sees_the_pixels_that_a_network_is_used_on(tmp_path, name):
    levels = np.linspace(0, 1, 20 * 24).reshape(20, 24)
    colours = np.stack([levels, levels.T.reshape(20, 24), 1 - levels, levels > 0.5], axis=2)
    image = {
        "clear.png": Image.fromarray((colours * 255).astype(np.uint8), "RGBA"),
        "gray and clear.png": Image.fromarray((colours * 255).astype(np.uint8), "RGBA").convert("LA"),
        "deep.png": Image.fromarray((levels * 65535).astype(np.uint16)),
        "whole.tif": Image.fromarray((levels * 65535).astype(np.int32)),
        "float.tif": Image.fromarray(levels.astype(np.float32)),
        "palette.png": Image.fromarray((colours * 255).astype(np.uint8), "RGBA").quantize(16),
    }[name]
    image.save(tmp_path / name)
    used = open_image(tmp_path / name)
    for sample in (Sample(name, "smile", file=tmp_path / name), Sample(name, "smile", content=(tmp_path / name).read_bytes())):
        np.testing.assert_array_equal(sample.open(), used)
    assert np.ptp(used) > 150


def test_a_second_preparation_leaves_nothing_of_the_first(tmp_path):
    crops = many_crops(tmp_path / "crops", 8)
    for images in (3, 10):
        source = read_source("imagefolder", crops)
        finish(prepare(source, OFFLINE, tmp_path / "out"), source, OFFLINE, tmp_path / "out", shard_images=images)
    assert len(load_dataset(str(tmp_path / "out"))["train"]) == 8


def test_work_is_resumed_and_other_settings_are_refused(tmp_path):
    source = read_source("imagefolder", many_crops(tmp_path / "crops", 70))
    splits = prepare(source, OFFLINE, tmp_path / "out")
    first = tmp_path / "out/work/train-00000.parquet"
    written = first.stat().st_mtime_ns
    (tmp_path / "out/work/train-00001.parquet").unlink()
    again = prepare(read_source("imagefolder", tmp_path / "crops"), OFFLINE, tmp_path / "out")
    assert first.stat().st_mtime_ns == written
    assert again["train"]["source"] == splits["train"]["source"]
    with pytest.raises(ValueError, match="begun with sigma = 3.0, not 4.0"):
        prepare(source, PrepareSettings(image_size=64, landmarks="detector", sigma=4.0), tmp_path / "out")
    with pytest.raises(ValueError, match="begun with other images"):
        prepare(Source(source.label_names, source.samples[:3]), OFFLINE, tmp_path / "out")


def test_corrected_data_is_not_what_was_prepared_before(tmp_path):
    save(tmp_path / "a.png", size=40)
    save(tmp_path / "b.png", size=40)
    settings = PrepareSettings(image_size=32, landmarks="none", cropped=True)
    out = tmp_path / "out"

    def read(*rows):
        return read_source("table", write(tmp_path / "faces.csv", "\n".join(["image,label,split,subject,votes", *rows])))

    first = ("a.png,smile,train,A,", "b.png,frown,train,B,")
    source = read(*first)
    finish(prepare(source, settings, out), source, settings, out)
    assert is_finished(read(*first), settings, out)
    assert is_finished(read(*first), PrepareSettings(**{**vars(settings), "device": "cpu:0"}), out)
    corrected = [
        ("a.png,frown,train,A,", "b.png,smile,train,B,"),
        ("a.png,smile,test,A,", "b.png,frown,train,B,"),
        ("a.png,smile,train,C,", "b.png,frown,train,B,"),
        ('a.png,smile,train,A,"[1,0,0,0,0,0,0,0,0,0]"', "b.png,frown,train,B,"),
    ]
    assert not any(is_finished(read(*rows), settings, out) for rows in corrected)
    source = read(*first)
    source.form = "imagefolder"
    assert not is_finished(source, settings, out)
    save(tmp_path / "a.png", size=41)
    assert not is_finished(read(*first), settings, out)

    prepare(read(*first), settings, out)
    with pytest.raises(ValueError, match="begun with other image files, labels, splits, subjects, votes, boxes or landmarks"):
        prepare(read(*corrected[0]), settings, out)
    again = read(*corrected[0])
    finish(prepare(again, settings, tmp_path / "again"), again, settings, tmp_path / "again")
    assert load_whole(tmp_path / "again")["train"]["label"] == [0, 1]


def test_a_preparation_of_an_earlier_version_is_known_by_what_its_plan_says(tmp_path):
    source = read_source("imagefolder", many_crops(tmp_path / "crops", 4))
    finish(prepare(source, OFFLINE, tmp_path / "out"), source, OFFLINE, tmp_path / "out")
    file = tmp_path / "out/report/plan.json"
    plan = json.loads(file.read_text())
    del plan["form"], plan["content"]
    file.write_text(json.dumps({**plan, "device": "cuda"}))
    assert is_finished(source, OFFLINE, tmp_path / "out")
    assert not is_finished(source, PrepareSettings(**{**vars(OFFLINE), "sigma": 4.0}), tmp_path / "out")


@pytest.mark.slow
def test_a_process_that_is_killed_is_one_sentence(tmp_path):
    samples = [Sample(str(number), "smile", file=save(tmp_path / "a.png"), cropped=True) for number in range(64 * 40)]
    source, settings = Source(["smile"], samples), PrepareSettings(image_size=64, landmarks="none")
    (tmp_path / "work").mkdir()
    counts = run_shards(plan_shards(source, tmp_path / "work"), settings, prepared_features(["smile"]), num_proc=2)
    assert next(counts) == 64
    for child in active_children():
        os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="was killed, perhaps because memory ran out; run the same again.*--num-proc"):
        list(counts)


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


def many_crops(folder: Path, count: int) -> Path:
    for number in range(count):
        save(folder / ("smile" if number % 2 else "frown") / f"{number:03d}.png", size=40)
    return folder


@pytest.mark.slow
def test_two_processes_make_what_one_makes_and_a_killed_run_goes_on(tmp_path):
    crops = many_crops(tmp_path / "crops", 200)
    command = [FER, "prepare", "imagefolder", crops, "--landmarks", "none"]
    command += ["--image-size", "32", "--num-proc", "2", "--output", tmp_path / "two"]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while not list((tmp_path / "two/work").glob("*.parquet")) and time.time() < deadline and killed.poll() is None:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert "train: 200 images (frown 100, smile 100)" in finished.stdout
    assert len((tmp_path / "two/report/problems.csv").read_text().splitlines()) == 201
    again = fer(*command[1:])
    assert again.returncode == 0 and "two holds this data set already" in again.stdout
    source = read_source("imagefolder", crops)
    settings = PrepareSettings(image_size=32, landmarks="none")
    one = prepare(source, settings, tmp_path / "one")["train"]
    two = load_dataset(str(tmp_path / "two"))["train"]
    assert two["source"] == one["source"]
    assert all(np.array_equal(a, b) for a, b in zip(one["image"], two["image"], strict=True))


def test_bad_paths_and_settings_are_one_sentence(tmp_path):
    result = fer("prepare", "jaffe", tmp_path / "nowhere", "--output", tmp_path)
    assert result.returncode == 2 and "nowhere does not exist" in plain(result.stderr)
    result = fer("prepare", "zip", tmp_path, "--output", tmp_path)
    assert result.returncode == 2 and "'zip' is not a form of data set" in plain(result.stderr)
    result = fer("prepare", "jaffe", tmp_path, "--output", tmp_path, "--landmarks", "dlib")
    assert result.returncode == 2 and "must be one of fan, detector, none" in plain(result.stderr)
    with pytest.raises(ValueError, match="landmarks is 'dlib', but must be one of fan, detector, none"):
        PrepareSettings(landmarks="dlib")


def test_options_that_would_do_nothing_are_refused(tmp_path):
    save(tmp_path / "faces/smile/a.png")
    command = ("prepare", "imagefolder", tmp_path / "faces", "--output", tmp_path / "out")
    searched = [("--margin", 0.1), ("--offset", 0), ("--align",), ("--no-align",), ("--min-face", 0.2), ("--detector", "mtcnn")]
    for option in [*searched, ("--drop-not-found",)]:
        done = fer(*command, "--cropped", "--landmarks", "none", *option)
        assert done.returncode == 2, option
        assert f"{option[0].replace('no-', '')} does not go with --cropped" in plain(done.stderr), done.stderr
    others = [
        (("--private",), "--private is for the repository that --push-to-hub names; give both"),
        (("--cropped", "--landmarks", "detector"), "no face is searched in images that are cropped; take 'fan' or 'none'"),
        (("--device", "gpu"), "device is 'gpu', which cannot be used here; take 'cpu'"),
        (("--min-face", -1), "min_face is -1.0, but must be at least 0"),
    ]
    for options, sentence in others:
        done = fer(*command, *options)
        assert done.returncode == 2 and sentence in plain(done.stderr), done.stderr
    assert not (tmp_path / "out").exists()
    done = fer(*command, "--cropped", "--landmarks", "none", "--like", "fer-tiny")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_fan_finds_points_in_each_picture_of_a_strip(tmp_path, photo, monkeypatch):
    """The network has random weights: what it says of a picture must not depend on the others."""
    from face_alignment.models import FAN

    torch.manual_seed(0)
    weights = tmp_path / "checkpoints/2DFAN4-11f355bf06.pth.tar"
    weights.parent.mkdir()
    torch.save(FAN(4).state_dict(), weights)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    fan = FanLandmarks(batch_size=2)
    box = MtcnnDetector(min_face=0.1)(photo)[0]
    picture = FaceCropper(64, margin=1.0)(photo, box).resize((128, 128))
    other = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    together, alone = fan([other, picture, other]), fan([picture])
    assert together.shape == (3, 68, 2)
    # A random network's highest pixel may jump where two are as high.
    assert (np.abs(together[1] - alone[0]).max(1) < 3).mean() > 0.9
    assert together[1].min() > -20 and together[1].max() < 148

    settings = PrepareSettings(image_size=64)
    photo.save(tmp_path / "face.png")
    write(tmp_path / "faces.csv", "image,label\nface.png,smile\n")
    row = prepare(read_source("table", tmp_path / "faces.csv"), settings, tmp_path / "out")["train"][0]
    assert np.array(row["landmarks"]).shape == (68, 2) and row["heatmap"].size == (64, 64)


def test_landmark_weights_that_cannot_be_downloaded_are_one_sentence(tmp_path, monkeypatch):
    import face_alignment.api

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    # A server that nobody runs.
    monkeypatch.setitem(face_alignment.api.models_urls, "2DFAN-4", "http://127.0.0.1:9/2DFAN4.pth.tar")
    with pytest.raises(ConnectionError, match="could not download its landmark network"):
        FanLandmarks()


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


def test_another_data_set_of_the_same_name_and_size_is_not_taken_from_the_cache(tmp_path):
    for place, shade in (("one", 10), ("two", 20)):
        folder = tmp_path / place
        (folder / "raw/smile").mkdir(parents=True)
        Image.new("L", (32, 32), shade).save(folder / "raw/smile/a.png")
        options = ["--cropped", "--image-size", "32", "--landmarks", "none", "--output", folder / "prepared"]
        assert fer("prepare", "imagefolder", folder / "raw", *options).returncode == 0
        for loaded in (load_whole(folder / "prepared"), load_dataset(str(folder / "prepared"))):
            assert loaded["train"]["image"][0].getpixel((0, 0)) == shade


def test_a_folder_with_something_else_is_not_written_over(tmp_path):
    save(tmp_path / "faces/data/smile/a.png")
    done = fer("prepare", "imagefolder", tmp_path / "faces/data", "--cropped", "--output", tmp_path / "faces")
    assert done.returncode == 2 and "holds data, which is not of a prepared data set" in plain(done.stderr)
    assert (tmp_path / "faces/data/smile/a.png").is_file()


def test_data_that_is_not_prepared_is_named(tmp_path):
    save(tmp_path / "raw/smile/a.png")
    with pytest.raises(ValueError, match="holds images, not a prepared data set; prepare it first: fer prepare imagefolder"):
        load_whole(tmp_path / "raw")
    write(tmp_path / "faces.csv", "image,label\n")
    with pytest.raises(ValueError, match="prepare it first: fer prepare table"):
        load_whole(tmp_path / "faces.csv")
    for name in ("one", "two"):
        write_prepared(tmp_path / "sets" / name, 4)
    with pytest.raises(ValueError, match="holds several data sets; give the folder of one of them: one, two"):
        load_whole(tmp_path / "sets")
    source = read_source("imagefolder", tmp_path / "raw")
    prepare(source, OFFLINE, tmp_path / "begun")
    with pytest.raises(ValueError, match="has not ended; run the same fer prepare again"):
        load_whole(tmp_path / "begun")

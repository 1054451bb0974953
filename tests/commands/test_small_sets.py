"""JAFFE and SFEW 2.0 from their own layout to a measured network, and a few dozen photos of one's own, on drawn trees."""

import json

import numpy as np
import pytest
from helpers import draw_face, fer
from PIL import Image, ImageDraw

from modeling_fer.data import load_splits
from modeling_fer.data.prepared import load_whole
from modeling_fer.data.readers.jaffe import JAFFE_CODES
from modeling_fer.data.readers.sfew import SFEW_EXPRESSIONS
from modeling_fer.training.recipe import read_recipe

PEOPLE = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
WHOLE = ("--cropped", "--landmarks", "none", "--image-size", "48")
WITHOUT_LANDMARKS = ("--set", "model.regularization=weakly", "--set", "model.facial_parts_weight=0.0001")
SHORT = ("--set", "initial_checkpoint=fer-tiny", "--set", "epochs=1", "--set", "mixed_precision=no", "--cpu")


def drawn(brightness: int, size: tuple[int, int]) -> Image.Image:
    """A drawn face, as bright as told."""
    return draw_face(256).resize(size).point(lambda pixel: pixel * brightness // 255)


@pytest.fixture
def jaffe(tmp_path):
    """Ten people with seven expressions each, in files named as those of JAFFE."""
    folder = tmp_path / "jaffe"
    folder.mkdir()
    for number, person in enumerate(PEOPLE):
        for place, code in enumerate(JAFFE_CODES):
            drawn(100 + 20 * place, (256, 256)).save(folder / f"{person}.{code}1.{10 * number + place}.tiff")
    return folder


@pytest.fixture
def sfew(tmp_path):
    """Aligned crops of 143x181 pixels in the folders of SFEW 2.0."""
    for split in ("Train", "Val"):
        for place, expression in enumerate(SFEW_EXPRESSIONS):
            folder = tmp_path / "sfew" / split / expression
            folder.mkdir(parents=True)
            for number in range(5):
                drawn(100 + 20 * place + number, (143, 181)).save(folder / f"film_{number}_{place}.png")
    return tmp_path / "sfew"


@pytest.mark.slow
def test_jaffe_in_three_folds_by_person(jaffe, tmp_path):
    prepared, runs = tmp_path / "prepared", tmp_path / "runs"
    done = fer("prepare", "jaffe", jaffe, "--output", prepared, *WHOLE)
    assert done.returncode == 0, done.stderr
    options = ("--data", prepared, "--output", runs, "--folds", 3, *WITHOUT_LANDMARKS, *SHORT)
    done = fer("cross-validate", "small_finetune", *options)
    assert done.returncode == 0, done.stderr
    results = json.loads((runs / "results.json").read_text())
    assert len(results["folds"]) == 3 and np.sum(results["confusion"]) == 70
    assert sorted(results["label_names"]) == sorted(JAFFE_CODES.values())
    states = [json.loads((runs / f"fold-{fold}" / "metrics.jsonl").read_text())["epoch"] for fold in (1, 2, 3)]
    assert states == [1, 1, 1]


@pytest.mark.slow
def test_aligned_crops_of_sfew_are_taken_whole_trained_on_and_measured(sfew, tmp_path):
    prepared, run = tmp_path / "prepared", tmp_path / "run"
    done = fer("prepare", "sfew", sfew, "--output", prepared, *WHOLE)
    assert done.returncode == 0, done.stderr
    splits = load_splits(prepared)
    assert {name: len(split) for name, split in splits.items()} == {"train": 28, "validation": 7, "test": 35}
    assert all(splits["train"]["face_detected"])
    done = fer("train", "sfew_finetune", "--data", prepared, "--output", run, *WITHOUT_LANDMARKS, *SHORT)
    assert done.returncode == 0, done.stderr
    output = tmp_path / "results.json"
    done = fer("evaluate", run / "best", "--data", prepared, "--output", output)
    assert done.returncode == 0, done.stderr
    assert json.loads(output.read_text())[0]["images"] == 35


@pytest.mark.slow
def test_a_face_that_is_not_found_is_taken_whole_beside_one_that_is(sfew, photo, tmp_path):
    photo.save(sfew / "Train" / "Happy" / "film_0_3.png")
    Image.new("RGB", (720, 576), (90, 20, 160)).save(sfew / "Train" / "Sad" / "film_0_5.png")
    prepared = tmp_path / "prepared"
    done = fer("prepare", "sfew", sfew, "--output", prepared, "--landmarks", "detector", "--image-size", 48)
    assert done.returncode == 0, done.stderr
    train = load_whole(prepared)["train"]
    assert len(train) == 35
    rows = {row["source"]: row for row in train.select_columns(["source", "face_detected", "landmarks", "image"])}
    found, whole = (rows[name] for name in ("Train/Happy/film_0_3.png", "Train/Sad/film_0_5.png"))
    assert found["face_detected"] and len(found["landmarks"]) == 5
    assert not whole["face_detected"] and whole["landmarks"] is None
    np.testing.assert_allclose(np.asarray(whole["image"]).reshape(-1, 3).mean(0), (90, 20, 160), atol=2)


def test_small_sets_choose_no_epoch():
    assert read_recipe("small_finetune").selection == "last"
    with pytest.raises(ValueError, match="selection is 'last'.*early_stopping"):
        read_recipe("small_finetune", {"early_stopping": 3})


MOUTHS = {"smile": (0, 180), "frown": (180, 360), "gape": (0, 360)}


def draw_mouth(name: str, rng: np.random.Generator) -> Image.Image:
    """A drawn face whose mouth tells its expression, nowhere quite the same."""
    image = Image.new("L", (96, 96), int(rng.integers(60, 120)))
    draw = ImageDraw.Draw(image)
    x, y, width = rng.integers(-4, 5), rng.integers(-4, 5), rng.integers(14, 20)
    draw.ellipse((14 + x, 4 + y, 82 + x, 92 + y), fill=int(rng.integers(170, 250)))
    for eye in (35, 61):
        draw.ellipse((eye - 4 + x, 34 + y, eye + 4 + x, 42 + y), fill=20)
    draw.arc((48 - width + x, 56 + y, 48 + width + x, 80 + y), *MOUTHS[name], fill=20, width=4)
    return image


@pytest.mark.slow
def test_twenty_photos_of_each_of_three_new_expressions_are_learned_by_the_recipe_as_it_is(tmp_path):
    rng = np.random.default_rng(0)
    for name in MOUTHS:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            draw_mouth(name, rng).save(tmp_path / "photos" / name / f"{number}.png")
    prepared, run = tmp_path / "prepared", tmp_path / "run"
    done = fer("prepare", "imagefolder", tmp_path / "photos", "--output", prepared, "--like", "fer-base", *WHOLE[:3])
    assert done.returncode == 0, done.stderr
    done = fer("train", "finetune", "--data", prepared, "--output", run, "--cpu")
    assert done.returncode == 0 and "no better than a guess" not in done.stdout, done.stderr
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert max(line["accuracy"] for line in lines) > 0.9

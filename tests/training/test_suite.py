"""`fer evaluate --suite`."""

import json
import shutil

import datasets
import numpy as np
import pytest
from helpers import fer, plain, tiny_config, write_prepared
from PIL import Image

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.inference.loading import load_checkpoint
from modeling_fer.training.measurement import Measurement, digest_checkpoint, read_results
from modeling_fer.training.suite import suite_measurements


@pytest.fixture
def suite(tmp_path):
    """A folder of the suite's data sets, drawn; CK+48 has no class contempt, which is found out when it is measured."""
    for name in ("fer2013", "ckplus48"):
        write_prepared(tmp_path / "suite" / name, 8)
    return tmp_path / "suite"


def test_a_missing_data_set_is_told_before_anything_is_measured(two_headed, suite, prepared, tmp_path):
    command = ["evaluate", two_headed, "--suite", suite, "--output", tmp_path / "all.json"]
    mistyped = fer(*command, "--add", prepared, "--add", tmp_path / "prepard")
    assert mistyped.returncode == 2
    assert "prepard is neither a folder with a prepared data set nor a repository" in plain(mistyped.stderr)
    shutil.rmtree(suite / "ckplus48")
    missing = fer(*command)
    assert missing.returncode == 2 and "ckplus48 is missing; the suite needs the prepared data sets" in plain(missing.stderr)
    assert missing.stdout == mistyped.stdout == "" and not (tmp_path / "all.json").exists()


def test_what_was_measured_is_shown_and_kept_where_a_later_measurement_fails(two_headed, suite, tmp_path):
    for options in ([], ["--output", tmp_path / "all.json"]):
        done = fer("evaluate", two_headed, "--suite", suite, *options)
        assert done.returncode == 2 and "The data set has no class 'contempt'" in plain(done.stderr)
        assert "FER+" in done.stdout and "FER-2013, second output layer" in done.stdout and "CK+48" not in done.stdout
    measured = [result.measurement for result in read_results(tmp_path / "all.json")]
    assert measured == suite_measurements(load_checkpoint(two_headed))[:7]


@pytest.mark.slow
def test_suite_is_one_table_with_added_data(two_headed, prepared, fer_data, tmp_path):
    done = fer("evaluate", two_headed, "--suite", fer_data, "--add", prepared, "--output", tmp_path / "all.json")
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "all.json")
    assert [r.measurement for r in results[:-1]] == suite_measurements(load_checkpoint(two_headed))
    assert [r.scores["images"] for r in results] == [3534, 3534, 3142, 3142, 3562, 3562, 1358, 927, 927, 20]
    ferplus, majority, fer2013 = (set(results[place].scores["recall"]) for place in (0, 2, 4))
    assert ferplus == majority == set(EXPRESSIONS) and fer2013 == set(EXPRESSIONS) - {"contempt"}
    for title in ("FER+", "FER+ majority", "FER-2013", "CK+48"):
        assert title in done.stdout
    assert json.loads((tmp_path / "all.json").read_text())[0]["dataset"] == "ferplus"


@pytest.mark.slow
def test_suite_fine_tunes_in_folds_too_and_goes_on(two_headed, suite, tmp_path):
    draw_people(suite / "ckplus48")
    command = ["evaluate", two_headed, "--suite", suite, "--fine-tune", tmp_path / "runs", "--output", tmp_path / "all.json"]
    done = fer(*command)
    assert done.returncode == 0 and "CK+48, fine-tuned in 10 folds" in done.stdout, done.stderr
    last = read_results(tmp_path / "all.json")[-1]
    assert last.measurement == Measurement("ckplus48", "train", folds=10)
    assert last.checkpoint == digest_checkpoint(load_checkpoint(two_headed))
    assert last.scores["images"] == np.sum(last.scores["confusion"]) == 60
    folds = json.loads((tmp_path / "runs" / "results.json").read_text())["folds"]
    assert last.scores["accuracy"] == pytest.approx(np.mean([fold["accuracy"] for fold in folds]))
    again = fer(*command)
    assert again.returncode == 0 and len(read_results(tmp_path / "all.json")) == 10


def test_a_fold_that_diverges_stops_the_suite_and_what_was_measured_is_kept(suite, tmp_path):
    draw_people(suite / "ckplus48")
    # In training alone, its loss is too large for a number of 32 bits.
    FerForImageClassification(tiny_config(facial_parts_weight=1e300)).save_pretrained(tmp_path / "model")
    FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1).save_pretrained(tmp_path / "model")
    command = ["evaluate", tmp_path / "model", "--suite", suite, "--output", tmp_path / "all.json"]
    done = fer(*command, "--fine-tune", tmp_path / "runs")
    assert done.returncode == 1 and "fer evaluate: stopped: " in done.stderr and "Usage" not in done.stderr, done.stderr
    assert len(read_results(tmp_path / "all.json")) == 4 and "CK+48" in done.stdout


def draw_people(folder):
    """Thirty people with two expressions each, in the place of a drawn data set."""
    shutil.rmtree(folder)
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["anger", "happiness", "contempt"]),
            "subject": datasets.Value("string"),
            "landmarks": datasets.List(datasets.List(datasets.Value("float32"))),
        }
    )
    points = [[4.0 + place % 16, 4.0 + place // 5] for place in range(68)]
    images = [Image.fromarray(np.full((24, 24), 4 * place, np.uint8)) for place in range(60)]
    rows = [
        {"image": image, "label": place % 3, "subject": f"S{place // 2}", "landmarks": points}
        for place, image in enumerate(images)
    ]
    folder.mkdir()
    datasets.Dataset.from_list(rows, features=features).to_parquet(folder / "train.parquet")

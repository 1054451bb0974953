"""`fer evaluate`, on one data set and on all."""

import json

import datasets
import numpy as np
import pytest
from helpers import fer, plain, tiny_config
from PIL import Image

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.inference.loading import load_checkpoint
from modeling_fer.training.measurement import Measurement, Result, read_results, write_results
from modeling_fer.training.suite import suite_measurements


@pytest.fixture
def two_headed(tmp_path):
    """A checkpoint with two output layers and a prior."""
    config = tiny_config(
        auxiliary_labels=["anger", "happiness"], label_shares=[0.3, 0.2, *[0.5 / 6] * 6], prior_strength=0.5, temperature=2.0
    )
    FerForImageClassification(config).save_pretrained(tmp_path / "model")
    FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def prepared(tmp_path):
    """A prepared data set of 20 drawn images, with a test split."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["happy", "angry"])})
    rows = [{"image": Image.fromarray(np.full((24, 24), 10 * place, np.uint8)), "label": place % 2} for place in range(20)]
    split = datasets.Dataset.from_list(rows, features=features)
    (tmp_path / "prepared").mkdir()
    for name in ("train", "test"):
        split.to_parquet(tmp_path / "prepared" / f"{name}.parquet")
    return tmp_path / "prepared"


def test_measures_one_data_set_with_the_checkpoints_prior_or_another(two_headed, prepared, tmp_path):
    output = tmp_path / "results.json"
    for options in ([], ["--prior", "0"], ["--auxiliary"], ["--mirrored", "--without", "anger"]):
        done = fer("evaluate", two_headed, "--data", prepared, "--output", output, *options)
        assert done.returncode == 0, done.stderr
    results = read_results(output)
    assert [(r.measurement.prior_strength, r.measurement.auxiliary) for r in results] == [
        (0.5, False),
        (0.0, False),
        (0.5, True),
        (0.5, False),
    ]
    assert [r.scores["images"] for r in results] == [20, 20, 20, 10]
    assert results[0].scores["recall"].keys() == {"happiness", "anger"}
    fer("evaluate", two_headed, "--data", prepared, "--output", output)
    assert len(read_results(output)) == 4


def test_measured_again_takes_the_old_results_place(tmp_path):
    def result(dataset, accuracy):
        scores = {"images": 1, "accuracy": accuracy, "uar": 0, "macro_f1": 0, "calibration_error": 0, "recall": {}}
        return Result(Measurement(dataset, "test"), scores)

    file = tmp_path / "deep" / "results.json"
    write_results([result("a", 0.1), result("b", 0.2)], file)
    write_results([result("a", 0.3)], file)
    assert [(r.measurement.dataset, r.scores["accuracy"]) for r in read_results(file)] == [("b", 0.2), ("a", 0.3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "by --data, or a folder of several by --suite"),
        (["--data", "nowhere"], "neither a folder with a prepared data set nor a repository"),
        (["--suite", "nowhere"], "nowhere/fer2013 is missing; the suite needs the prepared data sets fer2013 and ckplus48"),
    ],
)
def test_wrong_usage_is_one_sentence(two_headed, arguments, message):
    done = fer("evaluate", two_headed, *arguments)
    assert done.returncode == 2
    assert message in plain(done.stderr)


def test_results_that_are_none_are_named(tmp_path):
    (tmp_path / "broken.json").write_text("[{")
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="broken.json is not JSON"):
        read_results(tmp_path / "broken.json")
    with pytest.raises(ValueError, match="other.json is not a list of results"):
        read_results(tmp_path / "other.json")


@pytest.mark.slow
def test_suite_is_one_table_with_added_data(two_headed, prepared, fer_data, tmp_path):
    done = fer("evaluate", two_headed, "--suite", fer_data, "--add", prepared, "--output", tmp_path / "all.json")
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "all.json")
    assert [r.measurement for r in results[:-1]] == suite_measurements(load_checkpoint(two_headed))
    assert [r.scores["images"] for r in results] == [3534, 3534, 3562, 3562, 1358, 927, 927, 20]
    ferplus, fer2013 = (set(results[place].scores["recall"]) for place in (0, 2))
    assert ferplus == set(EXPRESSIONS) and fer2013 == set(EXPRESSIONS) - {"contempt"}
    for title in ("FER+", "FER-2013", "CK+48"):
        assert title in done.stdout
    assert json.loads((tmp_path / "all.json").read_text())[0]["dataset"] == "ferplus"

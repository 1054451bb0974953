"""What a study of a checkpoint is of, and when results of an earlier one are gone on with."""

import json
from dataclasses import replace

import pytest
from helpers import fer, plain, run_script, save, tiny_config, write_prepared

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.training.study import load_study

SEVEN = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


def save_checkpoint(folder, **changes):
    """An untrained network, the same each time but for what changes."""
    FerForImageClassification(tiny_config(**changes)).save_pretrained(folder)
    FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1).save_pretrained(folder)
    return folder


def change_config(source, folder, **changes):
    """A checkpoint with the weights of another, and some of its settings changed."""
    model = FerForImageClassification.from_pretrained(source, **changes)
    model.save_pretrained(folder)
    FerImageProcessor.from_pretrained(source).save_pretrained(folder)
    return folder


def test_photos_prepared_from_folders_are_studied_by_their_labels(tmp_path):
    for number in range(6):
        save(tmp_path / "raw" / ("smile" if number % 2 else "frown") / f"{number}.png", size=40 + number)
    prepare = ("prepare", "imagefolder", tmp_path / "raw", "--output", tmp_path / "prepared", "--cropped")
    done = fer(*prepare, "--landmarks", "none", "--image-size", "24")
    assert done.returncode == 0, done.stderr
    fitted = {"conformal_thresholds": {"0.9": [0.1, 0.1]}, "uncertain_below": 0.5}
    checkpoint = save_checkpoint(tmp_path / "model", id2label={0: "frown", 1: "smile"}, **fitted)
    arguments = (checkpoint, "--data", tmp_path / "prepared", "--split", "train", "--output", tmp_path / "out.json")
    done = run_script("measure_probabilities.py", *arguments)
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "out.json").read_text())["model"]
    assert measured["images"] == 6 and "crowd" not in measured
    # What needs landmarks says so, and not that votes are missing.
    for script in ("measure_robustness.py", "check_explanations.py"):
        done = run_script(script, *arguments[:-1], tmp_path / "none.json")
        assert done.returncode == 2 and not (tmp_path / "none.json").exists()
        assert "has 68 landmarks found on a face; prepare it with --landmarks fan" in plain(done.stderr)


def test_votes_of_another_split_are_no_votes_of_this_one(tmp_path):
    checkpoint = save_checkpoint(tmp_path / "eight")
    write_prepared(tmp_path / "data", 12)
    assert load_study(str(checkpoint), str(tmp_path / "data"), "test").has_votes
    write_prepared(tmp_path / "other", 12, without=("votes",))
    seven = save_checkpoint(tmp_path / "seven", id2label=dict(enumerate(SEVEN)))
    (tmp_path / "other" / "test.parquet").rename(tmp_path / "data" / "test.parquet")
    study = load_study(str(seven), str(tmp_path / "data"), "test")
    assert not study.has_votes and len(study.columns) == 12


@pytest.fixture
def checkpoint(tmp_path):
    shares = {"label_shares": [0.3, 0.2, *[0.5 / 6] * 6], "conformal_thresholds": {"0.9": [0.1] * 8}}
    return save_checkpoint(tmp_path / "checkpoint", **shares)


@pytest.mark.parametrize(
    "changes",
    [
        {"prior_strength": 0.5},
        {"temperature": 2.0},
        {"label_shares": [0.2, 0.3, *[0.5 / 6] * 6]},
        {"conformal_thresholds": {"0.9": [0.2] * 8}},
        {"uncertain_below": 0.4},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_decides_the_answers_is_part_of_the_identity(checkpoint, changes, tmp_path):
    data = str(write_prepared(tmp_path / "data", 8))
    other = change_config(checkpoint, tmp_path / "other", **changes)
    first, second = (load_study(f"mine={folder}", data, "test") for folder in (checkpoint, other))
    assert first.identity() != second.identity()
    same = change_config(checkpoint, tmp_path / "same")
    assert load_study(f"mine={same}", data, "test").identity() == first.identity()


def test_the_images_are_part_of_the_identity_and_old_results_are_not_gone_on_with(checkpoint, tmp_path):
    data = str(write_prepared(tmp_path / "data", 8))
    study = load_study(f"mine={checkpoint}", data, "test")
    brighter = replace(study, columns=replace(study.columns, images=study.columns.images + 1))
    assert study.identity() != brighter.identity()
    file = tmp_path / "results.json"
    for before, kept in (
        ({**study.identity(), "clean": 1}, {**study.identity(), "clean": 1}),
        ({**brighter.identity(), "clean": 1}, study.identity()),
        # As version 0.2 wrote it.
        ({"split": "test", "images": 7, "weights": "197f3f35138b", "clean": 1}, study.identity()),
    ):
        file.write_text(json.dumps({"mine": before}))
        assert study.kept(file) == kept


def test_another_prior_and_other_images_are_measured_again(checkpoint, tmp_path):
    data, others = write_prepared(tmp_path / "data", 8), write_prepared(tmp_path / "others", 8, without=("votes",))
    other = change_config(checkpoint, tmp_path / "other", prior_strength=1.0)
    printed = []
    for source, images in ((checkpoint, data), (other, data), (other, data), (checkpoint, data)):
        arguments = (f"x={source}", "--data", images, "--output", tmp_path / "same.json")
        done = run_script("measure_robustness.py", *arguments)
        assert done.returncode == 0, done.stderr
        printed.append(len(done.stdout.splitlines()))
    assert printed[0] == printed[1] == printed[3] > 0 and printed[2] == 0
    seven = save_checkpoint(tmp_path / "seven", id2label=dict(enumerate(SEVEN)))
    done = run_script("measure_robustness.py", f"x={seven}", "--data", others, "--output", tmp_path / "same.json")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == printed[0], done.stderr

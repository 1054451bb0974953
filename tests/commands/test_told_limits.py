"""What `fer evaluate`, `fer calibrate` and `fer export` say of data that do not fit a network, or are too few."""

import json

import pytest
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageFeature
from helpers import MODEL, fer, plain, tiny_config, write_prepared
from PIL import Image
from transformers import Trainer, TrainingArguments

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.training.recipe import Recipe, write_recipe


def write_faces(folder, counts, splits=("train",), darkest=0):
    """A prepared data set with so many images of each class, each image a little brighter than the one before."""
    features = Features(image=ImageFeature(), label=ClassLabel(names=list(counts)))
    labels = [place for place, count in enumerate(counts.values()) for _ in range(count)]
    rows = {"image": [Image.new("L", (24, 24), darkest + 3 * number) for number in range(len(labels))], "label": labels}
    folder.mkdir(parents=True)
    for split in splits:
        Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")
    return folder


def test_answers_limited_to_the_shared_classes_are_said_to_be(tiny_checkpoint, tmp_path):
    data = write_faces(tmp_path / "data", {"anger": 5, "happiness": 5, "sadness": 5})
    done = fer("evaluate", tiny_checkpoint, "--data", data, "--split", "all", "--output", tmp_path / "results.json")
    assert done.returncode == 0, done.stderr
    [result] = json.loads((tmp_path / "results.json").read_text())
    assert result["accuracy_all_classes"] <= result["accuracy"] and result["without"] == []
    assert (
        "The answers are limited to the 3 classes that are measured; among all 8 of the model "
        f"{result['accuracy_all_classes']:.1%} are right." in plain(done.stdout)
    )


def test_images_of_a_class_that_the_model_lacks_are_said_to_be_left_out(tiny_checkpoint, tmp_path):
    data = write_faces(tmp_path / "data", {"smile": 4, "frown": 4, "bored": 4, "dazed": 1, "unseen": 0})
    given = ("--map", "smile=happiness", "--map", "frown=anger", "--output", tmp_path / "results.json")
    done = fer("evaluate", tiny_checkpoint, "--data", data, "--split", "all", "--without", "dazed", *given)
    assert done.returncode == 0, done.stderr
    assert "bored (4 images) is no class of the model; its images are left out." in plain(done.stdout)
    assert "unseen" not in done.stdout and "dazed (1" not in done.stdout
    [result] = json.loads((tmp_path / "results.json").read_text())
    assert result["images"] == 8 and result["without"] == ["dazed", "bored"]


def test_a_model_of_the_same_classes_needs_no_word(tmp_path):
    config = tiny_config(id2label={0: "smile", 1: "frown"})
    FerForImageClassification(config).save_pretrained(tmp_path / "model")
    FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1).save_pretrained(tmp_path / "model")
    done = fer(
        "evaluate", tmp_path / "model", "--data", write_faces(tmp_path / "data", {"smile": 4, "frown": 4}), "--split", "all"
    )
    assert done.returncode == 0 and "limited" not in done.stdout and "left out" not in done.stdout


def test_the_suite_says_the_same_by_row(tiny_checkpoint, tmp_path):
    suite = tmp_path / "suite"
    write_prepared(suite / "fer2013", 8)
    counts = {"anger": 4, "happiness": 4, "contempt": 1, "bored": 2}
    added = write_faces(tmp_path / "added", counts)
    write_faces(suite / "ckplus48", counts)
    done = fer("evaluate", tiny_checkpoint, "--suite", suite, "--add", added, "--output", tmp_path / "results.json")
    assert done.returncode == 0, done.stderr
    said = plain(done.stdout)
    assert "3: The answers are limited to the 7 classes that are measured" in said and "1: The answers" not in said
    assert "4: bored (2 images) is no class" in said and "5: bored (2 images) is no class" in said
    assert [one["without"] for one in json.loads((tmp_path / "results.json").read_text())[3:]] == [["contempt"], ["bored"]]


def test_an_export_is_not_measured(tiny_checkpoint, tmp_path):
    exported = tmp_path / "ex"
    assert fer("export", tiny_checkpoint, "--output", exported).returncode == 0
    for source in (exported, exported / "model.onnx"):
        done = fer("evaluate", source, "--data", "nowhere")
        assert done.returncode == 2
        assert "holds an ONNX export" in plain(done.stderr) and "checkpoint that it was exported from" in plain(done.stderr)


@pytest.mark.parametrize(
    ("splits", "count", "said"),
    [
        (("train", "validation", "test"), 12, "24 crops of {}, split test:"),
        (("train", "validation"), 12, "24 crops of {}, split validation:"),
        (("train",), 12, "5 crops of {}, split validation:"),
        (("train",), 2, "4 crops of {}, all splits, which the range of values was learned from too:"),
        (("test",), 2, "4 crops of {}, split test:"),
    ],
)
def test_export_says_on_which_split_it_was_measured(splits, count, said, tiny_checkpoint, tmp_path):
    data = write_faces(tmp_path / "data", {"anger": count, "happiness": count}, splits)
    done = fer("export", tiny_checkpoint, "--output", tmp_path / "out", "--data", data)
    assert done.returncode == 0, done.stderr
    assert said.format(data) in plain(done.stdout) and "accuracy" in done.stdout


@pytest.fixture
def run(tmp_path):
    """A run on dark and bright images."""
    write_recipe(
        Recipe(model={**MODEL, "regularization": "weakly"}, epochs=1, batch_size=16, mixed_precision="no"),
        tmp_path / "recipe.yaml",
    )
    data = write_faces(tmp_path / "data", {"sadness": 24, "happiness": 24})
    done = fer("train", tmp_path / "recipe.yaml", "--data", data, "--output", tmp_path / "run", "--cpu")
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def test_calibration_warns_of_data_that_the_network_was_not_trained_on(run, tmp_path):
    warning = "was trained on other images or labels; the held-out part of"
    other = write_faces(tmp_path / "other", {"sadness": 30, "happiness": 10})
    same = fer("calibrate", run, "--data", tmp_path / "data")
    assert same.returncode == 0 and warning not in same.stderr, same.stderr
    done = fer("calibrate", run, "--data", other)
    assert done.returncode == 0 and warning in plain(done.stderr) and f"of {other} may hold" in plain(done.stderr)


def test_calibration_on_a_few_easy_images_says_what_it_cannot_know(run, tmp_path):
    model = FerForImageClassification.from_pretrained(run / "best")
    model.classifier.output.weight.data.zero_()
    model.classifier.output.bias.data.copy_(model.classifier.output.bias.new_tensor([2.0, -2.0]))
    model.save_pretrained(run / "best")
    data = write_faces(tmp_path / "one", {"sadness": 40, "happiness": 0})
    done = fer("calibrate", run, "--data", data, "--prior", 0, "--output", tmp_path / "calibrated")
    assert done.returncode == 0, done.stderr
    assert "temperature 0.2, prior 0, uncertain below 0.9999" in done.stdout
    assert "The temperature is the lowest allowed" in done.stdout
    assert "take 4, 9, 19 validation images of a class" in done.stdout and "sadness (8), happiness (0)." in done.stdout
    assert json.loads((tmp_path / "calibrated/config.json").read_text())["uncertain_below"] < 1


def test_a_checkpoint_of_transformers_trainer_is_calibrated(tmp_path):
    data = write_faces(tmp_path / "data", {"sadness": 24, "happiness": 24})
    model = FerForImageClassification(tiny_config(id2label={0: "sadness", 1: "happiness"}, regularization="weakly"))
    processor = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1)
    rows = [
        {"pixel_values": processor(row["image"], return_tensors="pt")["pixel_values"][0], "labels": row["label"]}
        for row in Dataset.from_parquet(str(data / "train.parquet"))
    ]
    settings = TrainingArguments(
        str(tmp_path / "trainer"), max_steps=2, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True
    )
    trainer = Trainer(model, settings, train_dataset=rows)
    trainer.train()
    trainer.save_model(str(tmp_path / "trainer/best"))
    processor.save_pretrained(tmp_path / "trainer/best")
    done = fer("calibrate", tmp_path / "trainer/best", "--data", data, "--output", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "new/config.json").read_text())
    assert config["temperature"] != 1 and config["label_shares"] == pytest.approx([0.5, 0.5], abs=0.05)
    assert len(config["conformal_thresholds"]["0.9"]) == 2
    refused = fer(
        "calibrate", tmp_path / "trainer/best", "--data", data, "--auxiliary-share", 0.3, "--output", tmp_path / "other"
    )
    assert refused.returncode == 2 and "has no second label set" in plain(refused.stderr)


def test_a_bundled_checkpoint_is_calibrated_on_votes_and_on_labels_of_some_of_its_classes(tmp_path):
    votes, labels = write_prepared(tmp_path / "votes", 20), write_faces(tmp_path / "labels", {"sadness": 24, "happiness": 24})
    for data, name in ((votes, "votes"), (labels, "labels")):
        done = fer("calibrate", "fer-tiny", "--data", data, "--table", tmp_path / f"{name}.json", "--output", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert set(json.loads((tmp_path / f"{name}.json").read_text())["0"]["0.5"]) == {name}
        assert "contempt (0)" in done.stdout
    bored = write_faces(tmp_path / "bored", {"anger": 8, "bored": 8})
    refused = fer("calibrate", "fer-tiny", "--data", bored)
    assert refused.returncode == 2 and "The network has no class 'bored'" in plain(refused.stderr)
    joined = fer("calibrate", "fer-tiny", "--data", votes, "--auxiliary-share", 0.3, "--output", tmp_path / "joined")
    assert joined.returncode == 2 and "learned its second label set; leave --auxiliary-share out" in plain(joined.stderr)

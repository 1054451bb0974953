"""`fer evaluate` on one data set, and the files of results."""

import csv
import json
from copy import deepcopy
from dataclasses import replace

import datasets
import numpy as np
import pytest
from helpers import fer, plain, write_prepared
from PIL import Image

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.commands.evaluate import show_results
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data import load_labelled
from modeling_fer.hub.release import write_release
from modeling_fer.inference.loading import load_checkpoint
from modeling_fer.training import answers
from modeling_fer.training.answers import Answerer, score_answers
from modeling_fer.training.measurement import Measurement, Result, digest_checkpoint, read_results, write_results
from modeling_fer.training.suite import measure


def test_measures_one_data_set_with_the_checkpoints_prior_or_another(two_headed, prepared, tmp_path):
    output = tmp_path / "results.json"
    for options in ([], ["--prior", "0"], ["--auxiliary"], ["--mirrored", "--without", "anger"]):
        done = fer("evaluate", two_headed, "--data", prepared, "--output", output, *options)
        assert done.returncode == 0, done.stderr
    results = read_results(output)
    assert [(r.measurement.prior_strength, r.measurement.auxiliary) for r in results] == [
        (0.5, False),
        (0.0, False),
        (0.0, True),
        (0.5, False),
    ]
    assert [r.scores["images"] for r in results] == [20, 20, 20, 10]
    assert results[0].scores["recall"].keys() == {"happiness", "anger"}
    fer("evaluate", two_headed, "--data", prepared, "--output", output)
    assert len(read_results(output)) == 4


def test_the_answer_to_each_image_is_a_row_of_a_table(two_headed, prepared, tmp_path):
    table, output = tmp_path / "deep" / "answers.csv", tmp_path / "results.json"
    subjects = [f"person {number}" for number in range(20)]
    whole = datasets.Dataset.from_parquet(str(prepared / "test.parquet")).add_column("subject", subjects)
    for name in ("train", "test"):
        whole.to_parquet(prepared / f"{name}.parquet")
    done = fer("evaluate", two_headed, "--data", prepared, "--without", "happiness", "--answers", table, "--output", output)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(table.open(encoding="utf-8", newline="")))
    assert list(rows[0]) == ["image", "subject", "label", "answer", "probability_anger"]
    assert [(row["image"], row["subject"]) for row in rows] == [(str(n), f"person {n}") for n in range(1, 20, 2)]
    done = fer("evaluate", two_headed, "--data", prepared, "--answers", table, "--output", output)
    rows = list(csv.DictReader(table.open(encoding="utf-8", newline="")))
    [result] = [result for result in read_results(output) if not result.measurement.without]
    assert np.mean([row["label"] == row["answer"] for row in rows]) == result.scores["accuracy"]
    for row in rows:
        chances = {name: float(row[f"probability_{name}"]) for name in ("happiness", "anger")}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5) and max(chances, key=chances.get) == row["answer"]
    refused = fer("evaluate", two_headed, "--data", prepared, "--answers", tmp_path / "answers.xlsx")
    assert refused.returncode == 2 and "answers.xlsx does not end as a table does" in plain(refused.stderr)


def test_each_image_is_looked_at_once_for_all_its_measurements(two_headed, prepared, monkeypatch):
    seen: list[int] = []
    real = answers.predict_logits

    def predict(model, processor, columns, **options):
        seen.append(len(columns))
        return real(model, processor, columns, **options)

    monkeypatch.setattr(answers, "predict_logits", predict)
    checkpoint = load_checkpoint(two_headed)
    dataset, answerer = load_labelled(prepared, "test"), Answerer(checkpoint)
    for options in ({"prior_strength": 0.0}, {"prior_strength": 0.5}, {"auxiliary": True}, {"without": ["anger"]}):
        measurement = Measurement("drawn", "test", **options)
        fresh = score_answers(measure(Answerer(checkpoint), measurement, dataset))
        assert seen.pop() == (10 if "without" in options else 20)
        for name, value in score_answers(measure(answerer, measurement, dataset)).items():
            assert value == pytest.approx(fresh[name], abs=1e-6) if isinstance(value, float) else value == fresh[name]
    assert seen == [20]


def test_a_class_without_images_has_no_recall(two_headed, prepared, tmp_path):
    data = write_prepared(tmp_path / "seven", 8)
    options = ("--output", tmp_path / "results.json", "--confusion", tmp_path / "confusion.png")
    done = fer("evaluate", two_headed, "--data", data, *options)
    assert done.returncode == 0, done.stderr
    assert "nan" not in done.stdout and "NaN" not in (tmp_path / "results.json").read_text()
    recalls = dict(plain(line).split() for line in done.stdout.splitlines()[-8:-1])
    assert [name for name, recall in recalls.items() if recall != "-"] == ["happiness", "sadness"] and len(recalls) == 7
    [result] = read_results(tmp_path / "results.json")
    assert list(result.scores["recall"]) == ["happiness", "sadness"]
    assert result.scores["classes"] == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert np.shape(result.scores["confusion"]) == (7, 7) and np.sum(result.scores["confusion"]) == 8
    none = fer("evaluate", two_headed, "--data", data, "--without", "happiness", "--without", "sadness")
    assert none.returncode == 2
    assert "has no image of the classes that it shares with the model, anger, disgust," in plain(none.stderr)


def test_measured_again_takes_the_old_results_place(tmp_path):
    def result(dataset, accuracy):
        scores = {"images": 1, "accuracy": accuracy, "uar": 0, "macro_f1": 0, "calibration_error": 0, "recall": {}}
        return Result(Measurement(dataset, "test"), scores)

    file = tmp_path / "deep" / "results.json"
    write_results([result("a", 0.1), result("b", 0.2)], file)
    write_results([result("a", 0.3)], file)
    assert [(r.measurement.dataset, r.scores["accuracy"]) for r in read_results(file)] == [("a", 0.3), ("b", 0.2)]


def calibrate(checkpoint, folder):
    """What `fer calibrate` does to a checkpoint, in short."""
    FerForImageClassification.from_pretrained(checkpoint, temperature=1.5).save_pretrained(folder)
    FerImageProcessor.from_pretrained(checkpoint).save_pretrained(folder)
    return folder


def test_results_of_two_checkpoints_are_not_mixed_in_one_file(two_headed, prepared, tmp_path):
    output = tmp_path / "results.json"
    assert fer("evaluate", two_headed, "--data", prepared, "--output", output).returncode == 0
    written = output.read_text()
    [result] = read_results(output)
    assert result.checkpoint == digest_checkpoint(load_checkpoint(two_headed))
    calibrated = calibrate(two_headed, tmp_path / "calibrated")
    # The images of this one cannot be read: it is refused before they are.
    broken = {"image": [{"bytes": b"no image", "path": None}] * 2, "label": [0, 1]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["happy", "angry"])})
    datasets.Dataset.from_dict(broken, features=features).to_parquet(prepared / "test.parquet")
    for options in (["--data", prepared], ["--suite", tmp_path]):
        refused = fer("evaluate", calibrated, *options, "--output", output)
        assert refused.returncode == 2 and output.read_text() == written
        assert "results.json has results of another checkpoint, or of this one before it was calibrated" in plain(
            refused.stderr
        )
        assert "give another --output, or remove the file" in plain(refused.stderr)


def test_results_that_do_not_say_their_checkpoint_are_added_to(two_headed, prepared, tmp_path):
    output = tmp_path / "results.json"
    fer("evaluate", two_headed, "--data", prepared, "--output", output)
    [row] = json.loads(output.read_text())
    old = {name: value for name, value in row.items() if name != "checkpoint"}
    output.write_text(json.dumps([{**old, "dataset": "elsewhere"}, old]))
    assert fer("evaluate", two_headed, "--data", prepared, "--output", output).returncode == 0
    assert [result.checkpoint for result in read_results(output)] == [None, row["checkpoint"]]
    assert json.loads(output.read_text()) == [{**old, "dataset": "elsewhere"}, row]


def test_a_digest_tells_checkpoints_apart_and_stays_where_one_is_saved_again(two_headed, tmp_path):
    checkpoint = load_checkpoint(two_headed)
    known = digest_checkpoint(checkpoint)
    write_release(two_headed, "# card", tmp_path / "release", linked=True)
    assert digest_checkpoint(load_checkpoint(tmp_path / "release")) == known
    # A temperature of 1 is no other than one of 1.0.
    whole, real = deepcopy(checkpoint.model), deepcopy(checkpoint.model)
    whole.config.temperature, real.config.temperature = 1, 1.0
    digests = {digest_checkpoint(replace(checkpoint, model=model)) for model in (whole, real)}
    assert len(digests) == 1 and known not in digests
    lighter = deepcopy(checkpoint.image_processor)
    lighter.image_mean = [0.4]
    half = deepcopy(checkpoint.model).bfloat16()
    assert known not in {
        digest_checkpoint(replace(checkpoint, image_processor=lighter)),
        digest_checkpoint(replace(checkpoint, model=half)),
    }


@pytest.fixture
def shown(monkeypatch, capsys):
    """What is printed of results, on a screen of so many letters, or where no screen is."""

    def show(results, width=None):
        monkeypatch.setenv("COLUMNS", str(width or 80))
        if width is not None:
            # A screen without colours.
            monkeypatch.setenv("FORCE_COLOR", "1")
            monkeypatch.setenv("TERM", "dumb")
        show_results(results)
        return capsys.readouterr().out.splitlines()

    return show


def named_results(count):
    """Results with long names and all classes."""
    scores = {"images": 12345, "accuracy": 1.0, "uar": 1.0, "macro_f1": 1.0, "calibration_error": 0.1}
    scores |= {"classes": list(EXPRESSIONS), "recall": dict.fromkeys(EXPRESSIONS, 1.0)}
    names = [f"prepared/speakers_of_some_long_broadcast_{number:02}[1]" for number in range(count)]
    return [Result(Measurement(name, "validation", 0.5, without=["contempt"]), scores) for name in names]


@pytest.mark.parametrize("count", [1, 8, 12])
def test_tables_cut_no_name(shown, count):
    results = named_results(count)
    piped = shown(results)
    for result in results:
        assert any(f"│ {result.measurement.title} │ validation │ 12,345 │ 100.0%" in line for line in piped)
    assert "…" not in "".join(piped)
    screen = shown(results, 80)
    assert "…" not in "".join(screen) and max(map(len, screen)) <= 80
    for lines in (piped, screen):
        rows = [plain(line).split() for line in lines if "happiness" in line]
        # Eight columns of recalls stand beside each other.
        assert [cell for row in rows for cell in row if cell != "happiness"] == ["100.0"] * count
        assert len(rows) == -(-count // 8)
    names = "".join(
        line.split("│")[1 if count == 1 else 2].strip() for line in screen if line.startswith("│ ") and line.count("│") > 7
    )
    assert all(result.measurement.dataset in names for result in results)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "by --data, or a folder of several by --suite"),
        (["--data", "nowhere"], "neither a folder with a prepared data set nor a repository"),
        (["--suite", "nowhere"], "nowhere/fer2013 is missing; the suite needs the prepared data sets fer2013 and ckplus48"),
        *(
            (["--suite", "nowhere", *option], f"{option[0]} does not go with --suite, which has its own; leave it out")
            for option in (
                ["--split", "test"],
                ["--target", "votes"],
                ["--map", "smile=happiness"],
                ["--without", "fear"],
                ["--prior", "0"],
                ["--auxiliary"],
                ["--mirrored"],
                ["--recut"],
                ["--confusion", "a.png"],
            )
        ),
        (["--data", "nowhere", "--add", "other"], "--add does not go with --data; evaluate one after another"),
        (["--data", "nowhere", "--fine-tune", "runs"], "--fine-tune does not go with --data; evaluate one after another"),
        (["--data", "nowhere", "--auxiliary", "--prior", "0.5"], "--prior does not go with --auxiliary, whose output layer"),
    ],
)
def test_wrong_usage_is_one_sentence(two_headed, arguments, message):
    done = fer("evaluate", two_headed, *arguments)
    assert done.returncode == 2
    assert message in plain(done.stderr)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "smile=happiness"], "The data set has no class 'smile'; it has happiness, anger"),
        (["--map", "happy=joy"], "The model has no class 'joy'"),
        (["--without", "fear"], "The data set has no class 'fear'"),
        (["--auxiliary"], "The checkpoint has no second output layer"),
        (["--confusion", "new/confusion.pn"], "confusion.pn does not end as a picture does; give a name that ends in .png"),
        (["--output", "broken.json"], "broken.json is not JSON"),
    ],
)
def test_what_cannot_be_measured_is_told_before_any_image_is_looked_at(
    tiny_checkpoint, prepared, tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("[{")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["happy", "angry"])})
    # Whoever looks at one of these fails.
    rows = {"image": [{"bytes": b"no image", "path": None}] * 4, "label": [0, 1, 0, 1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(prepared / "test.parquet")
    done = fer("evaluate", tiny_checkpoint, "--data", prepared, "--recut", *options)
    assert done.returncode == 2 and message in plain(done.stderr), done.stderr
    assert not (tmp_path / "new").exists()


def test_the_folder_of_the_confusion_matrix_is_made(tiny_checkpoint, prepared, tmp_path):
    done = fer("evaluate", tiny_checkpoint, "--data", prepared, "--confusion", tmp_path / "new/folder/confusion.png")
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "new/folder/confusion.png").width > 100


def test_results_that_are_none_are_named(tmp_path):
    (tmp_path / "broken.json").write_text("[{")
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="broken.json is not JSON"):
        read_results(tmp_path / "broken.json")
    with pytest.raises(ValueError, match="other.json is not a list of results"):
        read_results(tmp_path / "other.json")

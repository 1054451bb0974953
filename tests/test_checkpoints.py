"""The bundled checkpoints are what their folders, their cards and the README say."""

import json
import sys

import pytest
from helpers import ROOT
from huggingface_hub import ModelCard
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification, pipeline

import modeling_fer
from modeling_fer import (
    FacialExpressionPipeline,
    FerConfig,
    FerForImageClassification,
    FerImageProcessor,
    FerModel,
    checkpoint_folder,
    checkpoints,
)
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data.recut import recut_faces
from modeling_fer.faces_fer import FaceCropper, make_detector
from modeling_fer.hub.card import METRICS
from modeling_fer.inference.loading import load_checkpoint
from modeling_fer.training.answers import Answerer, score_answers
from modeling_fer.training.measurement import Measurement, read_results
from modeling_fer.training.suite import measure, read_measured

NAMES = ("fer-base", "fer-tiny")
FOLDERS = {name: checkpoint_folder(name) for name in NAMES}
RESULTS = {name: read_results(ROOT / "results" / f"{name}.json") for name in NAMES}
MEASUREMENTS = [(name, result) for name in NAMES for result in RESULTS[name] if not result.measurement.folds]
PACKAGE = ROOT / "modeling_fer"


@pytest.mark.parametrize("name", NAMES)
def test_is_laid_out_as_a_hub_repository_without_its_code(name):
    names = {path.name for path in FOLDERS[name].iterdir()}
    own = {"config.json", "model.onnx", "model.safetensors", "preprocessor_config.json", "README.md", "example.jpg"}
    assert names == own


def test_both_are_under_30_mb_and_the_tiny_one_about_one():
    sizes = {name: sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) for name, folder in FOLDERS.items()}
    assert sum(sizes.values()) < 30e6
    assert (FOLDERS["fer-tiny"] / "model.safetensors").stat().st_size < 1.1e6


@pytest.mark.parametrize("name", NAMES)
def test_card_and_picture_are_the_repositorys_own(name):
    folder = FOLDERS[name]
    shown = ModelCard.load(folder / "README.md").text.strip()
    assert shown == ModelCard.load(ROOT / "model_card.md").text.strip(), "run scripts/release_checkpoint.py"
    assert (folder / "example.jpg").read_bytes() == (ROOT / "space/examples/astronaut.jpg").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_in_the_card_is_that_of_the_results_file(name):
    card = ModelCard.load(FOLDERS[name] / "README.md")
    results = {result.measurement.title: result for result in RESULTS[name]}
    assert card.data.model_name == name
    assert len(card.data.eval_results) == len(METRICS) * sum(name == of for of, _ in MEASUREMENTS)
    keys = {kind: key for key, (kind, _) in METRICS.items()}
    for shown in card.data.eval_results:
        result = results[shown.dataset_name]
        assert shown.metric_value == round(result.scores[keys[shown.metric_type]], 4)
        assert shown.dataset_split == result.measurement.split


def test_travelling_code_imports_nothing_else():
    allowed = ("torch", "transformers", "huggingface_hub", "numpy", "PIL")
    files = list(PACKAGE.glob("*_fer.py"))
    assert PACKAGE / "modeling_fer.py" in files
    for file in files:
        for line in file.read_text().splitlines():
            if line.startswith(("import ", "from ")):
                module = line.split()[1]
                assert module.startswith(".") or module.split(".")[0] in (*allowed, *sys.stdlib_module_names), (
                    f"{file.name}: {line}"
                )


@pytest.mark.parametrize("name", NAMES)
def test_configuration(name):
    config = json.loads((FOLDERS[name] / "config.json").read_text())
    assert list(config["id2label"].values()) == list(EXPRESSIONS)
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModel", "AutoModelForImageClassification"}
    assert config["custom_pipelines"]["facial-expression-recognition"]["impl"] == "pipeline_fer.FacialExpressionPipeline"
    assert sum(config["label_shares"]) == pytest.approx(1)
    assert 0 < config["prior_strength"] < 1 and config["temperature"] != 1
    processor = json.loads((FOLDERS[name] / "preprocessor_config.json").read_text())
    assert processor["auto_map"]["AutoImageProcessor"] == "image_processing_fer.FerImageProcessor"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trust", [True, None])
def test_the_packages_own_classes_load_it_whatever_is_trusted(name, trust, photo_path):
    folder = FOLDERS[name]
    assert type(AutoConfig.from_pretrained(folder, trust_remote_code=trust)) is FerConfig
    assert type(AutoModel.from_pretrained(folder, trust_remote_code=trust)) is FerModel
    model = AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=trust)
    assert type(model) is FerForImageClassification
    assert type(AutoImageProcessor.from_pretrained(folder, trust_remote_code=trust)) is FerImageProcessor
    fer = pipeline("facial-expression-recognition", model=str(folder), trust_remote_code=trust, device="cpu")
    assert type(fer) is FacialExpressionPipeline
    assert fer(photo_path, boxes=[(182, 62, 267, 175)])[0]["expressions"][0]["label"] == "happiness"


def test_names_find_the_bundled_checkpoints_unless_a_folder_has_them(tmp_path, monkeypatch):
    assert checkpoints.find_checkpoint("fer-tiny") == FOLDERS["fer-tiny"]
    assert checkpoints.find_checkpoint(None) == FOLDERS["fer-base"]
    assert checkpoints.find_checkpoint("user/fer-tiny") == "user/fer-tiny"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fer-tiny").mkdir()
    assert checkpoints.find_checkpoint("fer-tiny") == "fer-tiny"


def test_unknown_checkpoints_are_named():
    with pytest.raises(ValueError, match="no checkpoint 'best'; it brings fer-base, fer-tiny"):
        checkpoint_folder("best")
    with pytest.raises(AttributeError, match="Trainr"):
        _ = modeling_fer.Trainr


@pytest.fixture(scope="module")
def answerers() -> dict[str, Answerer]:
    """Of the checkpoints, each of which sees an image once."""
    return {name: Answerer(load_checkpoint(name)) for name in NAMES}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "result"), MEASUREMENTS, ids=lambda value: getattr(value, "measurement", value) and str(value)[:40]
)
def test_scores_what_the_card_says(name, result, answerers, fer_data):
    dataset = read_measured(result.measurement, fer_data)
    if result.measurement.recut:
        processor = answerers[name].checkpoint.image_processor
        dataset = recut_faces(dataset, make_detector(processor.face_detector), FaceCropper.from_processor(processor))
    measured = score_answers(measure(answerers[name], result.measurement, dataset))
    for metric in ("accuracy", "uar", "accuracy_all_classes", "calibration_error"):
        assert measured[metric] == pytest.approx(result.scores[metric], abs=5e-4)


def test_no_class_of_ferplus_is_lost_as_trained():
    [as_trained] = [one for one in RESULTS["fer-base"] if one.measurement == Measurement("ferplus", "test")]
    assert min(as_trained.scores["recall"].values()) >= 0.35


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fer-bse", r"fer-bse is neither a folder nor a bundled checkpoint \(fer-base, fer-tiny\); did you mean fer-base\?"),
        ("resnet", "a repository of the Hub is named user/name"),
    ],
)
def test_a_name_that_is_nowhere_is_refused_without_asking_the_hub(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        checkpoints.find_checkpoint(name)
    with pytest.raises(ValueError, match=sentence):
        modeling_fer.load(name)


def test_a_run_folder_is_taken_for_its_best_epoch(tiny_checkpoint, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    tiny_checkpoint.rename(run / "best")
    assert checkpoints.find_checkpoint(run) == run / "best"
    assert checkpoints.find_checkpoint(run / "best") == run / "best"
    assert checkpoints.find_checkpoint("user/name") == "user/name"

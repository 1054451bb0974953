"""The bundled checkpoint is what its folder, its card and the README say."""

import json

import pytest
from conftest import ROOT
from huggingface_hub import ModelCard

import modeling_fer
from modeling_fer import checkpoint_folder
from modeling_fer.card import METRICS, describe_dataset
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data import load_labelled
from modeling_fer.evaluation import evaluate_checkpoint

FOLDER = checkpoint_folder()
PACKAGE = ROOT / "modeling_fer"


def test_is_laid_out_as_a_hub_repository_of_at_most_20_mb():
    names = {path.name for path in FOLDER.iterdir() if path.is_file()}
    code = {path.name for path in PACKAGE.glob("*_fer.py")}
    assert names == code | {"config.json", "model.safetensors", "preprocessor_config.json", "README.md", "example.jpg"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 20e6


def test_travelling_code_and_card_are_the_repositorys_own():
    for file in PACKAGE.glob("*_fer.py"):
        assert (FOLDER / file.name).read_text() == file.read_text(), f"run scripts/release_checkpoint.py: {file.name} differs"
    assert ModelCard.load(FOLDER / "README.md").text.strip() == ModelCard.load(ROOT / "model_card.md").text.strip()
    assert (FOLDER / "example.jpg").read_bytes() == (ROOT / "space/examples/astronaut.jpg").read_bytes()


def test_every_metric_in_the_card_is_that_of_the_results_file():
    card = ModelCard.load(FOLDER / "README.md")
    results = {describe_dataset(result): result for result in RESULTS}
    assert card.data.model_name == "fer-plus-48"
    assert len(card.data.eval_results) == len(METRICS) * len(RESULTS)
    keys = {kind: key for key, (kind, _) in METRICS.items()}
    for shown in card.data.eval_results:
        assert shown.metric_value == round(results[shown.dataset_name][keys[shown.metric_type]], 4)
        assert shown.dataset_split == results[shown.dataset_name]["split"]


def test_travelling_code_imports_nothing_else():
    allowed = ("torch", "transformers", "huggingface_hub", "numpy", "PIL")
    standard = ("copy", "os", "shutil", "types", "warnings", "collections", "dataclasses", "pathlib", "typing")
    for file in PACKAGE.glob("*_fer.py"):
        for line in file.read_text().splitlines():
            if line.startswith(("import ", "from ")):
                module = line.split()[1]
                assert module.startswith(".") or module.split(".")[0] in allowed + standard, f"{file.name}: {line}"


def test_configuration():
    config = json.loads((FOLDER / "config.json").read_text())
    assert list(config["id2label"].values()) == list(EXPRESSIONS)
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModel", "AutoModelForImageClassification"}
    assert config["custom_pipelines"]["facial-expression-recognition"]["impl"] == "pipeline_fer.FacialExpressionPipeline"
    processor = json.loads((FOLDER / "preprocessor_config.json").read_text())
    assert processor["auto_map"]["AutoImageProcessor"] == "image_processing_fer.FerImageProcessor"


def test_unknown_checkpoints_are_named():
    with pytest.raises(ValueError, match="no checkpoint 'best'; it brings fer-plus-48"):
        checkpoint_folder("best")
    with pytest.raises(AttributeError, match="Trainr"):
        _ = modeling_fer.Trainr


RESULTS = json.loads((ROOT / "results" / "fer-plus-48.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result["dataset"] + "-recut" * result["recut"])
def test_scores_what_the_card_says(result, fer_data):
    folder = {"ferplus": "fer2013"}.get(result["dataset"], result["dataset"])
    dataset = load_labelled(result["dataset"], fer_data / folder, result["split"])
    measured = evaluate_checkpoint(FOLDER, dataset, result["without"], result["recut"])
    for metric in ("accuracy", "uar", "accuracy_all_classes", "calibration_error"):
        assert measured[metric] == pytest.approx(result[metric], abs=5e-4)
    if result["dataset"] == "ferplus":
        assert measured["accuracy"] >= 0.82
        assert min(measured["recall"].values()) > 0


def test_card_and_readme_show_the_results():
    for file in ("model_card.md", "README.md"):
        text = (ROOT / file).read_text()
        for result in RESULTS:
            assert f"{result['accuracy']:.1%}" in text, f"{file} does not show {result['dataset']}"

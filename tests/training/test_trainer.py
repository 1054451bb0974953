import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Array2D, ClassLabel, Dataset, Features, Image, Value
from helpers import MODEL, RECIPE, ROOT, changed, columns, two_label_sets, write_prepared

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data import load_splits
from modeling_fer.data.columns import decode_columns
from modeling_fer.inference.loading import load_checkpoint
from modeling_fer.training.answers import Answerer, score_answers
from modeling_fer.training.augmentation import AugmentationConfig
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.evaluation import predict_logits
from modeling_fer.training.process import choose_precision
from modeling_fer.training.recipe import Recipe, write_recipe
from modeling_fer.training.sampling import training_shares
from modeling_fer.training.trainer import Trainer


def test_learns_and_writes_a_run_folder(tmp_path):
    best = Trainer(Recipe(**{**vars(RECIPE), "epochs": 12}), columns(), columns(24), tmp_path, cpu=True).fit()
    assert best["accuracy"] > 0.9
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    trained = load_checkpoint(tmp_path / "best")
    assert list(trained.model.config.id2label.values()) == ["low", "middle", "high"]
    assert score_answers(Answerer(trained).answer(columns(24)))["accuracy"] == pytest.approx(best["accuracy"])


def test_one_process_trains_in_one_precision_after_another(tmp_path):
    for run, precision in enumerate(("no", "bf16", "no")):
        recipe = replace(RECIPE, epochs=1, mixed_precision=precision)
        trainer = Trainer(recipe, columns(32), columns(16), tmp_path / str(run), cpu=True)
        assert trainer.accelerator.mixed_precision == precision
        trainer.fit()


def test_precision_is_that_of_the_device():
    assert choose_precision("bf16", "cpu") == "bf16" and choose_precision("auto", "mps") == "no"
    with pytest.raises(ValueError, match="fp16, in which a CPU does not train; give auto, bf16 or no"):
        choose_precision("fp16", "cpu")


def test_landmark_regularization_needs_an_image_with_landmarks(tmp_path):
    data = columns()
    data.has_landmarks[:] = False
    with pytest.raises(ValueError, match="'hybrid' needs landmarks, but no image .* has any.* fer prepare"):
        Trainer(RECIPE, data, columns(24), tmp_path, cpu=True)
    Trainer(changed(model={**MODEL, "regularization": "weakly"}), data, columns(24), tmp_path, cpu=True)


def test_loss_that_is_not_finite_stops_the_run(tmp_path):
    data = columns()
    data.landmarks[:] = float("nan")
    with pytest.raises(FloatingPointError, match="epoch 1, step 1;"):
        Trainer(RECIPE, data, columns(24), tmp_path, cpu=True).fit()


def test_recipe_starts_from_a_checkpoint(tmp_path):
    Trainer(RECIPE, columns(), columns(24), tmp_path / "first", cpu=True).fit()
    start = str(tmp_path / "first" / "best")
    second = Trainer(Recipe(**{**vars(RECIPE), "initial_checkpoint": start}), columns(), columns(24), tmp_path / "2", cpu=True)
    expected = FerForImageClassification.from_pretrained(start).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in second.model.state_dict().items())


def test_two_label_sets_are_learned_and_the_best_epoch_has_the_best_mean(tmp_path):
    recipe = changed(epochs=8, learning_rate=5e-3)
    best = Trainer(recipe, two_label_sets(), two_label_sets(24), tmp_path, cpu=True).fit()
    assert best["accuracy"] > 0.9 and best["auxiliary_accuracy"] > 0.9
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    scores = [(line["accuracy"] + line["auxiliary_accuracy"]) / 2 for line in lines]
    assert [line["score"] for line in lines] == pytest.approx(scores)
    assert best["score"] == max(scores)
    model = FerForImageClassification.from_pretrained(tmp_path / "best")
    assert model.config.auxiliary_labels == ["other", "top"]
    logits, auxiliary = predict_logits(model, FerImageProcessor.from_pretrained(tmp_path / "best"), two_label_sets(24))
    for scored, labels, name in (
        (logits, two_label_sets(24).labels, "accuracy"),
        (auxiliary, two_label_sets(24).auxiliary_labels, "auxiliary_accuracy"),
    ):
        assert scored.argmax(dim=1).eq(labels).float().mean().item() == pytest.approx(best[name])


def test_one_label_set_is_scored_by_its_accuracy(tmp_path):
    best = Trainer(changed(epochs=1), columns(), columns(24), tmp_path, cpu=True).fit()
    assert best["score"] == best["accuracy"] and "auxiliary_accuracy" not in best


def test_of_epochs_that_are_equally_often_right_the_one_with_the_lowest_loss_is_kept(tmp_path):
    trainer = Trainer(changed(epochs=1), columns(), columns(24), tmp_path, cpu=True)
    assert trainer.improves({"score": 0.0, "validation_loss": 9.0})
    trainer.progress.best = {"score": 0.5, "validation_loss": 1.0}
    assert trainer.improves({"score": 0.5, "validation_loss": 0.9}) and trainer.improves({"score": 0.6, "validation_loss": 2.0})
    assert not trainer.improves({"score": 0.5, "validation_loss": 1.0})
    assert not trainer.improves({"score": 0.4, "validation_loss": 0.1})


def test_the_epoch_with_the_lowest_loss_is_kept_where_the_recipe_says_so(tmp_path):
    trainer = Trainer(changed(epochs=1, selection="loss"), columns(), columns(24), tmp_path, cpu=True)
    trainer.progress.best = {"score": 0.5, "validation_loss": 1.0}
    assert trainer.improves({"score": 0.4, "validation_loss": 0.9})
    assert not trainer.improves({"score": 0.9, "validation_loss": 1.1})


def test_the_validation_loss_is_that_of_the_kept_weights(tmp_path):
    best = Trainer(changed(epochs=1), columns(), columns(24), tmp_path, cpu=True).fit()
    model, processor = (kind.from_pretrained(tmp_path / "best") for kind in (FerForImageClassification, FerImageProcessor))
    logits, _ = predict_logits(model, processor, columns(24))
    expected = torch.nn.functional.cross_entropy(logits, columns(24).labels).item()
    assert best["validation_loss"] == pytest.approx(expected, rel=1e-4)


def test_mixing_reaches_both_label_sets_and_the_maps(tmp_path):
    recipe = changed(augmentation=AugmentationConfig(mixup=1.0, mixup_alpha=2.0))
    trainer = Trainer(recipe, two_label_sets(), two_label_sets(24), tmp_path, cpu=True)
    trainer.seed_step()
    inputs = trainer.inputs(two_label_sets().__getitems__(list(range(16))))
    for name in ("labels", "auxiliary_targets"):
        torch.testing.assert_close(inputs[name].sum(dim=1), torch.ones(16))
        assert ((inputs[name] > 0).sum(dim=1) == 2).any()
    outputs = trainer.model(**inputs)
    assert torch.isfinite(outputs.loss) and outputs.loss_terms.auxiliary > 0


@pytest.mark.parametrize(("target", "classes"), [("votes", 8), ("joint", 8), ("both", 8), ("label", 7)])
def test_each_target_is_trained_on(target, classes, tmp_path):
    write_prepared(tmp_path / "data", 40)
    recipe = changed(target=target, epochs=1)
    splits = load_splits(tmp_path / "data", target, recipe.label_votes)
    train, validation = (recipe_columns(recipe, splits[name]) for name in ("train", "validation"))
    assert len(train) == (40 if target == "label" else 39)
    assert train.targets.shape[1] == classes
    best = Trainer(recipe, train, validation, tmp_path / "run", cpu=True).fit()
    config = FerForImageClassification.from_pretrained(tmp_path / "run" / "best").config
    assert config.label_shares == pytest.approx(training_shares(recipe, train))
    assert ("auxiliary_accuracy" in best) == (target == "both")
    if target == "both":
        assert list(config.id2label.values()) == list(EXPRESSIONS)
        assert config.auxiliary_labels == splits["train"].features["auxiliary_label"].names
        assert train.select(np.array([3, 1])).auxiliary_labels.tolist() == train.auxiliary_labels[[3, 1]].tolist()


def test_a_stream_is_not_balanced():
    with pytest.raises(ValueError, match="class_balancing is 0.3, but a streamed data set is read in its own order"):
        Recipe(streaming=True, class_balancing=0.3)


def launch(folder, launched: list[str], *more: str) -> "subprocess.CompletedProcess[str]":
    """Trains on two processes by the recipe and the data set in a folder."""
    arguments = ["recipe.yaml", "--data", "data", "--output", "run", "--cpu", *more]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu", *launched, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


@pytest.mark.slow
def test_accelerate_launch_trains_by_the_command_and_by_the_script(tmp_path):
    write_prepared(tmp_path / "data", 40)
    write_recipe(Recipe(model=MODEL, epochs=1, batch_size=8), tmp_path / "recipe.yaml")
    done = launch(tmp_path, ["-m", "modeling_fer.commands.train"])
    assert done.returncode == 0, done.stderr
    assert "epoch 1: loss" in done.stdout
    assert (tmp_path / "run" / "best" / "model.safetensors").is_file()
    longer = launch(tmp_path, [str(ROOT / "scripts" / "train.py")], "--resume", "--set", "epochs=2")
    assert "epoch 2: loss" in longer.stdout, longer.stderr


def test_images_and_landmarks_are_scaled_together():
    from PIL import Image as Pil

    spot = np.zeros((48, 48), np.uint8)
    spot[20:24, 32:36] = 255
    features = Features(
        image=Image(), label=ClassLabel(names=["a"]), landmarks=Array2D((2, 2), "float32"), face_detected=Value("bool")
    )
    rows = {
        "image": [Pil.fromarray(spot)], "label": [0], "landmarks": [[[0, 0], [33.5, 21.5]]], "face_detected": [True],
    }  # fmt: skip
    processor = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1)
    decoded = decode_columns(Dataset.from_dict(rows, features=features), processor, slice(1, 2))
    weights = decoded.images[0, 0].float()
    x = (weights.sum(0) * torch.arange(24)).sum() / weights.sum()
    assert decoded.landmarks[0, 0].tolist() == pytest.approx([x.item(), 10.5], abs=0.1)
    assert math.isclose(decoded.targets.sum().item(), 1)

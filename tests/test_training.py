import json
import math
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT
from datasets import Array2D, ClassLabel, Dataset, Features, Image, List, Value

from modeling_fer import FerConfig, FerForImageClassification, FerImageProcessor
from modeling_fer.building import build_sampler, learning_rate_factor
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.data.ferplus import FER2013_EXPRESSIONS
from modeling_fer.evaluation import ExpressionMetrics, calibration_error, evaluate_columns, map_classes
from modeling_fer.recipe import Recipe, read_recipe, write_recipe
from modeling_fer.training import Trainer

RECIPES = sorted((ROOT / "scripts" / "recipes").glob("*.yaml"))
MODEL = {
    "image_size": 24,
    "num_channels": 1,
    "facial_parts_depth": 2,
    "facial_parts_filters": 4,
    "representation_depth": 2,
    "representation_filters": 4,
    "hidden_sizes": [16, 16],
    "heatmap_sigma": 2.0,
}
RECIPE = Recipe(model={**MODEL, "facial_parts_weight": 1.0}, epochs=3, batch_size=16, ema_decay=0.5, mixed_precision="no")


def columns(size: int = 64) -> FaceColumns:
    """Bright bars at three heights: three classes that can be told apart."""
    labels = torch.arange(size) % 3
    images = torch.zeros(size, 1, 24, 24, dtype=torch.uint8)
    for row, label in enumerate(labels):
        images[row, :, 3 + 7 * label : 8 + 7 * label] = 200
    landmarks = torch.rand(size, 5, 2, generator=torch.Generator().manual_seed(0)) * 24
    names = ["low", "middle", "high"]
    return FaceColumns(images, torch.eye(3)[labels], labels, landmarks, torch.arange(size) % 4 > 0, names)


def test_learns_and_writes_a_run_folder(tmp_path):
    best = Trainer(Recipe(**{**vars(RECIPE), "epochs": 12}), columns(), columns(24), tmp_path, cpu=True).fit()
    assert best["accuracy"] > 0.9
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    model = FerForImageClassification.from_pretrained(tmp_path / "best")
    assert list(model.config.id2label.values()) == ["low", "middle", "high"]
    processor = FerImageProcessor.from_pretrained(tmp_path / "best")
    assert evaluate_columns(model, processor, columns(24))["accuracy"] == pytest.approx(best["accuracy"])


def test_averaged_with_mirror_images_a_model_scores_the_same_on_both():
    torch.manual_seed(3)
    model = FerForImageClassification(FerConfig(**MODEL, id2label=dict(enumerate(["low", "middle", "high"]))))
    processor = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1)
    seen = replace(columns(24), images=torch.randint(0, 256, (24, 1, 24, 24), dtype=torch.uint8))
    mirror = replace(seen, images=seen.images.flip(3))
    once, twice = ([evaluate_columns(model, processor, one, mirrored=both) for one in (seen, mirror)] for both in (False, True))
    assert twice[0]["calibration_error"] == pytest.approx(twice[1]["calibration_error"], abs=1e-6)
    assert once[0]["calibration_error"] != pytest.approx(once[1]["calibration_error"], abs=1e-6)


class CutError(Exception):
    """Ends a run in the middle."""


def weights(folder) -> dict[str, torch.Tensor]:
    return FerForImageClassification.from_pretrained(folder).state_dict()


@pytest.mark.parametrize("cut", [1, 5, 6, 11])
def test_resumed_run_ends_like_an_unbroken_one(cut, tmp_path):
    recipe = Recipe(
        **{**vars(RECIPE), "model": {**MODEL, "dropout": 0.2, "normalization": "batch", "facial_parts_weight": 1.0}}
    )
    whole = Trainer(recipe, columns(), columns(24), tmp_path / "whole", cpu=True).fit()
    broken = Trainer(recipe, columns(), columns(24), tmp_path / "broken", cpu=True, save_steps=1)
    step, steps = broken.train_step, []

    def cut_step(batch):
        if len(steps) == cut:
            raise CutError
        steps.append(None)
        return step(batch)

    broken.train_step = cut_step
    with pytest.raises(CutError):
        broken.fit()
    resumed = Trainer(recipe, columns(), columns(24), tmp_path / "broken", resume=True, cpu=True)
    assert 4 * resumed.progress.epoch + resumed.progress.step == cut
    best = resumed.fit()
    expected, actual = (weights(tmp_path / name / "last") for name in ("whole", "broken"))
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    assert (best["loss"], best["accuracy"]) == pytest.approx((whole["loss"], whole["accuracy"]))
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "broken")
    ]
    assert losses[0] == pytest.approx(losses[1])


def test_state_that_was_being_replaced_is_found(tmp_path):
    Trainer(RECIPE, columns(), columns(24), tmp_path, cpu=True).fit()
    (tmp_path / "state").rename(tmp_path / "state.old")
    assert Trainer(RECIPE, columns(), columns(24), tmp_path, resume=True, cpu=True).progress.epoch == 3


def test_resume_is_refused_with_another_recipe_or_without_a_state(tmp_path):
    with pytest.raises(FileNotFoundError, match="no state to resume from"):
        Trainer(RECIPE, columns(), columns(24), tmp_path / "none", resume=True, cpu=True)
    Trainer(Recipe(**{**vars(RECIPE), "epochs": 1}), columns(), columns(24), tmp_path, cpu=True).fit()
    with pytest.raises(ValueError, match="epochs = 1, but the recipe now says 3"):
        Trainer(RECIPE, columns(), columns(24), tmp_path, resume=True, cpu=True)


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


def test_learning_rate_is_that_of_the_recipe():
    decay = learning_rate_factor(Recipe(), steps_an_epoch=10)
    assert (decay(0), decay(10), decay(29)) == pytest.approx((1, 0.99, 0.99**2))
    cosine = learning_rate_factor(Recipe(schedule="cosine", epochs=10, warmup_epochs=1), steps_an_epoch=10)
    assert cosine(0) < 0.2
    assert cosine(10) == pytest.approx(1)
    assert cosine(55) == pytest.approx(0.5)
    assert cosine(100) == pytest.approx(0)


def test_class_balancing_draws_rare_classes_more_often():
    data = columns(300)
    rare = data.labels == 2
    rare &= torch.arange(300) > 30
    data.labels[rare], data.targets[rare] = 0, torch.tensor([1.0, 0, 0])
    drawn = [
        data.labels[list(build_sampler(Recipe(class_balancing=b), data, torch.Generator().manual_seed(0)))] for b in (0, 1)
    ]
    shares = [(labels == 2).float().mean().item() for labels in drawn]
    assert shares[0] < 0.05
    assert shares[1] == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_repository_are_read(recipe, tmp_path):
    read = read_recipe(recipe)
    write_recipe(read, tmp_path / "again.yaml")
    assert read_recipe(tmp_path / "again.yaml") == read


def test_bad_recipes_are_named(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("learning_rat: 1")
    with pytest.raises(ValueError, match="no setting 'learning_rat'; the nearest is 'learning_rate'"):
        read_recipe(file)
    file.write_text("augmentation: {rotation: [0]}")
    with pytest.raises(ValueError, match="augmentation has no setting 'rotation'; the nearest is 'rotations'"):
        read_recipe(file)
    file.write_text("schedule: linear")
    with pytest.raises(ValueError, match="schedule is 'linear'"):
        read_recipe(file)
    with pytest.raises(FileNotFoundError, match=r"none.yaml does not exist"):
        read_recipe(tmp_path / "none.yaml")


def test_metrics_against_hand_counted_values():
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.9, 0.1]])
    metrics = ExpressionMetrics().compute(predictions=probabilities, references=[0, 1, 1, 0])
    assert metrics["accuracy"] == 0.75
    assert metrics["recall"] == [1, 0.5]
    assert metrics["uar"] == 0.75
    assert metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    expected = (abs(0.8 - 1) + abs(0.6 - 0) + abs(0.7 - 1) + abs(0.9 - 1)) / 4
    assert calibration_error(probabilities, np.array([0, 1, 1, 0])) == pytest.approx(expected)


def test_classes_are_mapped_by_name():
    mapped = map_classes(torch.tensor([[0.2, 0.5, 0.3]]), ["a", "b", "c"], ["c", "a"])
    torch.testing.assert_close(mapped, torch.tensor([[0.6, 0.4]]))
    with pytest.raises(ValueError, match="no class 'd'"):
        map_classes(torch.ones(1, 1), ["a"], ["d"])


def write_fer2013(folder, size: int) -> None:
    """Small files with the columns of the real ones, of drawn bars."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = list(FER2013_EXPRESSIONS)
    features = Features(
        image=Image(), label=ClassLabel(names=names), votes=List(Value("uint8"), length=10),
        landmarks=Array2D((68, 2), "float32"), face_detected=Value("bool"),
    )  # fmt: skip
    from PIL import Image as Pil

    for split in ("train", "validation", "test"):
        labels = rng.integers(0, 2, size)
        rows = {
            "image": [Pil.fromarray(np.full((48, 48), 60 + 120 * int(label), np.uint8)) for label in labels],
            "label": [names.index("happy" if label else "sad") for label in labels],
            "votes": [[0, 8, 0, 0, 0, 1, 0, 0, 1, 0] if label else [2, 0, 0, 7, 0, 0, 0, 0, 0, 1] for label in labels],
            "landmarks": rng.uniform(0, 48, (size, 68, 2)).astype("float32"),
            "face_detected": rng.integers(0, 2, size).astype(bool),
        }
        rows["votes"][0] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 9]
        Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")


@pytest.mark.slow
def test_accelerate_launch_trains_and_resumes(tmp_path):
    write_fer2013(tmp_path / "data", 40)
    write_recipe(Recipe(model=MODEL, epochs=1, batch_size=8), tmp_path / "recipe.yaml")
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu", str(ROOT / "scripts" / "train.py"),
        str(tmp_path / "recipe.yaml"), "--data", str(tmp_path / "data"), "--output", str(tmp_path / "run"), "--cpu",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epoch 1: loss" in done.stdout
    assert (tmp_path / "run" / "best" / "model.safetensors").is_file()
    bad = subprocess.run([*command, "--set", "epochz=2"], capture_output=True, text=True, cwd=tmp_path)
    assert "no setting 'epochz'; the nearest is 'epochs'" in bad.stderr


@pytest.mark.slow
def test_killed_run_ends_like_one_left_alone(tmp_path):
    write_fer2013(tmp_path / "data", 120)
    write_recipe(Recipe(model=MODEL, epochs=2, batch_size=2, mixed_precision="no"), tmp_path / "recipe.yaml")

    def command(run: str, *more: str) -> list[str]:
        arguments = ["recipe.yaml", "--data", "data", "--output", run, "--cpu", "--save-steps", "1", *more]
        return [sys.executable, str(ROOT / "scripts" / "train.py"), *arguments]

    whole = subprocess.run(command("whole"), capture_output=True, text=True, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    while killed.poll() is None and not (tmp_path / "killed" / "state").is_dir():
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "killed" / "last").exists(), "the run must be killed within its first epoch"
    resumed = subprocess.run(command("killed", "--resume"), capture_output=True, text=True, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    expected, actual = (weights(tmp_path / run / "last") for run in ("whole", "killed"))
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


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

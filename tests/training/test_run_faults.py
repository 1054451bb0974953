"""What a training run says and keeps when something goes wrong, and what it tells trackers."""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image
from helpers import FER, MODEL, RECIPE, ROOT, columns, fer, limit_file_size, plain, tiny_config, weights, write_prepared
from PIL import Image as Pil

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.training.augmentation import AugmentationConfig
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.evaluation import rename_columns
from modeling_fer.training.initial_weights import load_for_classes
from modeling_fer.training.recipe import Recipe, read_recipe, write_recipe
from modeling_fer.training.trainer import Trainer

STILL = AugmentationConfig(
    rotations=(0.0,), skews=(0.0,), scales=(1.0,), max_translation=0, low_percentiles=(0, 0), high_percentiles=(100, 100)
)


def recipe(**changes) -> Recipe:
    return Recipe(**{**vars(RECIPE), **changes})


def test_accumulated_gradients_are_those_of_a_larger_batch(tmp_path):
    settings = {"augmentation": STILL, "epochs": 1, "weight_decay": 0.0}
    model = {**MODEL, "regularization": "weakly"}
    Trainer(recipe(model=model, batch_size=32, **settings), columns(), columns(24), tmp_path / "large", cpu=True).fit()
    small = recipe(model=model, batch_size=8, gradient_accumulation=4, **settings)
    Trainer(small, columns(), columns(24), tmp_path / "small", cpu=True).fit()
    expected, actual = weights(tmp_path / "large/last"), weights(tmp_path / "small/last")
    assert max((expected[key] - actual[key]).abs().max().item() for key in expected) < 1e-5


def test_the_last_gradients_of_an_epoch_are_averaged_over_their_own_number(tmp_path):
    """Three batches of 32 images; the last is an update of its own: its gradient is that of a batch, not half of it."""
    settings = {"augmentation": STILL, "epochs": 1, "weight_decay": 0.0, "batch_size": 32, "gradient_accumulation": 2}
    trainer = Trainer(recipe(**settings), columns(96), columns(24), tmp_path, cpu=True)
    assert len(trainer.loader) == 3
    assert [trainer.update_size(step) for step in (1, 2, 3)] == [2, 2, 1]
    gradients = []
    step = trainer.optimizer.step
    trainer.optimizer.step = lambda: (gradients.append(norm(trainer.model)), step())
    trainer.fit()
    alone = Trainer(recipe(**{**settings, "gradient_accumulation": 1}), columns(96), columns(24), tmp_path / "alone", cpu=True)
    last = []
    alone_step = alone.optimizer.step
    alone.optimizer.step = lambda: (last.append(norm(alone.model)), alone_step())
    alone.fit()
    assert len(gradients) == 2 and gradients[1] > 0.7 * last[2]


def norm(model) -> float:
    return sum(p.grad.square().sum().item() for p in model.parameters() if p.grad is not None) ** 0.5


def test_a_run_that_accumulates_is_resumed_between_updates(tmp_path):
    accumulating = recipe(batch_size=8, gradient_accumulation=2, epochs=2)
    whole = Trainer(accumulating, columns(), columns(24), tmp_path / "whole", cpu=True)
    whole.fit()
    broken = Trainer(accumulating, columns(), columns(24), tmp_path / "broken", cpu=True, save_steps=1)
    step, count = broken.train_step, []

    def cut_step(batch):
        count.append(1)
        if len(count) == 6:
            raise KeyboardInterrupt
        return step(batch)

    broken.train_step = cut_step
    with pytest.raises(KeyboardInterrupt):
        broken.fit()
    resumed = Trainer(accumulating, columns(), columns(24), tmp_path / "broken", resume=True, cpu=True)
    # Five batches were done, the last of them without an update.
    assert resumed.progress.step == 4
    resumed.fit()
    expected, actual = weights(tmp_path / "whole/last"), weights(tmp_path / "broken/last")
    assert all(torch.equal(expected[key], actual[key]) for key in expected)


def test_tensorboard_reads_the_metrics(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Trainer(recipe(epochs=2), columns(), columns(24), tmp_path, cpu=True, trackers=["tensorboard"]).fit()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    events = EventAccumulator(str(next(tmp_path.rglob("events.out.tfevents.*")).parent))
    events.Reload()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([line["loss"] for line in lines])
    assert [event.step for event in events.Scalars("recall/middle")] == [1, 2]


TRACKED = """
import sys
from pathlib import Path
from helpers import changed, columns
from modeling_fer import Trainer
Trainer(changed(epochs=2), columns(), columns(24), Path(sys.argv[2]) / "run", cpu=True, trackers=[sys.argv[1]]).fit()
"""


@pytest.mark.slow
@pytest.mark.parametrize("tracker", ["wandb", "trackio"])
def test_trackers_of_services_take_the_metrics_without_a_network(tmp_path, tracker):
    offline = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "TRACKIO_DIR": str(tmp_path / "trackio")}
    environment = {**os.environ, **offline, "PYTHONPATH": str(ROOT / "tests")}
    subprocess.run([sys.executable, "-c", TRACKED, tracker, tmp_path], check=True, env=environment, cwd=tmp_path)
    if tracker == "wandb":
        [file] = tmp_path.rglob("offline-run-*/*.wandb")
        content = file.read_bytes()
    else:
        with sqlite3.connect(tmp_path / "trackio/modeling-fer.db") as database:
            rows = database.execute("select metrics from metrics").fetchall()
        assert len(rows) == 2
        content = rows[1][0]
    assert b"accuracy" in content and b"recall/middle" in content


@pytest.mark.parametrize(
    ("tracker", "sentence"), [("nothing", "'nothing' is not a tracker"), ("wandb", "wandb is not installed")]
)
def test_trackers_that_cannot_be_used_are_named(tmp_path, tracker, sentence, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=sentence):
        Trainer(RECIPE, columns(), columns(24), tmp_path, cpu=True, trackers=[tracker])


def test_sets_of_different_classes_are_refused(tmp_path):
    other = columns(24)
    other.label_names = ["low", "high", "middle"]
    with pytest.raises(ValueError, match="has the classes low, middle, high, but the validation set low, high, middle"):
        Trainer(RECIPE, columns(), other, tmp_path, cpu=True)


def plain_dataset(**more) -> Dataset:
    pixels = [Pil.new("L", (24, 24), shade) for shade in (0, 255)]
    features = Features({"image": Image(), "label": ClassLabel(names=["a", "b"]), **{key: Image() for key in more}})
    return Dataset.from_dict({"image": pixels, "label": [0, 1], **more}, features=features)


def test_a_data_set_without_the_columns_that_the_regularization_needs_is_refused():
    with pytest.raises(ValueError, match="'hybrid' needs a column landmarks or heatmap, but the data set has image, label"):
        recipe_columns(RECIPE, plain_dataset())
    weakly = recipe(model={**MODEL, "regularization": "weakly"})
    assert len(recipe_columns(weakly, plain_dataset())) == 2


def test_where_there_is_only_a_heatmap_it_is_warped_with_the_image(tmp_path):
    spot = Pil.new("L", (48, 48))
    spot.paste(255, (8, 8, 16, 16))
    processor = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1)
    decoded = decode_columns(plain_dataset(heatmap=[spot, None]), processor, slice(17, 68))
    assert decoded.heatmaps.shape == (2, 1, 24, 24) and decoded.has_landmarks.tolist() == [True, False]
    assert decoded.heatmaps[0, 0, 6, 6] == 255 and decoded.heatmaps[0, 0, 20, 20] == 0

    size = 64
    images = torch.zeros(size, 1, 24, 24, dtype=torch.uint8)
    images[:, :, 4:8, 4:8] = 255
    labels = torch.arange(size) % 2
    names = ["a", "b"]
    data = FaceColumns(images, torch.eye(2)[labels], labels, torch.zeros(size, 0, 2), labels >= 0, names, heatmaps=images)
    trainer = Trainer(recipe(epochs=1), data, data, tmp_path, cpu=True)
    trainer.seed_step()
    batch = trainer.inputs(data.__getitems__(list(range(16))))
    # Image and heatmap were the same picture, and still are.
    stretched = batch["pixel_values"] * 0.5 + 0.5
    assert (
        torch.equal(stretched > 0.5, batch["heatmaps"] > 0.5)
        or ((stretched > 0.5) != (batch["heatmaps"] > 0.5)).float().mean() < 0.02
    )
    assert not torch.equal(batch["heatmaps"], images[:16].float() / 255)


def test_landmarks_of_another_number_are_explained():
    features = Features({**plain_dataset().features, "landmarks": Dataset.from_dict({"x": [[[0.0, 1.0]]]}).features["x"]})
    rows = {"image": [Pil.new("L", (24, 24))], "label": [0], "landmarks": [[[1.0, 2.0]] * 5]}
    with pytest.raises(ValueError, match="have 5 landmarks.*set landmark_points: all"):
        recipe_columns(RECIPE, Dataset.from_dict(rows, features=features))


def test_fine_tuning_changes_nothing_but_the_output_layers(tmp_path):
    old = FerForImageClassification(tiny_config(normalization="batch", auxiliary_labels=["anger", "fear"]))
    for value in old.state_dict().values():
        if value.is_floating_point():
            value.normal_()
    old.save_pretrained(tmp_path / "start")
    new_names = ["Fearful", "unheard", "Happy", "neutral"]
    config = tiny_config(normalization="batch", id2label=dict(enumerate(new_names)), auxiliary_labels=["fear", "joy"])
    new = load_for_classes(tmp_path / "start", config)
    before, after = old.state_dict(), new.state_dict()
    outputs = {name for name in after if name.startswith(("classifier.output.", "classifier.auxiliary_output."))}
    assert len(outputs) == 4 and set(before) == set(after)
    for name in set(after) - outputs:
        assert torch.equal(after[name], before[name]), name
    for name, row in {"fear": 0, "happiness": 2, "neutral": 3}.items():
        kept = old.config.label2id[name]
        assert torch.equal(new.classifier.output.weight[row], old.classifier.output.weight[kept])
        assert torch.equal(new.classifier.output.bias[row], old.classifier.output.bias[kept])
    assert not (old.classifier.output.weight == new.classifier.output.weight[1]).all(dim=1).any()
    assert torch.equal(new.classifier.auxiliary_output.weight[0], old.classifier.auxiliary_output.weight[1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"representation_filters": 8}, r"blocks.* has the shape \(4, .* there and \(8, .* here"),
        ({"hidden_sizes": [16]}, "has the shape"),
        ({"hidden_sizes": [16, 16, 16]}, "has the shape none there"),
        ({"regularization": "none"}, "facial_parts.* here. Leave out the model's settings that differ"),
        ({"normalization": "batch"}, "has the shape none there"),
    ],
)
def test_a_network_that_does_not_fit_its_checkpoint_is_refused(tiny_checkpoint, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_for_classes(tiny_checkpoint, tiny_config(**change))


def test_a_recipe_that_names_no_checkpoint_is_one_sentence(tmp_path):
    start = recipe(initial_checkpoint=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="nowhere that the recipe names cannot be loaded"):
        Trainer(start, columns(), columns(24), tmp_path / "run", cpu=True)


def test_classes_are_matched_by_their_usual_names_and_by_given_ones():
    data = columns(6)
    data.label_names = ["Happy", "frown", "neutral"]
    names = ["neutral", "happiness", "anger"]
    assert rename_columns(data, names, {"frown": "anger"}).label_names == ["happiness", "anger", "neutral"]
    read = columns(6)
    read.label_names = ["happiness", "frown", "neutral"]
    assert rename_columns(read, ["joy", "neutral", "frown"], {"Happy": "joy"}).label_names == ["joy", "frown", "neutral"]
    with pytest.raises(ValueError, match="data set has no class 'smile'; it has Happy, frown, neutral"):
        rename_columns(data, names, {"smile": "anger"})
    with pytest.raises(ValueError, match="model has no class 'rage'"):
        rename_columns(data, names, {"frown": "rage"})
    with pytest.raises(ValueError, match="Two classes of the data set would be 'neutral'"):
        rename_columns(data, names, {"frown": "neutral"})


def test_settings_within_settings_are_replaced_one_by_one(tmp_path):
    write_recipe(RECIPE, tmp_path / "recipe.yaml")
    changed = read_recipe(tmp_path / "recipe.yaml", {"model.dropout": 0.3, "augmentation.flip": 0.5, "epochs": 7})
    assert changed.model == {**RECIPE.model, "dropout": 0.3}
    assert (changed.augmentation.flip, changed.epochs) == (0.5, 7)
    with pytest.raises(ValueError, match="augmentation has no setting 'flop'; the nearest is 'flip'"):
        read_recipe(tmp_path / "recipe.yaml", {"augmentation.flop": 1})


@pytest.mark.slow
def test_a_full_disk_keeps_the_checkpoint_of_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_prepared(tmp_path / "data", 40)
    write_recipe(
        recipe(model={**MODEL, "hidden_sizes": [128, 128]}, target="votes", epochs=1),
        tmp_path / "recipe.yaml",
    )
    command = ["train", "recipe.yaml", "--data", "data", "--output", "run", "--cpu"]
    first = fer(*command)
    assert first.returncode == 0, first.stderr
    before = {
        file: file.read_bytes() for part in ("state", "best") for file in (tmp_path / "run" / part).rglob("*") if file.is_file()
    }
    assert max(map(len, before.values())) > 150_000
    # A second run into the same folder is refused; resumed for longer, it finds a disk that is full by now.
    again = fer(*command)
    assert again.returncode == 2 and "run holds a run already; continue it with --resume" in plain(again.stderr)
    longer = [FER, *command, "--resume", "--set", "epochs=2"]
    full = subprocess.run(longer, capture_output=True, text=True, preexec_fn=limit_file_size)
    assert full.returncode == 1
    assert "could not be written" in full.stderr and "what was saved before is kept" in full.stderr
    assert "Traceback" not in full.stderr
    assert {file: file.read_bytes() for file in before} == before
    assert not list((tmp_path / "run").glob("*.new"))


def test_a_diverging_run_says_where_and_keeps_its_checkpoint(tmp_path):
    write_prepared(tmp_path / "data", 40)
    write_recipe(recipe(target="votes", epochs=50, learning_rate=1e30), tmp_path / "recipe.yaml")
    done = fer("train", tmp_path / "recipe.yaml", "--data", tmp_path / "data", "--output", tmp_path / "run", "--cpu")
    assert done.returncode == 1
    assert "The loss is nan in epoch 1, step 2" in done.stderr or "The loss is inf in epoch 1, step 2" in done.stderr


def test_a_run_that_diverges_in_the_last_step_of_an_epoch_says_so(tmp_path):
    """One batch an epoch: its loss is a number, the answers after it are none."""
    write_prepared(tmp_path / "data", 40)
    write_recipe(recipe(target="votes", epochs=2, batch_size=40, learning_rate=1e30), tmp_path / "recipe.yaml")
    done = fer("train", tmp_path / "recipe.yaml", "--data", tmp_path / "data", "--output", tmp_path / "run", "--cpu")
    assert done.returncode == 1
    assert "fer train: stopped: The network's answers to the validation images are not numbers; the checkpoints" in done.stderr


@pytest.mark.parametrize("size", [0, 100, None], ids=["empty", "truncated", "missing"])
@pytest.mark.parametrize("name", ["optimizer.bin", "model.safetensors", "custom_checkpoint_0.pkl"])
def test_a_damaged_state_is_one_sentence(name, size, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_prepared(tmp_path / "data", 40)
    write_recipe(recipe(target="votes", epochs=1), tmp_path / "recipe.yaml")
    command = ("train", "recipe.yaml", "--data", "data", "--cpu")
    assert fer(*command, "--output", "run").returncode == 0
    file = tmp_path / "run/state" / name
    if size is None:
        file.unlink()
    else:
        os.truncate(file, size)
    done = fer(*command, "--output", "run", "--resume", "--set", "epochs=2")
    sentence = "damaged or missing; begin anew by --set initial_checkpoint=run/last, into another folder."
    assert done.returncode == 2 and "run/state cannot be read" in plain(done.stderr) and sentence in plain(done.stderr)
    done = fer(*command, "--output", "anew", "--set", "initial_checkpoint=run/last")
    assert done.returncode == 0, done.stderr

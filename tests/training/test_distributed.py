"""Two processes on the CPU do what one does, and data sets are read bit by bit."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from datasets import Dataset, load_dataset
from helpers import MODEL, OFFLINE, ROOT, fer, plain, save, weights, write_prepared, write_table
from PIL import Image

from modeling_fer import FerConfig, FerForImageClassification, FerImageProcessor
from modeling_fer.data import load_labelled
from modeling_fer.data.columns import decode_columns
from modeling_fer.data.prepare import finish, prepare
from modeling_fer.data.prepared import load_prepared, stream_prepared
from modeling_fer.data.readers import read_source
from modeling_fer.data.stream import FaceStream
from modeling_fer.training.augmentation import Augmentation, AugmentationConfig
from modeling_fer.training.process import share_batch_statistics
from modeling_fer.training.recipe import Recipe, write_recipe
from modeling_fer.training.validation import share_of

PROCESSOR = FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1)


def launch(folder, processes: int, run: str, *settings: str, data: str = "data") -> subprocess.CompletedProcess:
    """`accelerate launch --cpu` starts one process however many are asked for; torchrun starts them, and Accelerate finds them."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command += [str(ROOT / "scripts/train.py"), "recipe.yaml", "--data", data, "--output", run, "--cpu", "--set", *settings]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def metrics(folder) -> dict:
    return json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_same_global_batch(tmp_path):
    write_prepared(tmp_path / "data", 101)
    recipe = Recipe(model=MODEL, epochs=1, mixed_precision="no", ema_decay=0.5, class_balancing=0.5)
    write_recipe(recipe, tmp_path / "recipe.yaml")
    launch(tmp_path, 1, "one", "batch_size=16")
    launch(tmp_path, 2, "two", "batch_size=8")
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    for key in ("loss", "accuracy", "uar", "macro_f1", "calibration_error", "learning_rate"):
        assert two[key] == pytest.approx(one[key], abs=1e-4), key
    expected, actual = weights(tmp_path / "one/last"), weights(tmp_path / "two/last")
    assert max((expected[key] - actual[key]).abs().max().item() for key in expected) < 1e-4


@pytest.mark.parametrize(("count", "parts"), [(5, 4), (3589, 4), (3589, 8), (8, 4), (2, 4)])
def test_shares_of_all_processes_together_are_the_whole_in_order(count, parts):
    shares = [share_of(count, part, parts) for part in range(parts)]
    assert len({len(share) for share in shares}) == 1, "gathering needs shares of one size"
    assert np.array_equal(np.concatenate(shares)[:count], np.arange(count))


def test_timm_keeps_its_activations_where_processes_share_batch_statistics():
    model = FerForImageClassification(FerConfig(backbone="efficientnet_b0", image_size=32, num_channels=1)).eval()
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        before = model(images).logits
        shared = share_batch_statistics(model)
        assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in shared.modules())
        assert torch.allclose(shared.eval()(images).logits, before, atol=1e-5)


def test_an_image_is_augmented_alike_on_any_number_of_processes():
    images, landmarks = torch.rand(8, 1, 24, 24), torch.rand(8, 5, 2) * 24
    config = AugmentationConfig(flip=0.5, erase=0.5)
    whole = Augmentation(config, torch.Generator().manual_seed(3))(images, landmarks)
    halves = [
        Augmentation(config, torch.Generator().manual_seed(3), part, 2)(images[4 * part :][:4], landmarks[4 * part :][:4])
        for part in range(2)
    ]
    for index in range(2):
        assert torch.equal(whole[index], torch.cat([half[index] for half in halves]))


@pytest.fixture
def prepared(tmp_path):
    """60 crops for training, each with a gray of its own, and 20 for validation."""
    tmp_path = tmp_path / "splits"
    for split, count in (("train", 60), ("val", 20)):
        for number in range(count):
            save(tmp_path / "raw" / split / ("smile" if number % 2 else "frown") / f"{number:03d}.png", size=24 + number)
    source = read_source("imagefolder", tmp_path / "raw")
    finish(prepare(source, OFFLINE, tmp_path / "data"), source, OFFLINE, tmp_path / "data", shard_images=20)
    return tmp_path / "data"


@pytest.mark.slow
def test_streamed_batches_hold_each_image_once_and_are_split_among_processes(prepared):
    assert len(list((prepared / "data").glob("train-*-of-00003.parquet"))) == 3
    train, validation = stream_prepared(prepared)
    assert len(validation) == 20
    stream = FaceStream(train, PROCESSOR, slice(0, 5))
    assert (stream.images, stream.label_names) == (60, ["frown", "smile"])
    whole = decode_columns(load_dataset(str(prepared))["train"], PROCESSOR, slice(0, 5))

    def keys(images):
        return sorted(image.numpy().tobytes() for image in images)

    for parts in (1, 2, 3):
        batches = [list(stream.batches(10, 0, part, parts).epoch(0)) for part in range(parts)]
        assert [len(own) for own in batches] == [60 // parts // 10] * parts
        assert keys(torch.cat([batch["images"] for own in batches for batch in own])) == keys(whole.images)


@pytest.mark.slow
def test_streamed_epochs_differ_and_a_stopped_one_goes_on(prepared):
    own = FaceStream(stream_prepared(prepared)[0], PROCESSOR, slice(0, 5)).batches(10, 0, 0, 1)
    first, again, second = ([batch["images"] for batch in own.epoch(number)] for number in (0, 0, 1))
    assert torch.equal(torch.cat(first), torch.cat(again)) and not torch.equal(torch.cat(first), torch.cat(second))
    rest = [batch["images"] for batch in own.epoch(0, start=4)]
    assert torch.equal(torch.cat(rest), torch.cat(first[4:]))


def test_a_stream_of_unknown_length_is_refused(prepared):
    card = prepared / "README.md"
    card.write_text(card.read_text().replace("num_examples: 60", "num_examples: 0"))
    unknown = load_dataset(str(prepared), streaming=True)["train"]
    with pytest.raises(ValueError, match="does not say how many images"):
        FaceStream(unknown, PROCESSOR, slice(0, 5))


def test_a_stream_without_landmarks_is_told_from_one_with_some(prepared):
    train = stream_prepared(prepared)[0]
    assert not FaceStream(train, PROCESSOR, slice(0, 5)).any_landmarks()
    first = Dataset.from_list(
        [{**next(iter(train)), "landmarks": [[1.0, 2.0]] * 5, "face_detected": True}], features=train.features
    )
    first.to_parquet(prepared / "data" / "train-00009-of-00010.parquet")
    assert FaceStream(stream_prepared(prepared)[0], PROCESSOR, slice(0, 5)).any_landmarks()


@pytest.mark.slow
def test_two_processes_train_on_a_stream(prepared):
    recipe = Recipe(
        model={**MODEL, "regularization": "weakly"},
        streaming=True,
        landmark_points="all",
        epochs=1,
        batch_size=10,
    )
    write_recipe(recipe, prepared.parent / "recipe.yaml")
    done = launch(prepared.parent, 2, "run", "seed=1")
    assert "epoch 1: loss" in done.stdout
    assert np.isfinite(metrics(prepared.parent / "run")["loss"])


@pytest.fixture
def with_subjects(tmp_path):
    """60 crops of 15 people, in one split."""
    source = read_source("table", write_table(tmp_path, [f"S{number // 4}" for number in range(60)]))
    finish(prepare(source, OFFLINE, tmp_path / "data"), source, OFFLINE, tmp_path / "data")
    return tmp_path / "data"


def test_a_fifth_is_held_out_by_subject_where_there_is_no_validation_split(with_subjects):
    splits = load_prepared(with_subjects)
    assert {split: len(part) for split, part in splits.items()} == {"train": 48, "validation": 12}
    assert not set(splits["train"]["subject"]) & set(splits["validation"]["subject"])
    assert len(load_labelled(with_subjects, "train")) == 60
    assert len(load_labelled(with_subjects, "validation")) == 12


def test_a_prepared_data_set_is_cross_validated(with_subjects, prepared, tmp_path):
    recipe = Recipe(model={**MODEL, "regularization": "weakly"}, epochs=1, mixed_precision="no")
    write_recipe(recipe, tmp_path / "recipe.yaml")
    command = ["cross-validate", tmp_path / "recipe.yaml", "--cpu", "--folds", "3"]
    command += ["--output", tmp_path / "run", "--data"]
    done = fer(*command, with_subjects)
    assert done.returncode == 0, done.stderr
    assert "over 3 folds" in done.stdout
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert np.sum(results["confusion"]) == 60 and Image.open(tmp_path / "run/confusion.png").mode == "RGB"
    without = fer(*command, prepared)
    assert without.returncode == 2 and "does not say who is on its images" in plain(without.stderr)
    few = fer(*command, with_subjects, "--set", "seed=1")
    assert few.returncode == 2 and "was started with seed = 0, but the recipe now says 1" in plain(few.stderr)


def test_folders_that_are_not_a_prepared_data_set_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="fer prepare makes one"):
        load_prepared(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="fer prepare makes one"):
        load_prepared(tmp_path / "empty")
    (tmp_path / "other").mkdir()
    Dataset.from_dict({"picture": ["a"], "label": [1]}).to_parquet(tmp_path / "other/train.parquet")
    with pytest.raises(ValueError, match="has no column 'image', but picture, label"):
        load_prepared(tmp_path / "other")

"""The start from dlib's face recognition network: on a small file written here, and on the true one where FER_DLIB names it."""

import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from convert_dlib import (
    BLOCKS,
    FILTERS,
    MEAN_PIXEL,
    calibrate_normalization,
    face_embedder,
    fill_stages,
    fold_stem,
    read_layers,
)
from helpers import ROOT, tiny_config
from sklearn.metrics import roc_auc_score
from torch import nn

from modeling_fer import FerConfig, FerForImageClassification
from modeling_fer.data import load_labelled
from modeling_fer.layers_fer import ResidualStages
from modeling_fer.training.recipe import Recipe, write_recipe

MARKERS = {"con": b"\x01\x05con_4", "affine": b"\x01\x07affine_", "fc": b"\x01\x04fc_2\x01\x80\x02\x00\x01"}


def integer(number: int) -> bytes:
    digits = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "little")
    return bytes([len(digits)]) + digits


def layer(kind: str, values: torch.Tensor, version: int = 2) -> bytes:
    sizes = b"".join(integer(number) for number in (version, len(values), 1, 1, 1))
    return b"between layers" + MARKERS[kind] + sizes + struct.pack(f"<{len(values)}f", *values.tolist())


def affine(filters: int) -> torch.Tensor:
    return torch.cat([torch.rand(filters) + 0.5, torch.randn(filters)])


@pytest.fixture
def drawn() -> list[tuple[str, torch.Tensor]]:
    """A stem and a stage of one block, with weights that keep their inputs' size."""
    values = [("con", torch.randn(32 * 3 * 49 + 32) * 0.1), ("affine", affine(32))]
    for _ in range(2):
        values += [("con", torch.randn(32 * 32 * 9 + 32) * 0.05), ("affine", affine(32))]
    return [*values, ("fc", torch.randn(32 * 128))]


@pytest.fixture
def file(tmp_path, drawn) -> Path:
    path = tmp_path / "network.dat"
    path.write_bytes(b"head" + b"".join(layer(kind, values) for kind, values in drawn) + b"tail")
    return path


def test_layers_are_read_in_their_order_with_all_their_values(file, drawn):
    layers = read_layers(file)
    assert [found.kind for found in layers] == ["con", "affine", "con", "affine", "con", "affine", "fc"]
    for found, (_, values) in zip(layers, drawn, strict=True):
        assert torch.equal(found.values, values)


def test_a_file_that_is_cut_off_or_of_another_version_is_named(file):
    data = file.read_bytes()
    file.write_bytes(data[:-100])
    with pytest.raises(ValueError, match=r"network.dat is cut off, or was written by another version of dlib"):
        read_layers(file)
    file.write_bytes(layer("con", torch.zeros(10), version=3))
    with pytest.raises(ValueError, match=r"network.dat is cut off, or was written by another version of dlib"):
        read_layers(file)


@pytest.mark.parametrize("kept", [0, 1, 2, 5])
def test_a_file_that_ends_within_a_tensors_sizes_is_named(tmp_path, kept):
    whole = layer("con", torch.zeros(10))
    sizes = whole.index(MARKERS["con"]) + len(MARKERS["con"])
    (tmp_path / "network.dat").write_bytes(whole[: sizes + kept])
    with pytest.raises(ValueError, match=r"network.dat is cut off"):
        read_layers(tmp_path / "network.dat")


def test_another_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"network.dat does not exist"):
        read_layers(tmp_path / "network.dat")
    (tmp_path / "network.dat").write_bytes(b"a picture, say" * 100)
    with pytest.raises(ValueError, match=r"network.dat holds no dlib network"):
        read_layers(tmp_path / "network.dat")


def test_the_folded_stem_is_enlargement_and_dlibs_convolution():
    values = torch.randn(32 * 3 * 49 + 32)
    kernels, bias = fold_stem(values)
    assert kernels.shape == (32, 1, 5, 5) and bias.shape == (32,)
    pixels = torch.randint(0, 256, (2, 1, 24, 24)).float()
    enlarged = F.interpolate(pixels, scale_factor=2.0, mode="bilinear").expand(-1, 3, -1, -1)
    normalized = (enlarged - MEAN_PIXEL.view(1, 3, 1, 1)) / 256
    # Five pixels from p on are the enlarged ones from 2p + 1 to 2p + 7; no window of these reaches beyond the border.
    expected = F.conv2d(normalized[:, :, 1:, 1:], values[:-32].view(32, 3, 7, 7), values[-32:], stride=2)
    folded = F.conv2d(pixels / 127.5 - 1, kernels, bias)
    torch.testing.assert_close(folded, expected[:, :, :20, :20], atol=1e-3, rtol=1e-4)


def small_stages(blocks: tuple[int, ...] = (1,), filters: tuple[int, ...] = (32,), **changes) -> ResidualStages:
    settings = {
        "representation_block": "residual", "residual_blocks": list(blocks), "representation_depth": len(blocks),
        "representation_filters": filters[0], "normalization": "batch",
    }  # fmt: skip
    return ResidualStages(tiny_config(**{**settings, **changes}), list(filters)).eval()


def test_stages_are_filled_with_convolutions_and_fixed_scales(file, drawn):
    stages = small_stages()
    fill_stages(stages, read_layers(file))
    pixel_values = torch.rand(2, 1, 24, 24) * 2 - 1
    values = [value for _, value in drawn]

    def scale(features, parameters):
        return features * parameters[:32].view(1, -1, 1, 1) + parameters[32:].view(1, -1, 1, 1)

    kernels, bias = fold_stem(values[0])
    stem = F.conv2d(pixel_values, kernels, bias, padding=2)
    shortcut = F.max_pool2d(scale(stem, values[1]).relu(), 3, stride=2, ceil_mode=True)
    features = F.conv2d(shortcut, values[2][:-32].view(32, 32, 3, 3), values[2][-32:], padding=1)
    features = F.conv2d(scale(features, values[3]).relu(), values[4][:-32].view(32, 32, 3, 3), values[4][-32:], padding=1)
    expected = (scale(features, values[5]) + shortcut).relu()
    torch.testing.assert_close(stages(pixel_values), expected, atol=1e-4, rtol=1e-4)


def test_a_network_of_fewer_layers_is_refused(file):
    with pytest.raises(ValueError, match="dlib"):
        fill_stages(small_stages(), read_layers(file)[:3])


def test_stages_of_other_shapes_are_refused(file):
    stages = small_stages()
    stages[1][0].conv2 = nn.Conv2d(32, 16, 3)
    with pytest.raises(ValueError, match="Convolution 2 has the shape"):
        fill_stages(stages, read_layers(file))


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        (small_stages(num_channels=3), "num_channels is 3, but this start is for gray images; set num_channels to 1"),
        (small_stages(normalization="none"), "normalization is 'none', but dlib's scales .*set it to 'batch'"),
        (small_stages(filters=(64,)), r"have \[64\] filters, but dlib's .*set representation_filters to 32"),
        (small_stages((3, 4), (32, 32)), r"have \[32, 32\] filters, but dlib's \[32, 64, 128, 256, 256\]"),
        (small_stages((2, 4), (32, 64)), r"residual_blocks is \[2, 4\], but .*set it to \[3, 4\]"),
        (small_stages((4,)), r"residual_blocks is \[4\], but .*set it to \[3\]"),
    ],
)
def test_a_setting_that_is_not_dlibs_is_named_before_anything_is_filled(file, stages, sentence):
    before = [value.clone() for value in stages.state_dict().values()]
    with pytest.raises(ValueError, match=sentence):
        fill_stages(stages, read_layers(file))
    assert all(torch.equal(old, new) for old, new in zip(before, stages.state_dict().values(), strict=True))


def test_scales_of_another_network_are_refused(file, drawn):
    layers = read_layers(file)
    layers[1] = replace(layers[1], values=affine(16))
    with pytest.raises(ValueError, match="Convolution 0 has the shape"):
        fill_stages(small_stages(), layers)


def check_calibration(stages: nn.Module, pixel_values: torch.Tensor) -> None:
    with torch.no_grad():
        before = stages(pixel_values)
        calibrate_normalization(stages, pixel_values)
        torch.testing.assert_close(stages(pixel_values), before, atol=1e-4, rtol=1e-4)
    seen = []
    norms = [module for module in stages.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        # The ReLU that follows writes in place.
        norm.register_forward_hook(lambda norm, _, output: seen.append((norm, output.clone())))
    with torch.no_grad():
        stages(pixel_values)
    assert len(seen) == len(norms)
    for norm, output in seen:
        plain = (output - norm.bias.view(-1, 1, 1)) / norm.weight.view(-1, 1, 1)
        torch.testing.assert_close(plain.mean(dim=(0, 2, 3)), torch.zeros(len(norm.bias)), atol=5e-3, rtol=0)
        # Of a channel that hardly varies, epsilon takes some.
        expected = (norm.running_var / (norm.running_var + norm.eps)).sqrt()
        torch.testing.assert_close(plain.std(dim=(0, 2, 3)), expected, atol=2e-3, rtol=0)
        assert (expected > 0.9).all()


def test_calibrated_normalization_has_the_statistics_of_its_inputs_and_leaves_the_outputs(file):
    stages = small_stages()
    fill_stages(stages, read_layers(file))
    check_calibration(stages, torch.rand(8, 1, 24, 24) * 2 - 1)
    # In training the same inputs give the same outputs, as the batch's own statistics are the stored ones.
    pixel_values = torch.rand(8, 1, 24, 24) * 2 - 1
    calibrate_normalization(stages, pixel_values)
    with torch.no_grad():
        torch.testing.assert_close(stages.train()(pixel_values), stages.eval()(pixel_values), atol=1e-2, rtol=1e-2)


# dlib's own network


@pytest.fixture(scope="module")
def dlib_file() -> Path:
    if "FER_DLIB" not in os.environ:
        pytest.skip("FER_DLIB does not name dlib_face_recognition_resnet_model_v1.dat")
    return Path(os.environ["FER_DLIB"])


@pytest.fixture(scope="module")
def people(fer_data) -> tuple[torch.Tensor, np.ndarray]:
    """Images in [-1, 1] and their subjects."""
    dataset = load_labelled(fer_data / "ckplus48", "all").shuffle(seed=0).select(range(160))
    pixels = np.stack([np.asarray(image.convert("L")) for image in dataset["image"]])
    return torch.from_numpy(pixels).unsqueeze(1) / 127.5 - 1, np.asarray(dataset["subject"])


def test_dlibs_network_has_its_layers(dlib_file):
    layers = read_layers(dlib_file)
    convolutions = 1 + 2 * sum(BLOCKS)
    assert [layer.kind for layer in layers] == ["con", "affine"] * convolutions + ["fc"]
    assert len(layers[0].values) == 32 * 3 * 49 + 32 and len(layers[-1].values) == FILTERS[-1] * 128


def test_dlibs_network_tells_people_apart(dlib_file, people):
    pixel_values, subjects = people
    embedder = face_embedder(dlib_file)
    with torch.inference_mode():
        embeddings, mirrored = embedder(pixel_values), embedder(pixel_values.flip(3))
    assert (embeddings - mirrored).norm(dim=1).mean() < 0.5
    pairs = np.triu_indices(len(subjects), 1)
    distances = torch.cdist(embeddings, embeddings).numpy()[pairs]
    same = (subjects[:, None] == subjects)[pairs]
    assert same.sum() > 50
    assert roc_auc_score(same, -distances) > 0.8
    assert distances[same].mean() < 0.6 < distances[~same].mean()


def test_dlibs_stages_are_calibrated_to_faces_and_answer_the_same(dlib_file, people):
    config = FerConfig(
        image_size=48, num_channels=1, normalization="batch", representation_block="residual", residual_blocks=BLOCKS[:3]
    )
    stages = ResidualStages(config, FILTERS[:3]).eval()
    fill_stages(stages, read_layers(dlib_file))
    check_calibration(stages, people[0][:64])


@pytest.mark.slow
def test_the_script_writes_a_checkpoint_to_start_from(dlib_file, fer_data, tmp_path):
    model = {
        "image_size": 48, "num_channels": 1, "facial_parts_depth": 2, "facial_parts_filters": 4, "hidden_sizes": [16],
        "normalization": "batch", "representation_block": "residual", "residual_blocks": BLOCKS[:3],
    }  # fmt: skip
    recipe = Recipe(model=model, target="both", initial_checkpoint="not there yet")

    def convert(recipe: Recipe) -> subprocess.CompletedProcess:
        write_recipe(recipe, tmp_path / "recipe.yaml")
        command = [sys.executable, ROOT / "scripts/convert_dlib.py", dlib_file, "--recipe", tmp_path / "recipe.yaml"]
        command += ["--data", fer_data / "fer2013", "--output", tmp_path / "start"]
        return subprocess.run(command, capture_output=True, text=True)

    plain = convert(replace(recipe, model={**model, "representation_block": "plain"}))
    assert plain.returncode == 2 and "a representation_block other than 'residual'" in plain.stderr
    done = convert(recipe)
    assert done.returncode == 0, done.stderr
    start = FerForImageClassification.from_pretrained(tmp_path / "start")
    assert len(start.config.auxiliary_labels) == 7
    config = FerConfig(**model)
    stages = ResidualStages(config, FILTERS[:3]).eval()
    fill_stages(stages, read_layers(dlib_file))
    pixel_values = torch.rand(2, 1, 48, 48) * 2 - 1
    with torch.no_grad():
        expected, features = stages(pixel_values), start.fer.representation.blocks(pixel_values)
    assert (features - expected).abs().max() < 1e-3 * expected.abs().max()

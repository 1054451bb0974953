"""Maps and how faithful they are, on networks whose truth is known."""

import json

import numpy as np
import pytest
import torch
from helpers import run_script, tiny_config, write_prepared

from modeling_fer import FerForImageClassification
from modeling_fer.training.attribution import MAPS, Faces
from modeling_fer.training.faithfulness import (
    agreement_with_facs,
    map_names,
    measure_maps,
    measure_parts,
    measure_randomization,
)

SIZE = 24


class CornerModel(FerForImageClassification):
    """Reads nothing but the upper left quarter: class 0 where it is bright, class 1 where it is dark."""

    def forward(self, pixel_values, **kwargs):
        outputs = super().forward(pixel_values, **kwargs)
        corner = pixel_values[:, 0, : SIZE // 2, : SIZE // 2].square().mean(dim=(1, 2))
        outputs.logits = torch.stack([8 * corner - 2, torch.zeros_like(corner), *[corner * 0 - 9] * 6], dim=1)
        return outputs


@pytest.fixture
def faces() -> Faces:
    """Noise, which a blur takes away, with landmarks spread over it."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(8, 1, SIZE, SIZE, generator=generator)
    return Faces(pixels, torch.zeros(8, dtype=torch.int64), torch.rand(8, 68, 2, generator=generator) * SIZE)


def corner_map(bright: bool) -> torch.Tensor:
    """The upper left quarter, or all but it."""
    one = torch.full((8, SIZE, SIZE), float(not bright))
    one[:, : SIZE // 2, : SIZE // 2] = float(bright)
    return one


def test_a_map_of_what_was_read_loses_the_answer_first(faces):
    model = CornerModel(tiny_config()).eval()
    measured = measure_maps(model, faces, {"right": corner_map(True), "wrong": corner_map(False)})
    right, wrong = measured["right"], measured["wrong"]
    assert right["deletion_area"] < wrong["deletion_area"] - 0.3
    assert right["insertion_area"] > wrong["insertion_area"] + 0.3
    assert right["brightest_fifth"] > 0.2 and right["darkest_fifth"] == pytest.approx(0, abs=1e-4)
    assert wrong["brightest_fifth"] == pytest.approx(0, abs=1e-4)
    assert right["changed_by_brightest_fifth"] > wrong["changed_by_brightest_fifth"]
    assert right["deletion_gain"] == 0 and wrong["deletion_gain"] > 10 * wrong["deletion_gain_error"] > 0


def test_captum_finds_the_corner(faces):
    model = CornerModel(tiny_config()).eval()
    for name in ("saliency", "occlusion"):
        one = MAPS[name](model, faces).abs()
        assert one[:, : SIZE // 2, : SIZE // 2].mean() > 5 * one[:, SIZE // 2 :, SIZE // 2 :].mean()


def test_every_map_has_the_size_of_the_image(faces):
    model = FerForImageClassification(tiny_config()).eval()
    for name, make in MAPS.items():
        assert make(model, faces).shape == (8, SIZE, SIZE), name
    assert "relevance map" not in map_names(FerForImageClassification(tiny_config(regularization="none")))


def test_the_relevance_map_does_not_see_the_classifier_and_gradients_do(faces):
    correlations = measure_randomization(FerForImageClassification(tiny_config()).eval(), faces)
    assert correlations["relevance map"]["representation"] == pytest.approx(1)
    assert correlations["relevance map"]["facial parts"] < 0.9
    assert correlations["saliency"]["classifier"] < 0.9


def test_relevance_is_shared_out_over_the_parts():
    landmarks = torch.full((2, 68, 2), 4.0)
    landmarks[:, 48:] = torch.tensor([20.0, 20.0])
    faces = Faces(torch.zeros(2, 1, SIZE, SIZE), torch.tensor([1, 3]), landmarks)
    maps = torch.zeros(2, SIZE, SIZE)
    maps[0, 20, 20], maps[1, 0, 23], maps[1, 12, 12] = 1.0, 0.5, -1.0
    parts = measure_parts(maps, faces, ["neutral", "happiness", "surprise", "sadness"])
    assert parts["happiness"]["mouth"] == 1 and parts["sadness"]["rest"] == 1
    assert agreement_with_facs(parts) == pytest.approx(np.mean([1.0, -1.0]))
    alike = {name: parts["happiness"] for name in parts}
    assert agreement_with_facs(alike) == 0


def test_the_script_measures_once_and_draws(tiny_checkpoint, tmp_path):
    output = tmp_path / "faithfulness.json"
    data = write_prepared(tmp_path / "data", 12)
    arguments = [f"mine={tiny_checkpoint}", "--data", data, "--output", output, "--figure", tmp_path / "curves.png"]
    first = run_script("check_explanations.py", *arguments)
    assert first.returncode == 0, first.stderr
    result = json.loads(output.read_text())["mine"]
    assert 0 < result["faces"] < result["images"] == 11
    assert set(result["maps"]) == set(MAPS)
    written = output.stat().st_mtime_ns
    assert run_script("check_explanations.py", *arguments).stdout == first.stdout
    assert output.stat().st_mtime_ns == written
    assert (tmp_path / "curves.png").stat().st_size > 10_000

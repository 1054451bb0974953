"""The losses and the heatmap against plain numpy, written from the equations."""

import numpy as np
import pytest
import torch

from modeling_fer.data.landmarks import draw_heatmaps
from modeling_fer.losses_fer import classification_loss, contiguity_loss, landmark_map_loss, sparsity_loss

MAPS = np.random.default_rng(0).normal(size=(3, 1, 7, 5))
TARGETS = np.random.default_rng(1).uniform(size=(3, 1, 7, 5))


def test_sparsity_is_eq_6():
    expected = np.mean([np.abs(m[0]).sum() / (7 * 5) for m in MAPS])
    assert sparsity_loss(torch.tensor(MAPS)).item() == pytest.approx(expected, abs=1e-6)


def test_contiguity_is_eq_7():
    total = 0.0
    for m in MAPS[:, 0]:
        for i in range(7):
            for j in range(5):
                total += abs(m[i + 1, j] - m[i, j]) if i + 1 < 7 else 0
                total += abs(m[i, j + 1] - m[i, j]) if j + 1 < 5 else 0
    assert contiguity_loss(torch.tensor(MAPS)).item() == pytest.approx(total / (7 * 5) / 3, abs=1e-6)


def test_landmark_map_loss_is_eq_4():
    expected = ((TARGETS - MAPS) ** 2).mean()
    assert landmark_map_loss(torch.tensor(MAPS), torch.tensor(TARGETS)).item() == pytest.approx(expected, abs=1e-6)


def test_landmark_map_loss_leaves_out_images_without_landmarks():
    mask = torch.tensor([True, False, True])
    expected = ((TARGETS - MAPS)[[0, 2]] ** 2).mean()
    loss = landmark_map_loss(torch.tensor(MAPS), torch.tensor(TARGETS), mask)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_landmark_map_loss_is_zero_where_no_image_has_landmarks():
    maps = torch.tensor(MAPS, requires_grad=True)
    loss = landmark_map_loss(maps, torch.tensor(TARGETS), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert maps.grad.abs().max() == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classification_loss_is_eq_3(smoothing):
    logits = np.random.default_rng(2).normal(size=(4, 5))
    labels = np.array([0, 4, 2, 2])
    log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    distribution = np.eye(5)[labels] * (1 - smoothing) + smoothing / 5
    expected = -(distribution * log_probabilities).sum(1).mean()
    hard = classification_loss(torch.tensor(logits), torch.tensor(labels), smoothing)
    soft = classification_loss(torch.tensor(logits), torch.eye(5, dtype=torch.float64)[labels], smoothing)
    assert hard.item() == pytest.approx(expected, abs=1e-6)
    assert soft.item() == pytest.approx(expected, abs=1e-6)


def test_heatmap_is_a_mixture_of_gaussians_with_peak_one():
    landmarks = np.random.default_rng(3).uniform(-3, 30, size=(2, 11, 2))
    rows, columns = np.mgrid[0:24, 0:30]
    expected = np.zeros((2, 24, 30))
    for n in range(2):
        for x, y in landmarks[n]:
            expected[n] += np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 2.5**2))
        expected[n] /= expected[n].max()
    drawn = draw_heatmaps(torch.tensor(landmarks), 24, 30, 2.5)
    assert drawn.shape == (2, 1, 24, 30)
    np.testing.assert_allclose(drawn[:, 0].numpy(), expected, atol=1e-6)


def test_heatmap_is_zero_where_all_landmarks_are_far_away():
    drawn = draw_heatmaps(torch.full((1, 3, 2), 1e4), 8, 8, 1.0)
    assert drawn.abs().max() == 0


def test_heatmap_refuses_a_standard_deviation_of_zero():
    with pytest.raises(ValueError, match="sigma is 0"):
        draw_heatmaps(torch.zeros(1, 1, 2), 8, 8, 0)

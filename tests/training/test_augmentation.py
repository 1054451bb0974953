import math
from dataclasses import replace

import pytest
import torch

from modeling_fer.data.landmarks import draw_heatmaps
from modeling_fer.training.augmentation import (
    Augmentation,
    AugmentationConfig,
    erase_rectangles,
    mix_batch,
    random_affine,
    random_rectangles,
    sorted_pixels,
    stretch_contrast,
    warp_images,
    warp_landmarks,
)

STILL = AugmentationConfig(rotations=(0.0,), skews=(0.0,), scales=(1.0,), max_translation=0)
UNCHANGED = replace(STILL, low_percentiles=(0.0, 0.0), high_percentiles=(100.0, 100.0))
DEGRADATIONS = {"shadow": 0.5, "gamma": 0.4, "blur": 0.5, "downscale": 0.5, "noise": 0.1, "jpeg": 0.5}


def test_no_change_leaves_images_and_landmarks_as_they_are():
    affine = random_affine(2, 20, STILL)
    images, landmarks = torch.rand(2, 3, 20, 20), torch.rand(2, 5, 2) * 20
    torch.testing.assert_close(warp_images(images, affine), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(warp_landmarks(landmarks, affine, 20, 20), landmarks)


def test_affine_is_eq_8():
    config = AugmentationConfig(rotations=(0.1,), skews=(0.2,), scales=(1.1,), max_translation=5)
    affine = random_affine(1, 120, config, torch.Generator().manual_seed(0))[0]
    rotation = torch.tensor([[math.cos(0.1), -math.sin(0.1)], [math.sin(0.1), math.cos(0.1)]])
    linear = 1.1 * rotation @ torch.tensor([[1.0, 0.2], [0.2, 1.0]])
    torch.testing.assert_close(affine[:, :2], linear)
    shift = torch.linalg.solve(-linear, affine[:, 2])
    torch.testing.assert_close(shift, shift.round(), atol=1e-4, rtol=0)
    assert ((shift > -0.01) & (shift < 5.01)).all()


def test_landmarks_move_with_their_pixels():
    landmarks = torch.rand(16, 1, 2) * 30 + 17
    spots = draw_heatmaps(landmarks, 64, 64, 1.5)
    affine = random_affine(16, 64, AugmentationConfig(flip=0.5))
    moved = draw_heatmaps(warp_landmarks(landmarks, affine, 64, 64), 64, 64, 1.5)
    warped = warp_images(spots, affine)
    grid = torch.arange(64.0)
    for maps in zip(moved[:, 0], warped[:, 0], strict=True):
        centres = [torch.stack([(m.sum(0) * grid).sum(), (m.sum(1) * grid).sum()]) / m.sum() for m in maps]
        torch.testing.assert_close(centres[0], centres[1], atol=0.3, rtol=0)


def test_pixels_from_outside_mirror_the_image():
    config = AugmentationConfig(rotations=(0.0,), skews=(0.0,), scales=(1.0,), max_translation=5)
    ramp = torch.arange(120.0).expand(1, 1, 120, 120)
    generator = torch.Generator().manual_seed(1)
    affine = random_affine(1, 120, config, generator)
    shift = round(-affine[0, 0, 2].item())
    assert shift > 0
    torch.testing.assert_close(
        warp_images(ramp, affine)[0, 0, 0, :shift], torch.arange(float(shift)).flip(0), atol=1e-2, rtol=0
    )


def test_contrast_is_eq_9():
    channel = torch.arange(101.0).view(1, 1, 1, 101) / 200
    stretched = stretch_contrast(channel, torch.tensor([[10.0]]), torch.tensor([[90.0]]))
    expected = ((torch.arange(101.0) - 10) / 80).clamp(0, 1).view(1, 1, 1, 101)
    torch.testing.assert_close(stretched, expected)


def test_pixels_are_sorted_as_pytorch_does():
    pixels = torch.rand(3, 2, 50)
    assert torch.equal(sorted_pixels(pixels), pixels.sort(dim=-1).values)


def test_erasing_takes_a_rectangle_of_some_images():
    images = torch.rand(200, 2, 20, 30)
    rectangles = random_rectangles(len(images), 20, 30, 0.5, torch.Generator().manual_seed(0))
    erased = erase_rectangles(images, rectangles) != images
    assert 0.3 < erased.any(dim=(1, 2, 3)).float().mean() < 0.7
    assert torch.equal(erased[:, 0], erased[:, 1])
    # As large as drawn, but for what lies outside of the image; the mean itself is seldom met.
    rows, columns = erased[:, 0].any(dim=2).sum(dim=1), erased[:, 0].any(dim=1).sum(dim=1)
    assert (torch.stack([rows, columns], dim=1) <= 2 * rectangles[:, 1] + 1).all()
    filled = images.mean(dim=(2, 3), keepdim=True).expand_as(images)
    assert torch.equal(erase_rectangles(images, rectangles)[erased], filled[erased])


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_batch(channels):
    images, landmarks = torch.rand(4, channels, 24, 24), torch.rand(4, 68, 2) * 24
    augment = Augmentation(AugmentationConfig(flip=0.5, erase=0.5), torch.Generator().manual_seed(3))
    again = Augmentation(AugmentationConfig(flip=0.5, erase=0.5), torch.Generator().manual_seed(3))
    warped, moved, maps = augment(images, landmarks, torch.rand(4, 1, 24, 24))
    assert warped.shape == images.shape
    assert moved.shape == landmarks.shape
    assert maps.shape == (4, 1, 24, 24)
    assert warped.min() >= 0 and warped.max() <= 1
    assert torch.equal(again(images, landmarks)[0], warped)


def spread_images(count: int, size: int = 24) -> torch.Tensor:
    """Each reaches from 0 to 1, so that a contrast stretch between its extremes leaves it as it is."""
    images = torch.rand(count, 1, size, size)
    images[:, :, 0, 0], images[:, :, 0, 1] = 0, 1
    return images


def test_defaults_are_the_papers_and_draw_nothing_more():
    assert all(getattr(AugmentationConfig(), name) == 0 for name in (*DEGRADATIONS, "mixup", "flip", "erase"))
    images = spread_images(8)
    affine, low, high = drawn_by_the_paper(torch.Generator().manual_seed(1))
    expected = stretch_contrast(warp_images(images, affine), low, high)
    assert torch.equal(Augmentation(AugmentationConfig(), torch.Generator().manual_seed(1))(images)[0], expected)
    torch.testing.assert_close(Augmentation(UNCHANGED)(images)[0], images, atol=1e-5, rtol=0)


def drawn_by_the_paper(generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    affine = random_affine(8, 24, AugmentationConfig(), generator)
    return affine, *(torch.empty(8, 1).uniform_(*ends, generator=generator) for ends in ((0, 5), (95, 100)))


@pytest.mark.parametrize("channels", [1, 3])
def test_all_degradations_together_repeat_by_their_seed(channels):
    config = AugmentationConfig(flip=0.5, erase=0.5, **DEGRADATIONS)
    images, landmarks = torch.rand(16, channels, 30, 30), torch.rand(16, 5, 2) * 30
    results = [Augmentation(config, torch.Generator().manual_seed(seed))(images, landmarks) for seed in (3, 3, 4)]
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])
    assert not torch.equal(results[0][0], results[2][0])
    assert results[0][0].shape == images.shape
    assert results[0][0].min() >= 0 and results[0][0].max() <= 1


@pytest.mark.parametrize("name", ["shadow", "blur", "downscale", "jpeg"])
def test_a_degradation_reaches_its_share_of_the_images_and_no_landmark(name):
    images, landmarks = spread_images(400, 48), torch.rand(400, 5, 2) * 48
    worse, moved, _ = Augmentation(replace(UNCHANGED, **{name: 0.3}), torch.Generator().manual_seed(0))(images, landmarks)
    changed = (worse - images).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert changed.float().mean() == pytest.approx(0.3, abs=0.06)
    torch.testing.assert_close(moved, landmarks)


def test_gamma_is_a_power_between_its_bounds():
    images = spread_images(400).clamp(0.01, 1)
    images[:, :, 0, 0] = 0
    worse = Augmentation(replace(UNCHANGED, gamma=0.4), torch.Generator().manual_seed(0))(images)[0]
    exponents = (worse[:, 0, 1:].log() / images[:, 0, 1:].log()).flatten(1).median(dim=1).values.log()
    assert exponents.abs().max() <= 0.401
    # Uniform in [-0.4, 0.4].
    assert exponents.mean() == pytest.approx(0, abs=0.04)
    assert exponents.std() == pytest.approx(0.8 / math.sqrt(12), rel=0.1)


def test_noise_is_uniform_in_its_deviation():
    images = torch.full((400, 1, 24, 24), 0.5)
    images[:, :, 0, 0], images[:, :, 0, 1] = 0, 1
    noisy = Augmentation(replace(UNCHANGED, noise=0.1), torch.Generator().manual_seed(0)).degrade(images, 400, slice(0, 400))
    deviations = (noisy - images)[:, 0, 1:].flatten(1).std(dim=1)
    assert deviations.min() < 0.005 and 0.095 < deviations.max() < 0.11
    assert deviations.mean() == pytest.approx(0.05, rel=0.1)


def test_parts_are_degraded_as_the_whole_batch_is_but_for_the_values_of_their_noise():
    images = torch.rand(8, 1, 24, 24)

    def whole_and_parts(**changes) -> list[torch.Tensor]:
        config = AugmentationConfig(flip=0.5, erase=0.5, **{**DEGRADATIONS, **changes})
        parts = [
            Augmentation(config, torch.Generator().manual_seed(3), part, 2)(images[4 * part :][:4])[0] for part in range(2)
        ]
        return [Augmentation(config, torch.Generator().manual_seed(3))(images)[0], torch.cat(parts)]

    torch.testing.assert_close(*whole_and_parts(noise=0.0), atol=1e-5, rtol=0)
    config = replace(UNCHANGED, noise=0.1)
    gray = torch.full((8, 1, 64, 64), 0.5)
    halves = [
        Augmentation(config, torch.Generator().manual_seed(3), part, 2).degrade(gray[:4], 8, slice(4 * part, 4 * part + 4))
        for part in range(2)
    ]
    whole = Augmentation(config, torch.Generator().manual_seed(3)).degrade(gray, 8, slice(0, 8))
    # Images of two parts have noise of their own, and each image has the deviation that it would have in the whole batch.
    correlation = torch.corrcoef(torch.stack([half[0].flatten() for half in halves]))[0, 1]
    assert correlation.abs() < 0.1
    torch.testing.assert_close(torch.cat(halves).std(dim=(1, 2, 3)), whole.std(dim=(1, 2, 3)), rtol=0.05, atol=1e-4)


MIXED = AugmentationConfig(mixup=1.0)


def mixable(size: int) -> dict[str, torch.Tensor]:
    labels = torch.eye(size)
    return {
        "pixel_values": torch.randn(size, 1, 6, 6),
        "labels": labels,
        "auxiliary_targets": torch.eye(3)[torch.arange(size) % 3],
        "heatmaps": torch.rand(size, 1, 6, 6),
        "heatmap_mask": torch.arange(size) % 4 > 0,
    }


def test_a_mixed_batch_is_made_of_pairs_by_one_share():
    inputs = mixable(8)
    mixed = mix_batch(inputs, MIXED, torch.Generator().manual_seed(1))
    # Labels are one-hot by image, so that they say what was mixed with what.
    weights = mixed["labels"]
    assert set(weights.count_nonzero(dim=1).tolist()) <= {1, 2}
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(8))
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(8))
    partners = [row.count_nonzero() == 2 for row in weights]
    shares = torch.stack([weights[row, row] for row in range(8) if partners[row]])
    assert len(shares) >= 6 and 0 < shares[0] < 1
    torch.testing.assert_close(shares, shares[:1].expand_as(shares))
    for name in ("pixel_values", "auxiliary_targets", "heatmaps"):
        expected = (weights @ inputs[name].flatten(1)).view_as(inputs[name])
        torch.testing.assert_close(mixed[name], expected)
    both = [bool(inputs["heatmap_mask"][row.nonzero().flatten()].all()) for row in weights]
    assert mixed["heatmap_mask"].dtype == torch.bool and mixed["heatmap_mask"].tolist() == both
    assert 0 < sum(both) < int(inputs["heatmap_mask"].sum())


def test_masks_that_are_weights_are_multiplied():
    inputs = {**mixable(8), "heatmap_mask": torch.arange(8) / 4}
    mixed = mix_batch(inputs, MIXED, torch.Generator().manual_seed(1))
    for row, weights in enumerate(mixed["labels"]):
        one, *other = [row, *(index for index in weights.nonzero().flatten().tolist() if index != row)]
        assert mixed["heatmap_mask"][row] == inputs["heatmap_mask"][one] * inputs["heatmap_mask"][other[0] if other else one]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_the_share_is_from_the_beta_distribution(alpha):
    config, generator = AugmentationConfig(mixup=1.0, mixup_alpha=alpha), torch.Generator().manual_seed(0)
    inputs = {"pixel_values": torch.tensor([0.0, 1.0])}
    # Half of the orders leave both images where they are, and say nothing of the share.
    drawn = [mix_batch(inputs, config, generator)["pixel_values"] for _ in range(5000)]
    shares = torch.stack([mixed[1] for mixed in drawn if not torch.equal(mixed, inputs["pixel_values"])])
    assert 2000 < len(shares) < 3000
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)


def test_mixing_repeats_by_its_seed_and_happens_as_often_as_asked_for():
    inputs = mixable(8)
    one, again = (mix_batch(inputs, MIXED, torch.Generator().manual_seed(2)) for _ in range(2))
    assert all(torch.equal(one[name], again[name]) for name in inputs)
    assert mix_batch(inputs, AugmentationConfig(), torch.Generator()) is inputs
    generator = torch.Generator().manual_seed(0)
    untouched = [mix_batch(inputs, AugmentationConfig(mixup=0.3), generator) is inputs for _ in range(1000)]
    assert sum(untouched) / 1000 == pytest.approx(0.7, abs=0.05)

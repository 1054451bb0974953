import math

import pytest
import torch

from modeling_fer.augmentation import (
    Augmentation,
    AugmentationConfig,
    random_affine,
    random_rectangles,
    stretch_contrast,
    warp_images,
    warp_landmarks,
)
from modeling_fer.landmarks import draw_heatmaps

STILL = AugmentationConfig(rotations=(0.0,), skews=(0.0,), scales=(1.0,), max_translation=0)


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


def test_erasing_takes_a_rectangle_of_some_images():
    images = torch.rand(200, 1, 20, 20)
    erased = random_rectangles(len(images), *images.shape[-2:], 0.5, torch.Generator().manual_seed(0)).any(dim=(1, 2, 3))
    assert 0.3 < erased.float().mean() < 0.7


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

"""What photos suffer, against the programs that make them suffer it."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from modeling_fer.training.degradation import (
    RESOLUTIONS,
    add_noise,
    blur_images,
    cast_shadow,
    compress_images,
    downscale_images,
)

FUNCTIONS = {
    "shadow": lambda images, strength: cast_shadow(images, strength * 7, strength - 0.5, 1 - strength),
    "blur": lambda images, strength: blur_images(images, 0.2 + 2 * strength),
    "downscale": lambda images, strength: downscale_images(images, 1 - strength),
    "noise": lambda images, strength: add_noise(images, strength / 2, seed=0),
    "jpeg": lambda images, strength: compress_images(images, 100 - 95 * strength),
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)


@pytest.fixture
def gray(photo) -> Tensor:
    """(1, 1, 133, 187): no edge is a multiple of eight."""
    pixels = np.asarray(photo.convert("L").crop((140, 20, 327, 153)))
    return torch.from_numpy(pixels.copy()).view(1, 1, 133, 187).float() / 255


def loss(images: Tensor, worse: Tensor) -> float:
    return (images - worse).pow(2).mean().sqrt().item()


@each_function
@pytest.mark.parametrize("shape", [(0, 1, 24, 24), (5, 1, 24, 24), (5, 3, 48, 48), (5, 3, 33, 19), (5, 1, 7, 7)])
def test_shape_and_range_are_kept(name, shape):
    images, strength = torch.rand(shape), torch.linspace(0, 0.95, 5)[: shape[0]]
    worse = FUNCTIONS[name](images, strength)
    assert worse.shape == images.shape and worse.dtype == torch.float32
    if shape[0]:
        assert worse.min() >= -1e-5 and worse.max() <= 1 + 1e-5


@each_function
def test_a_stronger_one_changes_an_image_more(name, gray):
    changes = [loss(gray, FUNCTIONS[name](gray, torch.tensor([strength]))) for strength in (0.1, 0.3, 0.5, 0.7)]
    if name == "shadow":
        # Its place is drawn too; darkness alone is ordered.
        still = torch.zeros(1)
        changes = [loss(gray, cast_shadow(gray, still, still, torch.tensor([dark]))) for dark in (0.9, 0.7, 0.5, 0.3)]
    assert changes == sorted(changes) and changes[0] < 0.5 * changes[-1]


@each_function
def test_each_image_has_its_own_strength(name):
    images = torch.rand(1, 1, 24, 24).expand(3, -1, -1, -1)
    strength = torch.tensor([0.1, 0.5, 0.9])
    together = FUNCTIONS[name](images, strength)
    if name != "noise":
        alone = torch.cat([FUNCTIONS[name](images[:1], strength[row : row + 1]) for row in range(3)])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert not torch.equal(together[0], together[2])


@each_function
def test_images_are_not_changed_in_place(name):
    images = torch.rand(2, 1, 24, 24)
    before = images.clone()
    FUNCTIONS[name](images, torch.tensor([0.5, 0.9]))
    assert torch.equal(images, before)


def test_a_shadow_falls_on_one_side_of_its_line():
    images = torch.ones(2, 1, 41, 41)
    shaded = cast_shadow(images, torch.tensor([0.0, math.pi / 2]), torch.zeros(2), torch.tensor([0.4, 0.4]))
    # The normal points to where the light is: right of the first image, below in the second.
    assert shaded[0, 0, :, 0].mean() == pytest.approx(0.4, abs=1e-3) and shaded[0, 0, :, -1].mean() == pytest.approx(
        1, abs=1e-3
    )
    torch.testing.assert_close(shaded[1, 0], shaded[0, 0].T)
    assert shaded[0, 0, 20, 20] == pytest.approx(0.7, abs=1e-5)
    assert torch.equal(cast_shadow(images, torch.ones(2), torch.zeros(2), torch.ones(2)), images)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 1.5])
def test_blur_is_scipys_gaussian(sigma, gray):
    blurred = blur_images(gray, torch.tensor([sigma]))
    expected = gaussian_filter(gray[0, 0].numpy(), sigma, mode="mirror", truncate=4)
    np.testing.assert_allclose(blurred[0, 0], expected, atol=1e-5)
    assert blurred.mean() == pytest.approx(gray.mean().item(), abs=1e-3)


def test_hardly_any_blur_leaves_the_image():
    images = torch.rand(1, 3, 24, 24)
    torch.testing.assert_close(blur_images(images, torch.tensor([0.1])), images, atol=1e-5, rtol=0)


def test_downscaling_is_pillows_and_takes_the_nearest_resolution(gray):
    [reduced] = downscale_images(gray, torch.tensor([0.52])).numpy()
    height, width = (round(0.5 * edge) for edge in gray.shape[-2:])
    photo = Image.fromarray(gray[0, 0].numpy())
    small = photo.resize((width, height), Image.Resampling.BILINEAR)
    expected = np.asarray(small.resize(photo.size, Image.Resampling.BILINEAR))
    np.testing.assert_allclose(reduced[0], expected, atol=1e-3)
    assert reduced.mean() == pytest.approx(gray.mean().item(), abs=5e-3)
    edges = torch.tensor([0.0, 0.34, 0.36, 1.0])
    expected = [RESOLUTIONS[index] for index in (0, 0, 1, 4)]
    images = gray.expand(4, -1, -1, -1)
    assert torch.equal(downscale_images(images, edges), downscale_images(images, torch.tensor(expected)))


def test_noise_has_the_deviation_asked_for_and_repeats_by_its_seed():
    images, deviation = torch.full((3, 1, 100, 100), 0.5), torch.tensor([0.0, 0.02, 0.1])
    noisy = add_noise(images, deviation, seed=5)
    assert torch.equal(noisy[0], images[0])
    torch.testing.assert_close(noisy.std(dim=(1, 2, 3)), deviation, atol=0, rtol=0.05)
    torch.testing.assert_close(noisy.mean(dim=(1, 2, 3)), torch.full((3,), 0.5), atol=4e-3, rtol=0)
    assert torch.equal(add_noise(images, deviation, seed=5), noisy)
    assert not torch.equal(add_noise(images, deviation, seed=6), noisy)
    # Seeds beyond 64 bits are folded rather than refused.
    assert torch.equal(add_noise(images, deviation, seed=5 + 2**63), noisy)


@pytest.mark.parametrize("quality", [2, 15, 30, 49, 50, 75, 90, 100])
def test_compression_is_pillows_jpeg(quality, gray):
    file = io.BytesIO()
    Image.fromarray((gray[0, 0] * 255).round().byte().numpy()).save(file, "jpeg", quality=quality)
    expected = torch.from_numpy(np.asarray(Image.open(file)).copy()).float() / 255
    compressed = compress_images(gray, torch.tensor([float(quality)]))[0, 0]
    # In levels of 255: rounding to whole levels alone makes a quarter, and a coefficient halfway between two steps may go either way.
    difference = (compressed - expected).abs() * 255
    assert difference.mean() < 0.45
    assert difference.quantile(0.99) < 4
    if quality < 100:
        assert loss(compressed, expected) < 0.3 * loss(gray[0, 0], expected)


def test_compression_at_the_best_quality_changes_less_than_two_levels(gray):
    assert (compress_images(gray, torch.tensor([100.0])) - gray).abs().max() * 255 < 2


def test_compression_keeps_the_mean(gray):
    assert compress_images(gray, torch.tensor([50.0])).mean() == pytest.approx(gray.mean().item(), abs=2e-3)

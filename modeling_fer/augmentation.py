"""The paper's augmentation of whole batches, on the device they are on: a random affine warp (eq. 8) that mirrors the
image at its borders and takes landmarks and heatmaps along, and a random contrast stretch (eq. 9).

Ferreira et al., "Physiological Inspired Deep Neural Networks for Emotion Recognition", IEEE Access 6, 2018, section III-C;
the sets that the parameters are drawn from are those of section IV-A.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from modeling_fer.image_processing_fer import stretch_contrast


@dataclass(frozen=True)
class AugmentationConfig:
    """What is drawn for each image, uniformly. The defaults are the paper's.

    Attributes:
        rotations: angles in radians.
        skews: values of k1 and of k2 (eq. 8).
        scales: values of s (eq. 8).
        max_translation: t1 and t2 are integers in [0, max_translation], in pixels of an image of 120 pixels, and scaled
            to the image at hand.
        centered_translation: draw t1 and t2 from [-max_translation, max_translation] instead.
        low_percentiles, high_percentiles: ranges, in [0, 100], that the percentiles of eq. 9 are drawn from. The paper
            does not give them.
        flip: probability of a left-right flip, which the paper does not use.
        erase: probability that a rectangle of 2% to 20% of the image is set to the image's mean (random erasing, Zhong et
            al. 2020), which the paper does not use.
    """

    rotations: tuple[float, ...] = (-math.pi / 18, -math.pi / 36, 0.0, math.pi / 36, math.pi / 18)
    skews: tuple[float, ...] = (-0.1, 0.0, 0.1)
    scales: tuple[float, ...] = (0.9, 0.95, 1.0, 1.05, 1.1)
    max_translation: int = 5
    centered_translation: bool = False
    low_percentiles: tuple[float, float] = (0.0, 5.0)
    high_percentiles: tuple[float, float] = (95.0, 100.0)
    flip: float = 0.0
    erase: float = 0.0


def _choice(values: tuple[float, ...], size: int, generator: torch.Generator | None) -> Tensor:
    return torch.tensor(values)[torch.randint(len(values), (size,), generator=generator)]


def random_affine(
    batch_size: int, image_size: int, config: AugmentationConfig, generator: torch.Generator | None = None
) -> Tensor:
    """Draws the warps of eq. 8: `x' = s R(θ) K (x - t)`, where x' is the place in the original image that the pixel at x
    of the augmented one is read from, both measured from the centre of the image.

    Args:
        batch_size: number of warps.
        image_size: height and width of the images in pixels; the translation is scaled by image_size / 120.
        config: the sets that the parameters are drawn from.
        generator: source of the random numbers (a CPU generator).

    Returns:
        (batch, 2, 3), float32 on the CPU: `x' = A[:, :, :2] x + A[:, :, 2]`, in pixels.
    """
    angle = _choice(config.rotations, batch_size, generator)
    scale = _choice(config.scales, batch_size, generator)
    skew1, skew2 = (_choice(config.skews, batch_size, generator) for _ in range(2))
    lowest = -config.max_translation if config.centered_translation else 0
    shift = torch.randint(lowest, config.max_translation + 1, (batch_size, 2, 1), generator=generator)
    shift = shift * (image_size / 120)
    mirrored = 1 - 2 * (torch.rand(batch_size, generator=generator) < config.flip).float()

    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    one = torch.ones(batch_size)
    skew = torch.stack([one, skew1, skew2, one], dim=1).view(-1, 2, 2)
    linear = scale.view(-1, 1, 1) * rotation @ skew
    offset = -linear @ shift
    flip = torch.stack([mirrored, one], dim=1).view(-1, 2, 1)
    return torch.cat([flip * linear, flip * offset], dim=2)


def warp_images(images: Tensor, affine: Tensor) -> Tensor:
    """Warps a batch; pixels from outside the image take the value at their mirrored position.

    Args:
        images: (batch, channels, height, width), float.
        affine: (batch, 2, 3), from `random_affine`.

    Returns:
        (batch, channels, height, width), like `images`.
    """
    height, width = images.shape[-2:]
    affine = affine.to(images)
    # grid_sample measures in half widths and half heights, align_corners=False putting the borders at -1 and 1.
    size = torch.tensor([width, height], device=images.device, dtype=images.dtype)
    theta = torch.cat([affine[:, :, :2] * size / size[:, None], affine[:, :, 2:] * 2 / size[:, None]], dim=2)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def warp_landmarks(landmarks: Tensor, affine: Tensor, height: int, width: int) -> Tensor:
    """Moves landmarks with their pixels (the inverse of what `warp_images` reads by).

    Args:
        landmarks: (batch, points, 2), (x, y) in pixels, the centre of the first pixel being (0, 0).
        affine: (batch, 2, 3), from `random_affine`.
        height, width: size of the images in pixels.

    Returns:
        (batch, points, 2), like `landmarks`. The order is kept: a flip does not swap left and right landmarks.
    """
    affine = affine.to(landmarks)
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], device=landmarks.device, dtype=landmarks.dtype)
    shifted = (landmarks - centre - affine[:, :, 2].unsqueeze(1)).transpose(1, 2)
    return torch.linalg.solve(affine[:, :, :2], shifted).transpose(1, 2) + centre


def random_rectangles(
    batch_size: int, height: int, width: int, probability: float, generator: torch.Generator | None = None
) -> Tensor:
    """Draws a rectangle of 2% to 20% of the image for some images (random erasing, Zhong et al. 2020).

    Args:
        batch_size: number of images.
        height, width: their size in pixels.
        probability: share of the images that get a rectangle, in [0, 1].
        generator: source of the random numbers (a CPU generator).

    Returns:
        (batch, 1, height, width), bool, on the CPU: true within the rectangle.
    """
    area = torch.empty(batch_size).uniform_(0.02, 0.2, generator=generator)
    aspect = torch.empty(batch_size).uniform_(math.log(0.3), math.log(1 / 0.3), generator=generator).exp()
    half = torch.stack([(area * aspect).sqrt() * height, (area / aspect).sqrt() * width], dim=1) / 2
    centre = torch.rand(batch_size, 2, generator=generator) * torch.tensor([height, width])
    chosen = torch.rand(batch_size, generator=generator) < probability
    rows = (torch.arange(height) - centre[:, :1]).abs() < half[:, :1]
    columns = (torch.arange(width) - centre[:, 1:]).abs() < half[:, 1:]
    return (rows[:, :, None] & columns[:, None, :] & chosen[:, None, None]).unsqueeze(1)


@dataclass
class Augmentation:
    """Augments a batch: warp (eq. 8), contrast (eq. 9), and the options of `AugmentationConfig`.

    Random numbers are drawn on the CPU, so that a seed gives the same augmentation on every device.

    Attributes:
        config: what is drawn.
        generator: source of the random numbers (a CPU generator).
        part, parts: the batches given are the part of this number, counted from 0, of batches that so many processes share. Each
            process draws for all of them and keeps its own, so that a seed gives an image the same augmentation on any number.
    """

    config: AugmentationConfig
    generator: torch.Generator | None = None
    part: int = 0
    parts: int = 1

    def __call__(
        self, images: Tensor, landmarks: Tensor | None = None, heatmaps: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """
        Args:
            images: (batch, channels, size, size), float in [0, 1].
            landmarks: (batch, points, 2), (x, y) in pixels, or None.
            heatmaps: (batch, 1, size, size), float in [0, 1], or None.

        Returns:
            The augmented images, landmarks and heatmaps, each of the shape given; None where None was given.
        """
        batch, channels, height, width = images.shape
        drawn = batch * self.parts
        own = slice(batch * self.part, batch * (self.part + 1))
        affine = random_affine(drawn, height, self.config, self.generator)[own]
        images = warp_images(images, affine)
        low, high = (
            torch.empty(drawn, channels).uniform_(*percentiles, generator=self.generator)[own]
            for percentiles in (self.config.low_percentiles, self.config.high_percentiles)
        )
        images = stretch_contrast(images, low, high)
        if self.config.erase:
            erased = random_rectangles(drawn, height, width, self.config.erase, self.generator)[own].to(images.device)
            images = torch.where(erased, images.mean(dim=(2, 3), keepdim=True), images)
        if landmarks is not None:
            landmarks = warp_landmarks(landmarks, affine, height, width)
        if heatmaps is not None:
            heatmaps = warp_images(heatmaps, affine)
        return images, landmarks, heatmaps

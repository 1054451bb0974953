"""The paper's augmentation of whole batches, on the device they are on: a random affine warp (eq. 8) that mirrors the
image at its borders and takes landmarks and heatmaps along, and a random contrast stretch (eq. 9).

Ferreira et al., "Physiological Inspired Deep Neural Networks for Emotion Recognition", IEEE Access 6, 2018, section III-C;
the sets that the parameters are drawn from are those of section IV-A.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from modeling_fer.training.degradation import add_noise, blur_images, cast_shadow, compress_images, downscale_images
from modeling_fer.training.settings import check_range, fit_fields


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
        flip: probability of a left-right flip.
        erase: probability that a rectangle of 2% to 20% of the image is set to the image's mean (random erasing, Zhong et
            al. 2020).
        gamma: images are raised to the power e^u, u from [-gamma, gamma].
        shadow: probability that one side of a line through the image is darkened to 30% to 80%.
        blur: probability of a Gaussian blur of 0.4 to 1.5 pixels of an image of 48.
        downscale: probability that an image is reduced to 30% to 80% of its size and enlarged again.
        noise: largest standard deviation of Gaussian noise, in [0, 1]; each image's is from [0, noise].
        jpeg: probability of JPEG's loss at a quality of 15 to 90.
        mixup: probability that a batch is mixed with itself in another order, images, labels and heatmaps alike (mixup, Zhang et al.
            2018), by a share from Beta(mixup_alpha, mixup_alpha).
        mixup_alpha: see there.

    From flip on they are not the paper's; their defaults leave images as they are.
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
    gamma: float = 0.0
    shadow: float = 0.0
    blur: float = 0.0
    downscale: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    mixup: float = 0.0
    mixup_alpha: float = 0.2

    def __post_init__(self) -> None:
        fit_fields(self)
        check_range(self, ["mixup_alpha", "scales"], above=0)
        check_range(self, ["max_translation", "gamma", "noise"], low=0)
        check_range(self, ["low_percentiles", "high_percentiles"], low=0, high=100)
        check_range(self, ["flip", "erase", "shadow", "blur", "downscale", "jpeg", "mixup"], low=0, high=1)
        for name in ("low_percentiles", "high_percentiles"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} is ({low:g}, {high:g}), but must be a range, the lower end first.")
        for name in ("rotations", "skews", "scales"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty, but must hold the values to draw from.")


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


def stretch_contrast(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Stretches each channel between two of its percentiles, drawn for it, to [0, 1] and clips it there (eq. 9).

    Args:
        images: (batch, channels, height, width), float in [0, 1].
        low, high: (batch, channels), percentiles in [0, 100], p_L and p_H of eq. 9.

    Returns:
        (batch, channels, height, width), float in [0, 1]. A channel with one value between its percentiles is left as it is.
    """
    ordered = sorted_pixels(images.flatten(2))
    last = ordered.shape[2] - 1
    bottom = ordered.gather(2, (low.to(images) / 100 * last).round().long().unsqueeze(2)).unsqueeze(3)
    top = ordered.gather(2, (high.to(images) / 100 * last).round().long().unsqueeze(2)).unsqueeze(3)
    flat = top <= bottom
    stretched = ((images - bottom) / (top - bottom).masked_fill(flat, 1)).clamp(0, 1)
    return torch.where(flat, images, stretched)


def sorted_pixels(pixels: Tensor) -> Tensor:
    """The values of the last dimension in their order. On a processor NumPy sorts ten times as fast as PyTorch."""
    if pixels.device.type == "cpu":
        return torch.from_numpy(np.sort(pixels.numpy(), axis=-1))
    return pixels.sort(dim=-1).values


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
    # Inverted where they were drawn: an accelerator would be waited for.
    back = torch.linalg.inv(affine[:, :, :2]).to(landmarks)
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], device=landmarks.device, dtype=landmarks.dtype)
    shifted = landmarks - centre - affine[:, :, 2].to(landmarks).unsqueeze(1)
    moved: Tensor = shifted @ back.transpose(1, 2) + centre
    return moved


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
        (batch, 2, 2), float32, on the CPU: the centre, and half of the height and width, (y, x) in pixels. An image that gets none has
        half of nothing, 0.
    """
    area = torch.empty(batch_size).uniform_(0.02, 0.2, generator=generator)
    aspect = torch.empty(batch_size).uniform_(math.log(0.3), math.log(1 / 0.3), generator=generator).exp()
    half = torch.stack([(area * aspect).sqrt() * height, (area / aspect).sqrt() * width], dim=1) / 2
    centre = torch.rand(batch_size, 2, generator=generator) * torch.tensor([height, width])
    chosen = torch.rand(batch_size, generator=generator) < probability
    return torch.stack([centre, half * chosen[:, None]], dim=1)


def erase_rectangles(images: Tensor, rectangles: Tensor) -> Tensor:
    """Sets each channel to its mean within a rectangle.

    Args:
        images: (batch, channels, height, width), float.
        rectangles: (batch, 2, 2), from `random_rectangles`.

    Returns:
        (batch, channels, height, width), like `images`.
    """
    height, width = images.shape[-2:]
    centre, half = rectangles.to(images).unbind(dim=1)
    rows = (torch.arange(height, device=images.device) - centre[:, :1]).abs() < half[:, :1]
    columns = (torch.arange(width, device=images.device) - centre[:, 1:]).abs() < half[:, 1:]
    erased = (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
    return torch.where(erased, images.mean(dim=(2, 3), keepdim=True), images)


@dataclass
class Augmentation:
    """Augments a batch: warp (eq. 8), the degradations of `modeling_fer.training.degradation`, contrast (eq. 9), erasing.

    Random numbers are drawn on the CPU, so that a seed gives the same augmentation on every device, but for the pixels of noise.

    Attributes:
        config: what is drawn.
        generator: source of the random numbers (a CPU generator).
        part, parts: the batches given are the part of this number, counted from 0, of batches that so many processes share. Each
            process draws for all of them and keeps its own, so that a seed gives an image the same augmentation on any number, but for
            those pixels, which each draws for its own images.
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
        images = self.degrade(images, drawn, own)
        low, high = (
            torch.empty(drawn, channels).uniform_(*percentiles, generator=self.generator)[own]
            for percentiles in (self.config.low_percentiles, self.config.high_percentiles)
        )
        images = stretch_contrast(images, low, high)
        if self.config.erase:
            images = erase_rectangles(images, random_rectangles(drawn, height, width, self.config.erase, self.generator)[own])
        if landmarks is not None:
            landmarks = warp_landmarks(landmarks, affine, height, width)
        if heatmaps is not None:
            heatmaps = warp_images(heatmaps, affine)
        return images, landmarks, heatmaps

    def degrade(self, images: Tensor, drawn: int, own: slice) -> Tensor:
        """What light, lens and file format do to an image, in this order; each draws for all processes and keeps its own."""

        def draw(low: float, high: float) -> Tensor:
            return torch.empty(drawn).uniform_(low, high, generator=self.generator)[own]

        def chosen(probability: float) -> Tensor:
            return (draw(0, 1) < probability).nonzero().flatten()

        config = self.config
        if config.shadow:
            rows, angle, offset, darkness = chosen(config.shadow), draw(0, 2 * math.pi), draw(-0.4, 0.4), draw(0.3, 0.8)
            images = replace_rows(images, rows, cast_shadow(images[rows], angle[rows], offset[rows], darkness[rows]))
        if config.gamma:
            images = images.clamp(0, 1) ** draw(-config.gamma, config.gamma).exp().view(-1, 1, 1, 1).to(images)
        if config.blur:
            rows, sigma = chosen(config.blur), draw(0.4, 1.5) * images.shape[-1] / 48
            images = replace_rows(images, rows, blur_images(images[rows], sigma[rows]))
        if config.downscale:
            rows, share = chosen(config.downscale), draw(0.3, 0.8)
            images = replace_rows(images, rows, downscale_images(images[rows], share[rows]))
        if config.noise:
            seed = int(torch.randint(2**62, (), generator=self.generator))
            images = add_noise(images, draw(0, config.noise), seed + self.part)
        if config.jpeg:
            rows, quality = chosen(config.jpeg), draw(15, 90)
            images = replace_rows(images, rows, compress_images(images[rows], quality[rows]))
        return images


def replace_rows(images: Tensor, rows: Tensor, new: Tensor) -> Tensor:
    """A batch in which some images, (k,) indices, are others, (k, channels, height, width)."""
    return images.index_copy(0, rows.to(images.device), new)


def mix_batch(
    inputs: dict[str, Tensor], config: AugmentationConfig, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Mixes a batch with itself in another order (mixup, Zhang et al., ICLR 2018), as `config.mixup` says.

    Args:
        inputs: what the network takes, all of it float with the batch first. Distributions, images and heatmaps are mixed alike;
            an image has a heatmap (`heatmap_mask`) as far as both of its parts have.
        config: gives probability and distribution of the share.
        generator: source of the random numbers (a CPU generator).

    Returns:
        The same names and shapes.
    """
    if not config.mixup or torch.rand((), generator=generator) >= config.mixup:
        return inputs
    # A draw from Beta(a, a) by two draws of powers (Jöhnk 1964), which a generator of torch can repeat.
    share = 2.0
    while share > 1:
        first, second = (torch.rand(2, generator=generator) ** (1 / config.mixup_alpha)).tolist()
        share = first / (first + second) if 0 < first + second <= 1 else 2.0
    order = torch.randperm(len(inputs["pixel_values"]), generator=generator)
    mixed = {}
    for name, values in inputs.items():
        other = values[order.to(values.device)]
        mixed[name] = values * other if name == "heatmap_mask" else share * values + (1 - share) * other
    return mixed

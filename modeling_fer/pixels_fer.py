"""From crops of faces to `pixel_values`, with numpy and Pillow alone: every engine sees the same pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image


def to_channels(image: Image.Image, num_channels: int) -> Image.Image:
    """An image in grayscale (`num_channels` 1) or RGB (3)."""
    return image.convert("L" if num_channels == 1 else "RGB")


def to_pixels(image: Image.Image) -> np.ndarray:
    """The pixels of an image of mode L or RGB: (channels, height, width), uint8."""
    return np.atleast_3d(np.asarray(image)).transpose(2, 0, 1)


def stretch_contrast(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Stretches each channel between two of its percentiles to [0, 1] and clips it there (eq. 9).

    Args:
        images: (batch, channels, height, width), float32 in [0, 1].
        low, high: percentiles in [0, 100], p_L and p_H of eq. 9.

    Returns:
        (batch, channels, height, width), float32 in [0, 1]. A channel with one value between its percentiles is left as it is.
    """
    ordered = np.sort(images.reshape(*images.shape[:2], -1), axis=2)
    last = ordered.shape[2] - 1
    bottom, top = (ordered[:, :, round(percentile / 100 * last), None, None] for percentile in (low, high))
    flat = top <= bottom
    stretched = ((images - bottom) / np.where(flat, np.float32(1), top - bottom)).clip(0, 1)
    return np.where(flat, images, stretched)


def normalize_pixels(
    pixels: np.ndarray,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    contrast_percentiles: Sequence[float] | None = None,
) -> np.ndarray:
    """From pixels to what the network takes.

    Args:
        pixels: (batch, channels, height, width), uint8, or float in [0, 1].
        mean, std: one number for all channels or one for each.
        contrast_percentiles: low and high percentile in [0, 100] to stretch each channel between (eq. 9), or None.

    Returns:
        (batch, channels, height, width), float32.
    """
    # Divided, as training does: 1 / 255 has no exact form.
    images = pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels.astype(np.float32, copy=False)
    if contrast_percentiles is not None:
        images = stretch_contrast(images, *contrast_percentiles)
    shift, scale = (np.asarray(value, np.float32).reshape(-1, 1, 1) for value in (mean, std))
    return (images - shift) / scale


@dataclass(frozen=True)
class PixelSettings:
    """How a checkpoint wants its crops.

    Attributes:
        height, width: size in pixels.
        num_channels: 1 for grayscale or 3 for RGB.
        mean, std: what pixels in [0, 1] are normalized by, one number for all channels or one for each.
        contrast_percentiles: two percentiles in [0, 100] that each channel is stretched between before (eq. 9), or None.
        resample: Pillow's number of the filter that crops are resized with.
    """

    height: int
    width: int
    num_channels: int
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    contrast_percentiles: tuple[float, float] | None = None
    resample: int = Image.Resampling.BILINEAR

    def resize(self, image: Image.Image) -> np.ndarray:
        """The pixels of a crop at the network's size: (num_channels, height, width), uint8."""
        size = (self.width, self.height)
        return to_pixels(to_channels(image, self.num_channels).resize(size, Image.Resampling(self.resample)))

    def __call__(self, crops: Sequence[Image.Image]) -> np.ndarray:
        """
        Args:
            crops: at least one image of a face, of any size, mode L or RGB.

        Returns:
            (batch, num_channels, height, width), float32.
        """
        pixels = np.stack([self.resize(crop) for crop in crops])
        return normalize_pixels(pixels, self.mean, self.std, self.contrast_percentiles)

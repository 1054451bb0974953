"""What photos suffer between a face and a network, on whole batches: shadow, blur, loss of resolution, noise, JPEG.

Every function takes images of (batch, channels, height, width), float in [0, 1], on any device, and a strength for each image,
(batch,), and returns images of the same shape and range.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

JPEG_LUMINANCE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)
"""Steps of JPEG's coefficients at a quality of 50 (ITU-T T.81, table K.1)."""
RESOLUTIONS = (0.3, 0.4, 0.5, 0.65, 0.8)
"""Shares of their size that `downscale_images` reduces images to."""


def cast_shadow(images: Tensor, angle: Tensor, offset: Tensor, darkness: Tensor) -> Tensor:
    """Darkens one side of a line, with a soft edge.

    Args:
        images: see the module.
        angle: of the line's normal, in radians.
        offset: of the line from the centre, as a share of the image's size.
        darkness: what the dark side is multiplied by, in [0, 1].
    """
    height, width = images.shape[-2:]
    y = torch.linspace(-0.5, 0.5, height, device=images.device).view(1, 1, height, 1)
    x = torch.linspace(-0.5, 0.5, width, device=images.device).view(1, 1, 1, width)
    angle, offset, darkness = (value.to(images).view(-1, 1, 1, 1) for value in (angle, offset, darkness))
    light = torch.sigmoid((x * angle.cos() + y * angle.sin() - offset) * 20)
    return images * (darkness + (1 - darkness) * light)


def blur_images(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur.

    Args:
        images: see the module.
        sigma: standard deviation in pixels, greater than 0.
    """
    batch, channels, height, width = images.shape
    if batch == 0:
        return images
    radius = min(math.ceil(4 * float(sigma.max())), height - 1, width - 1)
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernels = torch.exp(-(offsets**2) / (2 * sigma.to(images).view(-1, 1) ** 2))
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    flat = F.pad(images, (radius,) * 4, mode="reflect").reshape(1, batch * channels, height + 2 * radius, width + 2 * radius)
    flat = F.conv2d(flat, kernels.view(-1, 1, 1, 2 * radius + 1), groups=batch * channels)
    flat = F.conv2d(flat, kernels.view(-1, 1, 2 * radius + 1, 1), groups=batch * channels)
    return flat.view(batch, channels, height, width)


def downscale_images(images: Tensor, share: Tensor) -> Tensor:
    """Reduces images and enlarges them again, as small faces in large photos are.

    Args:
        images: see the module.
        share: of their size that is left; the nearest of `RESOLUTIONS` is taken.
    """
    steps = torch.tensor(RESOLUTIONS)
    nearest = (share.cpu().view(-1, 1) - steps).abs().argmin(dim=1)
    size = images.shape[-2:]
    reduced = images.clone()
    for step, resolution in enumerate(RESOLUTIONS):
        rows = (nearest == step).nonzero().flatten().to(images.device)
        if len(rows):
            small = [max(1, round(edge * resolution)) for edge in size]
            smaller = F.interpolate(images[rows], small, mode="bilinear", antialias=True)
            reduced[rows] = F.interpolate(smaller, size, mode="bilinear").clamp(0, 1)
    return reduced


def add_noise(images: Tensor, deviation: Tensor, seed: int) -> Tensor:
    """Gaussian noise, drawn where the images are: a seed gives other values on another kind of device.

    Args:
        images: see the module.
        deviation: standard deviation, in [0, 1].
        seed: of the noise.
    """
    generator = torch.Generator(images.device).manual_seed(seed % 2**63)
    noise = torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
    return (images + noise * deviation.to(images).view(-1, 1, 1, 1)).clamp(0, 1)


def cosine_basis(device: torch.device) -> Tensor:
    """The discrete cosine transform of eight values, (8, 8), orthonormal; each row is a frequency."""
    place = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * place + 1) * place.view(-1, 1) * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis


def compress_images(images: Tensor, quality: Tensor) -> Tensor:
    """The loss of JPEG: every channel's blocks of 8x8 pixels, their cosine coefficients rounded to steps.

    Args:
        images: see the module.
        quality: as JPEG counts it, in (0, 100]; its scale is that of libjpeg.
    """
    batch, channels, height, width = images.shape
    down, right = -height % 8, -width % 8
    padded = F.pad(images, (0, right, 0, down), mode="replicate") if batch else images
    blocks = padded.reshape(batch, channels, (height + down) // 8, 8, (width + right) // 8, 8).transpose(3, 4)
    quality = quality.to(images)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).view(-1, 1, 1, 1, 1, 1) / 100
    steps = (JPEG_LUMINANCE.to(images.device) * scale + 0.5).floor().clamp(1, 255)
    basis = cosine_basis(images.device)
    coefficients = basis @ (blocks * 255 - 128) @ basis.T
    blocks = (basis.T @ ((coefficients / steps).round() * steps) @ basis + 128) / 255
    padded = blocks.transpose(3, 4).reshape(batch, channels, height + down, width + right)
    return padded[..., :height, :width].clamp(0, 1)

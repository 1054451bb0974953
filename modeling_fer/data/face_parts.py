"""The parts of a face by its 68 landmarks (iBUG order), and where on an image they are."""

import torch
from torch import Tensor

FACE_PARTS = {"brows": slice(17, 27), "nose": slice(27, 36), "eyes": slice(36, 48), "mouth": slice(48, 68)}
NEAR = 1 / 14
"""How near to a landmark of a part its pixels are, as a share of the image's width."""


def cover_part(images: Tensor, landmarks: Tensor, part: str) -> Tensor:
    """Images with a rectangle over a part of the face, in the mean gray of each image.

    Args:
        images: (n, channels, height, width), uint8.
        landmarks: (n, 68, 2), (x, y) in pixels.
        part: a name in `FACE_PARTS`, or `left half`, `right half` (of the image, at the bridge of the nose), `upper half` or
            `lower half` (at the tip of the nose).

    Returns:
        (n, channels, height, width), uint8.
    """
    x, y = pixel_places(images)
    bridge, tip = landmarks[:, 27:31, 0].mean(dim=1).view(-1, 1, 1), landmarks[:, 30, 1].view(-1, 1, 1)
    halves = {"left half": x < bridge, "right half": x >= bridge, "upper half": y < tip, "lower half": y >= tip}
    if part in halves:
        covered = halves[part].expand(len(images), *images.shape[-2:])
    else:
        points = landmarks[:, FACE_PARTS[part]]
        margin = NEAR * images.shape[-1]
        (left, top), (right, bottom) = (edge.T.unsqueeze(-1).unsqueeze(-1) for edge in (points.amin(1), points.amax(1)))
        covered = (x >= left - margin) & (x <= right + margin) & (y >= top - margin) & (y <= bottom + margin)
    mean = images.float().mean(dim=(2, 3), keepdim=True).round().to(images.dtype)
    return torch.where(covered.unsqueeze(1), mean, images)


def part_masks(landmarks: Tensor, size: int) -> dict[str, Tensor]:
    """Which pixels belong to which part: those near one of its landmarks, to the part that is nearest; the others to `rest`.

    Args:
        landmarks: (n, 68, 2), (x, y) in pixels.
        size: height and width of the images.

    Returns:
        By name, (n, size, size), bool; each pixel in one of them.
    """
    x, y = pixel_places(torch.empty(1, 1, size, size))
    pixels = torch.stack([x.expand(1, size, size), y.expand(1, size, size)], dim=-1).reshape(1, -1, 2).to(landmarks.dtype)
    distances = torch.stack([torch.cdist(pixels, landmarks[:, points]).amin(dim=2) for points in FACE_PARTS.values()])
    nearest, part = distances.min(dim=0)
    part = torch.where(nearest <= NEAR * size, part, len(FACE_PARTS)).view(-1, size, size)
    return {name: part == place for place, name in enumerate([*FACE_PARTS, "rest"])}


def pixel_places(images: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of each pixel: (1, 1, width) and (1, height, 1), the centre of the first pixel being (0, 0)."""
    height, width = images.shape[-2:]
    return torch.arange(width).view(1, 1, -1), torch.arange(height).view(1, -1, 1)

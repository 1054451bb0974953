"""What a network scores on images that are worse than those of its data set: disturbances, each in several strengths."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torchvision.transforms.v2.functional as F
from PIL import Image
from sklearn.metrics import accuracy_score, recall_score
from torch import Tensor

from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.face_parts import cover_part
from modeling_fer.inference.loading import Checkpoint
from modeling_fer.training.study import answer_images


@dataclass(frozen=True)
class Disturbance:
    """Something that happens to an image on its way to the network.

    Attributes:
        title: what it is, with the unit of its strength.
        strengths: from weak to strong, numbers.
        apply: images (n, channels, size, size), uint8, and a strength -> the same shape.
        neutral: the strength that leaves images as they are; None where there is none among its numbers.
    """

    title: str
    strengths: tuple[float, ...]
    apply: Callable[[Tensor, float], Tensor]
    neutral: float | None = 0.0


def resize_faces(images: Tensor, size: float) -> Tensor:
    """Faces photographed `size` pixels wide, and enlarged to what the network takes."""
    own = list(images.shape[-2:])
    small = F.resize(images, [round(size), round(size)], antialias=True)
    enlarged: Tensor = F.resize(small, own, antialias=True)
    return enlarged


def blur_faces(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, sigma in pixels."""
    width = 2 * round(3 * sigma) + 1
    blurred: Tensor = F.gaussian_blur(images, [width, width], [sigma, sigma])
    return blurred


def add_noise(images: Tensor, deviation: float) -> Tensor:
    """Gaussian noise, its standard deviation a share of white; the same at every call."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + 255 * deviation * noise).round().clamp(0, 255).to(torch.uint8)


def scale_brightness(images: Tensor, factor: float) -> Tensor:
    """So many times as bright, up to white."""
    # torchvision multiplies 8-bit images by whole numbers in 8 bits, where white comes round to black.
    changed: Tensor = F.adjust_brightness(images, float(factor))
    return changed


def compress_faces(images: Tensor, quality: float) -> Tensor:
    """JPEG at a quality in [1, 100]."""
    compressed = []
    for image in images:
        file = io.BytesIO()
        F.to_pil_image(image).save(file, "jpeg", quality=round(quality))
        compressed.append(F.pil_to_tensor(Image.open(file)))
    return torch.stack(compressed)


def rotate_faces(images: Tensor, angle: float) -> Tensor:
    """Images turned by so many degrees, every other one to the left; what comes in from outside mirrors the image."""
    margin = images.shape[-1] // 2
    padded = F.pad(images, [margin] * 4, padding_mode="reflect")
    turned = padded.clone()
    for start, sign in ((0, 1), (1, -1)):
        turned[start::2] = F.rotate(padded[start::2], sign * angle, interpolation=F.InterpolationMode.BILINEAR)
    inner: Tensor = turned[..., margin:-margin, margin:-margin]
    return inner


def move_box(images: Tensor, shift: float, scale: float) -> Tensor:
    """Images cut by another box: moved by a share of its size, to the four sides in turn, and so many times as large; what lies outside
    mirrors the image.
    """
    size = images.shape[-1]
    margin = size // 2
    padded = F.pad(images, [margin] * 4, padding_mode="reflect")
    side = round(scale * size)
    moved = torch.empty_like(images)
    for start, (right, down) in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1))):
        left, top = (margin + round((size - side) / 2 + way * shift * size) for way in (right, down))
        moved[start::4] = F.resized_crop(padded[start::4], top, left, side, side, [size, size], antialias=True)
    return moved


DISTURBANCES = {
    "size": Disturbance("width of the face in pixels", (48, 40, 32, 24, 20, 16, 12), resize_faces, neutral=48),
    "blur": Disturbance("blur, sigma in pixels", (0.5, 1, 1.5, 2, 3), blur_faces),
    "dark": Disturbance("brightness, times", (0.75, 0.5, 0.25, 0.1), scale_brightness, neutral=1),
    "bright": Disturbance("brightness, times", (1.25, 1.5, 2, 3), scale_brightness, neutral=1),
    "contrast": Disturbance("contrast, times", (0.75, 0.5, 0.25, 0.1), F.adjust_contrast, neutral=1),
    "noise": Disturbance("noise, deviation", (0.02, 0.05, 0.1, 0.2), add_noise),
    "jpeg": Disturbance("JPEG quality", (80, 50, 30, 20, 10, 5), compress_faces, neutral=100),
    "rotation": Disturbance("rotation in degrees", (5, 10, 20, 30, 45), rotate_faces),
    "shift": Disturbance(
        "box moved, share of its size", (0.05, 0.1, 0.15, 0.2, 0.3), lambda images, share: move_box(images, share, 1.0)
    ),
    "larger": Disturbance("larger box, times", (1.1, 1.2, 1.35, 1.5), lambda images, scale: move_box(images, 0, scale), neutral=1),
    "smaller": Disturbance("smaller box, times", (0.9, 0.8, 0.7, 0.6), lambda images, scale: move_box(images, 0, scale), neutral=1),
}  # fmt: skip
COVERED = ("brows", "eyes", "nose", "mouth", "left half", "right half", "upper half", "lower half")
"""Parts that are covered, see `cover_part`."""


@dataclass(frozen=True)
class Scores:
    """Accuracy and unweighted average recall, in [0, 1]."""

    accuracy: float
    uar: float


def score(checkpoint: Checkpoint, images: Tensor, labels: np.ndarray) -> Scores:
    """What a checkpoint scores on images (n, channels, size, size), uint8."""
    answers = answer_images(checkpoint, images).argmax(axis=1)
    present = sorted(set(labels.tolist()))
    uar = recall_score(labels, answers, labels=present, average="macro", zero_division=0)
    return Scores(float(accuracy_score(labels, answers)), float(uar))


def measure_robustness(checkpoint: Checkpoint, columns: FaceColumns) -> Iterator[tuple[str, str, Callable[[], Scores]]]:
    """Every measurement, to be called one after another.

    Args:
        checkpoint: network and image processor.
        columns: the images, with all 68 landmarks.

    Yields:
        The name of a disturbance, its strength, and what measures it. First `clean`; last the covered parts, on the images whose
        landmarks were found on a face, and the same images with `nothing` covered.
    """
    images, labels = columns.images, columns.labels.numpy()
    yield "clean", "", partial(score, checkpoint, images, labels)
    for name, disturbance in DISTURBANCES.items():
        for strength in disturbance.strengths:
            yield name, f"{strength:g}", partial(score_disturbed, checkpoint, images, labels, disturbance, strength)
    known = columns.select(columns.has_landmarks.nonzero().flatten().numpy())
    for part in ("nothing", *COVERED):
        yield "covered", part, partial(score_covered, checkpoint, known, part)


def score_disturbed(
    checkpoint: Checkpoint, images: Tensor, labels: np.ndarray, disturbance: Disturbance, strength: float
) -> Scores:
    """`score` on disturbed images."""
    return score(checkpoint, disturbance.apply(images, strength), labels)


def score_covered(checkpoint: Checkpoint, columns: FaceColumns, part: str) -> Scores:
    """`score` with a part of the face covered, or `nothing`."""
    images = columns.images if part == "nothing" else cover_part(columns.images, columns.landmarks, part)
    return score(checkpoint, images, columns.labels.numpy())

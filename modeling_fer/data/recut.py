"""Crops of a data set searched for their face and cut again, as the pipeline would cut them from a photo."""

from typing import Any

import numpy as np
from datasets import Dataset
from PIL import Image as Pil

from modeling_fer.faces_fer import FaceCropper, FaceDetector
from modeling_fer.images_fer import to_8_bit

ENLARGEMENT = 3
"""How much a small crop is enlarged before the search; MTCNN sees no faces under 20 pixels."""


def widen(image: Pil.Image, border: int) -> Pil.Image:
    """An image of mode L or RGB with its edges repeated over `border` pixels on every side, enlarged by `ENLARGEMENT`, mode RGB.

    A crop cuts a face off where a detector expects its outline; the border gives the search room.
    """
    pixels = np.asarray(image)
    # A third dimension holds the colours.
    pixels = np.pad(pixels, [(border, border), (border, border), (0, 0)][: pixels.ndim], mode="edge")
    size = (pixels.shape[1] * ENLARGEMENT, pixels.shape[0] * ENLARGEMENT)
    return Pil.fromarray(pixels).resize(size, Pil.Resampling.BICUBIC).convert("RGB")


def recut_faces(dataset: Dataset, detector: FaceDetector, cropper: FaceCropper) -> Dataset:
    """Cuts every image again by the largest face found in it.

    Args:
        dataset: with a column image of face crops.
        detector: finds the faces.
        cropper: cuts them, e.g. with a checkpoint's margin and offset.

    Returns:
        The data set with its images replaced, gray ones by gray ones and those in colour by ones in colour; an image without a found
        face stays as it is. Landmarks are not moved along.
    """

    def recut(row: dict[str, Any]) -> dict[str, Any]:
        image = to_8_bit(row["image"])
        widened = widen(image, image.width // 2)
        faces = detector(widened)
        return {"image": cropper(widened, faces[0]).convert(image.mode) if faces else image}

    return dataset.map(recut, features=dataset.features, keep_in_memory=True, desc="cutting faces again")

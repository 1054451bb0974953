"""Landmarks of a face, and the heatmap that the relevance map is pulled towards (fig. 6 of Ferreira et al. 2018)."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

LANDMARK_POINTS = {"inner": slice(17, 68), "all": slice(0, 68)}
"""Which landmarks of the iBUG-68 order to use: those on eyebrows, nose, eyes and mouth, as the paper says, or the jaw's too."""


def draw_heatmaps(landmarks: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Draws the target relevance maps (section III-B.1, fig. 6): a mixture of Gaussians, one at each landmark.

    Args:
        landmarks: (batch, points, 2), (x, y) in pixels, the centre of the first pixel being (0, 0). Landmarks outside the
            image add the part of their Gaussian that reaches into it.
        height, width: size of the maps in pixels.
        sigma: standard deviation of the Gaussians in pixels, greater than 0.

    Returns:
        (batch, 1, height, width), float in [0, 1]; the highest pixel of each map is 1, unless all its landmarks lie so far
        outside that the map is zero.
    """
    if sigma <= 0:
        raise ValueError(f"sigma is {sigma}, but the standard deviation of the Gaussians must be greater than 0.")
    columns = torch.arange(width, device=landmarks.device, dtype=landmarks.dtype)
    rows = torch.arange(height, device=landmarks.device, dtype=landmarks.dtype)
    across = torch.exp(-((columns - landmarks[..., :1]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - landmarks[..., 1:]) ** 2) / (2 * sigma**2))
    # A Gaussian is the product of its two profiles, so that the sum over landmarks is one matrix product.
    mixture = down.transpose(1, 2) @ across
    peak = mixture.amax(dim=(1, 2), keepdim=True)
    return torch.where(peak > 0, mixture / peak, mixture).unsqueeze(1)


class FanLandmarks:
    """The 68 landmarks (iBUG order) of the FAN network (Bulat and Tzimiropoulos 2017), from the package face-alignment, which
    downloads its weights at first use.

    Args:
        device: where it runs.
        batch_size: faces at once.

    Raises:
        ImportError: face-alignment is not installed.
        ConnectionError: its weights cannot be downloaded.
    """

    def __init__(self, device: str | torch.device = "cpu", batch_size: int = 16):
        try:
            from face_alignment import FaceAlignment, LandmarksType
        except ImportError as error:
            raise ImportError("Landmarks come from face-alignment; install it: pip install face-alignment") from error
        # The boxes are given, so that its own face detector, which has weights of its own, is not needed: "folder" has none.
        settings = {"face_detector": "folder", "compile": False, "max_batch_size": batch_size}
        try:
            self.network = FaceAlignment(LandmarksType.TWO_D, device=str(device), **settings)
        except OSError as error:
            raise ConnectionError(
                f"face-alignment could not download its landmark network ({error}); put the file into {torch.hub.get_dir()}"
                "/checkpoints by hand, or choose other landmarks."
            ) from error

    def __call__(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """
        Args:
            pictures: squares of one size, a face filling the middle half of each in width and height.

        Returns:
            (n, 68, 2), float32, (x, y) in pixels of each picture, the centre of the first pixel being (0, 0).
        """
        # The package batches the faces of one picture, and looks at a little more than twice the width of a box: a strip of
        # pictures is one, with gaps between them.
        side = pictures[0].width
        step = side + side // 8 + 1
        strip = np.zeros((step * len(pictures), side, 3), dtype=np.uint8)
        corners = [(0, step * number) for number in range(len(pictures))]
        for picture, (_, y) in zip(pictures, corners, strict=True):
            strip[y : y + side] = np.asarray(picture.convert("RGB"))
        boxes = [np.array([x + side / 4, y + side / 4, x + side * 3 / 4, y + side * 3 / 4]) for x, y in corners]
        found = self.network.get_landmarks_from_image(strip, detected_faces=boxes)
        return np.stack([points - corner for points, corner in zip(found, corners, strict=True)]).astype(np.float32)

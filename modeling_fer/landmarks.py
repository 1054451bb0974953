"""From landmarks of a face to the heatmap that the relevance map is pulled towards (fig. 6 of Ferreira et al. 2018)."""

import torch
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

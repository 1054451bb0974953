"""Maps of what an answer may have been read from: the network's own relevance map, and what it is compared with.

Every map is (n, height, width), float; the higher, the more relevant. Gradients and occlusion are those of captum.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam, LayerGradientXActivation, Occlusion, Saliency
from torch import Tensor, nn

from modeling_fer.data.landmarks import LANDMARK_POINTS, draw_heatmaps
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.degradation import blur_images
from modeling_fer.training.study import reduced_precision


@dataclass(frozen=True)
class Faces:
    """Faces whose answers are to be explained.

    Attributes:
        pixel_values: (n, channels, size, size), float, as the network takes them.
        answers: (n,), int64, the class that the network names.
        landmarks: (n, 68, 2), (x, y) in pixels.
    """

    pixel_values: Tensor
    answers: Tensor
    landmarks: Tensor


class LogitsOnly(nn.Module):
    """The network as captum wants it: pixels to scores."""

    def __init__(self, model: FerForImageClassification):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values).logits
        return logits


MapMaker = Callable[[FerForImageClassification, Faces], Tensor]


@torch.no_grad()
def relevance_map(model: FerForImageClassification, faces: Faces) -> Tensor:
    """The network's own x̂, which its features were multiplied by."""
    maps: Tensor = model(faces.pixel_values).relevance_map[:, 0].float()
    return maps


def random_map(model: FerForImageClassification, faces: Faces) -> Tensor:
    """Noise that is as smooth as the target heatmaps; the same at every call."""
    count, _, height, width = faces.pixel_values.shape
    noise = torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(0))
    return blur_images(noise, torch.full((count,), float(model.config.heatmap_sigma)))[:, 0]


def centre_map(model: FerForImageClassification, faces: Faces) -> Tensor:
    """A blob in the middle of the image, whatever is on it."""
    size = model.config.image_size
    middle = torch.full((len(faces.answers), 1, 2), (size - 1) / 2)
    return draw_heatmaps(middle, size, size, size / 5)[:, 0]


def landmark_map(model: FerForImageClassification, faces: Faces) -> Tensor:
    """The target heatmap at the face's own landmarks."""
    size = model.config.image_size
    return draw_heatmaps(faces.landmarks[:, LANDMARK_POINTS["inner"]], size, size, float(model.config.heatmap_sigma))[:, 0]


def saliency_map(model: FerForImageClassification, faces: Faces) -> Tensor:
    """The absolute gradient of the answer's score (Simonyan et al. 2014)."""
    gradient = Saliency(LogitsOnly(model)).attribute(faces.pixel_values.clone().requires_grad_(), target=faces.answers)
    strongest: Tensor = gradient.amax(dim=1).detach()
    return strongest


def grad_cam_map(model: FerForImageClassification, faces: Faces) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017) at the expression block."""
    cam = LayerGradCam(LogitsOnly(model), model.fer.representation.expression_block)
    return enlarge(cam.attribute(faces.pixel_values, target=faces.answers, relu_attributions=True), faces)


def gated_gradient_map(model: FerForImageClassification, faces: Faces) -> Tensor:
    """The gated features times the gradient of the answer's score: what came through the gate at each place, and spoke for it."""
    product = LayerGradientXActivation(LogitsOnly(model), model.fer.representation.expression_block)
    spoken = product.attribute(faces.pixel_values, target=faces.answers).sum(dim=1, keepdim=True)
    return enlarge(spoken.clamp(min=0), faces)


@torch.no_grad()
def occlusion_map(model: FerForImageClassification, faces: Faces) -> Tensor:
    """What the answer's score loses when a gray square of a sixth of the width slides over a place (Zeiler and Fergus 2014)."""
    channels, size = faces.pixel_values.shape[1], faces.pixel_values.shape[-1]
    side, step = size // 6, size // 12
    with reduced_precision():
        lost = Occlusion(LogitsOnly(model)).attribute(
            faces.pixel_values,
            sliding_window_shapes=(channels, side, side),
            strides=(channels, step, step),
            target=faces.answers,
            baselines=0,
        )
    total: Tensor = lost.float().sum(dim=1)
    return total


def enlarge(maps: Tensor, faces: Faces) -> Tensor:
    """(n, 1, h, w) -> (n, height, width) of the images."""
    size = faces.pixel_values.shape[-2:]
    return F.interpolate(maps.detach().float(), size, mode="bilinear")[:, 0]


MAPS: dict[str, MapMaker] = {
    "relevance map": relevance_map,
    "random": random_map,
    "centre": centre_map,
    "landmarks": landmark_map,
    "saliency": saliency_map,
    "Grad-CAM": grad_cam_map,
    "gated gradient": gated_gradient_map,
    "occlusion": occlusion_map,
}
"""What can be compared, by the name that results have."""
FROM_WEIGHTS = ("relevance map", "saliency", "Grad-CAM", "gated gradient")
"""Those that must change when the network's weights are drawn again."""

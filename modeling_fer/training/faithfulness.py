"""Whether a map shows what an answer was read from: deletion and insertion (Petsiuk et al., "RISE", BMVC 2018), weights drawn again
(Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018), and the parts of the face that an expression is made of.
"""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from modeling_fer.data.face_parts import FACE_PARTS, part_masks
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.attribution import FROM_WEIGHTS, MAPS, Faces
from modeling_fer.training.degradation import blur_images
from modeling_fer.training.study import reduced_precision

SHARES = np.linspace(0, 1, 11)
"""Shares of the pixels that are taken away or put back."""
BLUR = 1 / 8
"""Standard deviation, as a share of the image's width, of the blur that pixels are taken away by."""
EXPRESSION_PARTS = {
    "happiness": ("eyes", "mouth"),
    "surprise": ("brows", "eyes", "mouth"),
    "sadness": ("brows", "mouth"),
    "anger": ("brows", "eyes", "mouth"),
    "disgust": ("nose", "mouth"),
    "fear": ("brows", "eyes", "mouth"),
    "contempt": ("mouth",),
}
"""The parts that the action units of each expression move (Ekman, Friesen and Hager, FACS, 2002; EMFACS): happiness 6 + 12, surprise
1 + 2 + 5 + 26, sadness 1 + 4 + 15, anger 4 + 5 + 7 + 23, disgust 9 + 15 + 16, fear 1 + 2 + 4 + 5 + 7 + 20 + 26, contempt 12 or 14 on
one side."""


@torch.no_grad()
def answer_probability(
    model: FerForImageClassification, pixel_values: Tensor, answers: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """The probability of some classes, (n,), and whether they are the likeliest ones, (n,), bool."""
    with reduced_precision():
        logits = torch.cat([model(batch).logits.float() for batch in pixel_values.split(256)])
    probabilities = logits.softmax(dim=1)
    return probabilities.gather(1, answers.unsqueeze(1))[:, 0].numpy(), (logits.argmax(dim=1) == answers).numpy()


def blur_ranked(faces: Faces, blurred: Tensor, maps: Tensor, share: float, brightest: bool) -> Tensor:
    """Images whose brightest pixels by a map, or darkest ones, are blurred.

    Args:
        faces: the images.
        blurred: the same images, blurred.
        maps: (n, height, width).
        share: of the pixels, in [0, 1].
        brightest: whether the brightest go, or the darkest.
    """
    ranks = maps.flatten(1).argsort(dim=1, descending=brightest, stable=True).argsort(dim=1)
    gone = (ranks < round(share * ranks.shape[1])).view(maps.shape).unsqueeze(1)
    return torch.where(gone, blurred, faces.pixel_values)


def measure_maps(model: FerForImageClassification, faces: Faces, maps: dict[str, Tensor]) -> dict[str, Any]:
    """Deletion and insertion for several maps of the same faces.

    Returns:
        For each map `deletion` and `insertion`, the mean probability of the answer for each of `SHARES` of the pixels blurred or sharp,
        brightest first; `deletion_area` (a faithful map's is small) and `insertion_area` (large) under them, in [0, 1]; their paired
        difference to the first map, `deletion_gain` and `insertion_gain`, with standard errors `..._error`; `brightest_fifth` and
        `darkest_fifth`, the probability that the answer loses when that fifth is blurred; and `changed_by_brightest_fifth` and
        `changed_by_darkest_fifth`, the share of answers that become others.
    """
    size = faces.pixel_values.shape[-1]
    blurred = blur_images(faces.pixel_values, torch.full((len(faces.answers),), BLUR * size))
    ends = [answer_probability(model, images, faces.answers)[0] for images in (faces.pixel_values, blurred)]
    measured: dict[str, Any] = {}
    first: dict[str, np.ndarray] = {}
    for name, one in maps.items():
        result: dict[str, Any] = {}
        for way, brightest in (("deletion", True), ("insertion", False)):
            between = [
                answer_probability(model, blur_ranked(faces, blurred, one, share, brightest), faces.answers)
                for share in SHARES[1:-1]
            ]
            # Blurring the darkest first, read backwards, is putting the brightest back first.
            curve = np.stack([ends[0], *(probability for probability, _ in between), ends[1]])[:: 1 if brightest else -1]
            areas = np.trapezoid(curve, SHARES, axis=0)
            gain = areas - first.setdefault(way, areas)
            fifth = "brightest_fifth" if brightest else "darkest_fifth"
            probability, kept = between[1]
            result |= {
                way: curve.mean(axis=1).tolist(),
                f"{way}_area": float(areas.mean()),
                f"{way}_gain": float(gain.mean()),
                f"{way}_gain_error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
                fifth: float((ends[0] - probability).mean()),
                f"changed_by_{fifth}": float(1 - kept.mean()),
            }
        measured[name] = result
    return measured


def randomize(part: nn.Module) -> None:
    """Draws the weights of a part of a network again."""
    for module in part.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()


def measure_randomization(model: FerForImageClassification, faces: Faces) -> dict[str, dict[str, float]]:
    """How alike maps stay when the network's weights are drawn again, from the output backwards, the facial-parts module last.

    Returns:
        For each map, after each step, the mean over faces of Spearman's rank correlation with the map of the trained network, in
        [-1, 1]. A map that explains the answer falls towards 0 at the first step.
    """
    drawn = deepcopy(model)
    representation = drawn.fer.representation
    steps: dict[str, nn.Module] = {
        "classifier": drawn.classifier,
        "expression block": representation.expression_block,
        "representation": representation.blocks,
        **({"facial parts": drawn.fer.facial_parts} if drawn.fer.facial_parts is not None else {}),
    }
    compared = [name for name in FROM_WEIGHTS if name in map_names(model)]
    before = {name: MAPS[name](model, faces) for name in compared}
    results: dict[str, dict[str, float]] = {name: {} for name in compared}
    for step, part in steps.items():
        randomize(part)
        for name in compared:
            results[name][step] = rank_correlation(before[name], MAPS[name](drawn, faces))
    return results


def rank_correlation(maps: Tensor, others: Tensor) -> float:
    """The mean over faces of Spearman's rank correlation of two maps each; flat maps agree with nothing."""
    pairs = zip(maps.flatten(1).numpy(), others.flatten(1).numpy(), strict=True)
    values = [spearmanr(one, other).statistic if np.ptp(one) and np.ptp(other) else 0.0 for one, other in pairs]
    return float(np.mean(values))


def measure_parts(maps: Tensor, faces: Faces, names: list[str]) -> dict[str, dict[str, float]]:
    """Where on the face a map is bright.

    Args:
        maps: (n, size, size).
        faces: the same faces.
        names: of the classes.

    Returns:
        For each expression that is answered the share of the positive relevance on each part and on the rest, summing to 1.
    """
    positive = maps.clamp(min=0)
    positive = positive / positive.sum(dim=(1, 2), keepdim=True).clamp(min=1e-9)
    shares = {part: (positive * mask).sum(dim=(1, 2)) for part, mask in part_masks(faces.landmarks, maps.shape[-1]).items()}
    return {
        names[answer]: {part: share[faces.answers == answer].mean().item() for part, share in shares.items()}
        for answer in sorted(set(faces.answers.tolist()))
    }


def agreement_with_facs(parts: dict[str, dict[str, float]]) -> float:
    """How much more relevance an expression's map has on the parts of its action units than the maps of the other expressions have.

    Args:
        parts: from `measure_parts`.

    Returns:
        The mean over expressions of the difference of shares, in [-1, 1]; 0 for a map that is the same for all expressions.
    """
    gains = []
    for expression, moved in EXPRESSION_PARTS.items():
        others = [shares for name, shares in parts.items() if name != expression]
        if expression in parts and others:
            own = sum(parts[expression][part] for part in moved)
            gains.append(own - np.mean([sum(shares[part] for part in moved) for shares in others]))
    return float(np.mean(gains)) if gains else 0.0


def map_names(model: FerForImageClassification) -> list[str]:
    """The maps that can be made of a network: a baseline CNN has no relevance map."""
    return [name for name in MAPS if name != "relevance map" or model.fer.facial_parts is not None]


def measure_faithfulness(model: FerForImageClassification, faces: Faces, sanity_faces: int = 64) -> dict[str, Any]:
    """Everything that this module measures.

    Args:
        model: the network, in evaluation mode.
        faces: with landmarks that were found on them.
        sanity_faces: how many of them are looked at with weights drawn again.

    Returns:
        `maps` from `measure_maps`; `randomized` from `measure_randomization`; `parts` from `measure_parts` for each map, and
        `facs` from `agreement_with_facs`; `area`, the share of the pixels that each part has.
    """
    maps = {name: MAPS[name](model, faces) for name in map_names(model)}
    names = list(model.config.id2label.values())
    few = Faces(*(values[:sanity_faces] for values in (faces.pixel_values, faces.answers, faces.landmarks)))
    parts = {name: measure_parts(one, faces, names) for name, one in maps.items()}
    masks = part_masks(faces.landmarks, faces.pixel_values.shape[-1])
    return {
        "maps": measure_maps(model, faces, maps),
        "randomized": measure_randomization(model, few),
        "parts": parts,
        "facs": {name: agreement_with_facs(one) for name, one in parts.items()},
        "area": {part: masks[part].float().mean().item() for part in (*FACE_PARTS, "rest")},
    }

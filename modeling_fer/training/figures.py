"""Figures of experiments: confusion matrices, and relevance maps side by side (figures 9 to 11 of Ferreira et al., IEEE Access 6,
2018).
"""

import io
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import ConfusionMatrixDisplay

from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.inference.visualization import color_map
from modeling_fer.modeling_fer import FerForImageClassification

TILE, GAP, CAPTION = 144, 8, 22


def draw_confusion(confusion: np.ndarray, names: Sequence[str]) -> Image.Image:
    """A confusion matrix, each row in percent of the images of its class.

    Args:
        confusion: (classes, classes), numbers of images; rows are labels, columns answers.
        names: of the classes.

    Returns:
        An image of mode RGB.
    """
    totals = confusion.sum(axis=1, keepdims=True)
    percent = 100 * confusion / np.maximum(totals, 1)
    labels = [f"{name} ({total})" for name, total in zip(names, totals[:, 0].tolist(), strict=True)]
    figure = Figure(figsize=(1.6 + 0.75 * len(names), 1.2 + 0.7 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    display = ConfusionMatrixDisplay(percent, display_labels=labels)
    display.plot(ax=axes, cmap="Oranges", values_format=".0f", colorbar=False, im_kw={"vmin": 0, "vmax": 100})
    axes.set_xticklabels(list(names), rotation=40, ha="right")
    axes.set(xlabel="answer", ylabel="label (images)", title="percent of each class")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return Image.open(buffer).convert("RGB")


@torch.inference_mode()
def predict_map(checkpoint: str, crop: Image.Image) -> np.ndarray | None:
    """The relevance map that a checkpoint reads a crop by.

    Returns:
        (size, size), float32, in the network's own values; None for the baseline CNN.
    """
    model = FerForImageClassification.from_pretrained(checkpoint).eval()
    inputs = FerImageProcessor.from_pretrained(checkpoint)(crop, return_tensors="pt")
    relevance_map = model(**inputs).relevance_map
    return None if relevance_map is None else relevance_map[0, 0].numpy()


def gray_map(relevance_map: np.ndarray) -> Image.Image:
    """A relevance map in gray, black at its lowest value and white at its highest; flat maps become one gray."""
    low, high = float(relevance_map.min()), float(relevance_map.max())
    scaled = (relevance_map - low) / (high - low) if high - low > 1e-6 else np.full_like(relevance_map, 0.5)
    return Image.fromarray((scaled * 255).astype(np.uint8))


def overlay_map(crop: Image.Image, relevance_map: np.ndarray) -> Image.Image:
    """A crop under its relevance map in colour."""
    picture = crop.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC)
    layer = color_map(gray_map(relevance_map), picture.size)
    return Image.composite(layer.convert("RGB"), picture, layer.getchannel("A"))


def draw_grid(rows: Sequence[tuple[str, Sequence[Image.Image]]], titles: Sequence[str]) -> Image.Image:
    """Pictures in rows, each row with a name, under titled columns.

    Args:
        rows: name and pictures of each row, at most as many as there are titles.
        titles: of the columns.

    Returns:
        An image of mode RGB.
    """
    font = ImageFont.load_default(14)
    name_width = 20 + max(round(font.getlength(name)) for name, _ in rows)
    height = CAPTION + len(rows) * (TILE + GAP)
    grid = Image.new("RGB", (name_width + len(titles) * (TILE + GAP), height), "white")
    draw = ImageDraw.Draw(grid)
    for column, title in enumerate(titles):
        draw.text((name_width + column * (TILE + GAP), 3), title, fill="black", font=font)
    for number, (name, pictures) in enumerate(rows):
        y = CAPTION + number * (TILE + GAP)
        draw.text((6, y + TILE // 2 - 8), name, fill="black", font=font)
        for column, picture in enumerate(pictures):
            tile = picture.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC)
            grid.paste(tile, (name_width + column * (TILE + GAP), y))
    return grid

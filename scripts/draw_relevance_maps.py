"""Draws the relevance maps of several checkpoints for one photo, as figures 9 to 11 of the paper do: crop, target, prediction, and the
prediction over the crop.

    python scripts/draw_relevance_maps.py --photo space/examples/astronaut.jpg --output maps.png \\
        --models "λ = 10"=runs/fully_10/best "λ = 5"=runs/fully_5/best

The target is drawn at the landmarks that --landmarks names: those of face-alignment (fan), or the detector's own five (detector).
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from modeling_fer.checkpoints import find_checkpoint
from modeling_fer.data.face_preparer import FacePreparer, PrepareSettings
from modeling_fer.data.source import Sample
from modeling_fer.inference.loading import Checkpoint, load_checkpoint
from modeling_fer.training.figures import draw_grid, gray_map, overlay_map, predict_map
from modeling_fer.training.study import split_name


def prepare_photo(photo: Path, checkpoint: Checkpoint, landmarks: str) -> dict[str, Any]:
    """Crop and heatmap of the largest face of a photo, cut as a checkpoint's training crops were."""
    config, processor = checkpoint.model.config, checkpoint.image_processor
    settings = PrepareSettings(
        image_size=config.image_size,
        margin=processor.face_margin,
        offset=processor.face_offset,
        align=processor.face_alignment,
        landmarks=landmarks,
        sigma=config.heatmap_sigma,
        drop_not_found=True,
        min_face=0.03,
    )
    rows, problems = FacePreparer(settings)([Sample(photo.name, "face", file=photo)])
    if problems:
        raise ValueError(f"{photo}: {problems[0].sentence}")
    return rows[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", required=True, type=Path, help="photo of a face")
    parser.add_argument("--models", nargs="+", default=["fer-base=fer-base", "fer-tiny=fer-tiny"], metavar="NAME=CHECKPOINT")
    parser.add_argument(
        "--landmarks", choices=("fan", "detector", "none"), default="fan", help="where the target's landmarks come from"
    )
    parser.add_argument("--output", required=True, type=Path, help="picture to write")
    arguments = parser.parse_args()

    rows: list[tuple[str, list[Image.Image]]] = []
    try:
        for model in arguments.models:
            name, source = split_name(model)
            checkpoint = find_checkpoint(source)
            row = prepare_photo(arguments.photo, load_checkpoint(checkpoint), arguments.landmarks)
            predicted = predict_map(str(checkpoint), row["image"])
            if predicted is None:
                raise ValueError(f"{checkpoint} is a baseline CNN, which has no relevance map.")
            print(f"{name}: map from {np.min(predicted):.3f} to {np.max(predicted):.3f}, mean {np.mean(predicted):.3f}")
            pictures = [row["image"], gray_map(predicted), overlay_map(row["image"], predicted)]
            if row["heatmap"] is not None:
                pictures.insert(1, row["heatmap"])
            rows.append((name, pictures))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    titles = ["crop", "target", "prediction", "overlay"]
    if len(rows[0][1]) == 3:
        titles.remove("target")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    draw_grid(rows, titles).save(arguments.output)


if __name__ == "__main__":
    main()

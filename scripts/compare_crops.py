"""Measures how the training crops of a data set were cut, so that the pipeline cuts photos alike, and draws both for the eye.

    python scripts/compare_crops.py --data prepared/ferplus --output out/crops.png

Each training image is widened and enlarged until the detector can search it; the detector's box is then compared with the image's
borders. The medians are `face_margin` and `face_offset` of the checkpoint's image processor. The picture shows training images above
and, below them, what the pipeline cuts from the same widened images; it holds images of the data set, which may not be for sharing.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from modeling_fer.data import load_labelled
from modeling_fer.data.recut import ENLARGEMENT, widen
from modeling_fer.faces_fer import Face, FaceCropper, make_detector

COLUMNS = 16


def measure_crop(image: Image.Image, face: Face, border: int) -> tuple[float, float]:
    """Margin and offset that would have cut the image out of its widened self."""
    size = face.size / ENLARGEMENT
    centre = face.centre / ENLARGEMENT - border
    _, _, angle = FaceCropper(image.width).square(face)
    down = np.array([-np.sin(angle), np.cos(angle)])
    return image.width / size - 1, float((np.array(image.size) / 2 - centre) @ down) / size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared data set with votes, taken whole as crops")
    parser.add_argument("--images", type=int, default=500, help="how many training images to look at")
    parser.add_argument("--output", type=Path, help="PNG with training images above the pipeline's crops")
    arguments = parser.parse_args()

    dataset = load_labelled(arguments.data, "train", "votes").shuffle(seed=0)
    images = [row["image"] for row in dataset.select(range(2 * arguments.images)) if row["face_detected"]][: arguments.images]
    border = images[0].width // 2
    detector = make_detector()
    pairs = [(image, faces[0]) for image in images if (faces := detector(widen(image, border)))]
    margin, offset = np.median([measure_crop(image, face, border) for image, face in pairs], axis=0)
    print(f"{len(pairs)} of {len(images)} faces found: face_margin {margin:.3f}, face_offset {offset:.3f}")
    if arguments.output is not None:
        cropper = FaceCropper(images[0].width, margin, offset)
        sheet = Image.new("L", (COLUMNS * 96, 4 * 96))
        for index, (image, face) in enumerate(pairs[: 2 * COLUMNS]):
            x, y = index % COLUMNS * 96, index // COLUMNS * 192
            sheet.paste(image.convert("L").resize((96, 96)), (x, y))
            sheet.paste(cropper(widen(image, border), face).convert("L").resize((96, 96)), (x, y + 96))
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(arguments.output)


if __name__ == "__main__":
    main()

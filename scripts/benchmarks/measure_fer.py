"""The package `fer` of PyPI (https://github.com/justinshenk/fer); started by `scripts/benchmark.py` with the Python that it is
installed for.

python -m benchmarks.measure_fer FOLDER
python -m benchmarks.measure_fer FOLDER --cold
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.pictures import name_pictures
from benchmarks.timing import Figures, median_seconds, peak_megabytes


def load(**settings: Any) -> Any:
    """The package, with settings of its own."""
    try:
        from fer.fer import FER
    except ImportError:
        from fer import FER
    return FER(**settings)


def measure(folder: Path, repetitions: int = 10) -> Figures:
    """All figures but those that are measured from outside. It reads each face by itself, so that there is nothing to batch."""
    import cv2
    import numpy as np

    pictures = name_pictures(folder)
    detector = load(mtcnn=True)  # which this package has too
    crop, frame = (np.asarray(cv2.imread(str(file))) for file in (pictures.crop, pictures.frame))
    whole = [(0, 0, crop.shape[1], crop.shape[0])]
    figures = Figures(versions=f"fer {version('fer')}, tensorflow {version('tensorflow')}")
    figures.crop_ms = 1000 * median_seconds(lambda: detector.detect_emotions(crop, face_rectangles=whole), repetitions)
    figures.faces_per_second = 32 / median_seconds(lambda: detector.detect_emotions(crop, face_rectangles=whole * 32), 3)
    figures.photo_ms = 1000 * median_seconds(lambda: detector.detect_emotions(cv2.imread(str(pictures.photo))), repetitions)
    figures.large_photo_ms = 1000 * median_seconds(lambda: detector.detect_emotions(cv2.imread(str(pictures.large))), 3, 1)
    figures.large_photo_faces = len(detector.detect_emotions(cv2.imread(str(pictures.large))))
    figures.peak_megabytes = peak_megabytes()
    figures.video_fps = 1 / median_seconds(lambda: detector.detect_emotions(frame), repetitions)
    return figures


if __name__ == "__main__":
    if "--cold" in sys.argv:
        import cv2

        load(mtcnn=True).detect_emotions(cv2.imread(str(name_pictures(Path(sys.argv[1])).photo)))
    else:
        measure(Path(sys.argv[1])).show()

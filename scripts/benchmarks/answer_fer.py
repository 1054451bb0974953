"""What the expression network of `fer` answers to the crops of a folder; started by `scripts/compare_packages.py` with the Python
that it is installed for.

python -m benchmarks.answer_fer FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure_fer import load

SIZE = (64, 64)


def answer(detector: Any, file: Path) -> dict[str, float]:
    """Its probabilities by class for a file that is a face as a whole.

    `FER.detect_emotions` would put a frame of one gray round it, and round the probabilities to hundredths, so that about one image in
    a hundred has two likeliest classes. What it does to a face in between stands here.
    """
    import cv2
    import numpy as np

    gray = np.asarray(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))
    face = (cv2.resize(gray, SIZE).astype(np.float32) / 255 - 0.5) * 2
    [probabilities] = detector._classify_emotions(face[None])
    return {name: float(probabilities[place]) for place, name in detector._get_labels().items()}


if __name__ == "__main__":
    detector = load()
    for file in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps(answer(detector, file)), flush=True)

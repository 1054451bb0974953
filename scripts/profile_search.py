"""Shows where the search for faces spends its time, by one thread.

    python scripts/profile_search.py --output results/search_profile.json

The picture is the example of the page, enlarged to each size. Let nothing else run meanwhile.
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from modeling_fer.areas_fer import Picture
from modeling_fer.data.json_files import write_json
from modeling_fer.detector_files_fer import PACKAGED
from modeling_fer.mtcnn_fer import WINDOW, load_networks, pyramid, search

EXAMPLE = Path(__file__).parents[1] / "space" / "examples" / "astronaut.jpg"
SIZES = ((512, 512), (640, 480), (2000, 1500))
MIN_FACE, FACTOR = 20.0, 0.709


class Timed:
    """A network that counts how long it runs, and on how many pictures."""

    def __init__(self, network: Any):
        self.network, self.seconds, self.seen = network, 0.0, 0

    def run(self, outputs: Any, inputs: dict[str, np.ndarray]) -> Any:
        """As a session of ONNX Runtime does."""
        start = time.perf_counter()
        answers = self.network.run(outputs, inputs)
        self.seconds += time.perf_counter() - start
        self.seen += len(inputs["pixels"])
        return answers


def measure(pixels: np.ndarray) -> dict[str, float]:
    """One search: milliseconds of each part, and how many crops the second and the third network see."""
    networks = [Timed(network) for network in load_networks(PACKAGED / "mtcnn", os.getpid())]
    start = time.perf_counter()
    picture = Picture(pixels, WINDOW)
    search(networks, picture, list(pyramid(min(pixels.shape[:2]), MIN_FACE, FACTOR)), map)
    total = 1000 * (time.perf_counter() - start)
    parts = {name: 1000 * network.seconds for name, network in zip(("first", "second", "third"), networks, strict=True)}
    return {
        "milliseconds": total, **parts, "rest": total - sum(parts.values()), "second_seen": networks[1].seen,
        "third_seen": networks[2].seen,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="searches of each picture; %(default)s")
    parser.add_argument("--output", type=Path, required=True, help="JSON file for the medians")
    arguments = parser.parse_args()
    results = {}
    with Image.open(EXAMPLE) as photo:
        for width, height in SIZES:
            pixels = np.asarray(photo.convert("RGB").resize((width, height)))
            measure(pixels)
            searches = [measure(pixels) for _ in range(arguments.repeats)]
            results[f"{width}x{height}"] = {name: statistics.median(one[name] for one in searches) for name in searches[0]}
            print(
                f"{width}x{height}:", ", ".join(f"{name} {value:.1f}" for name, value in results[f"{width}x{height}"].items())
            )
    write_json(arguments.output, results)


if __name__ == "__main__":
    main()

"""This package by one of its engines; started by `scripts/benchmark.py`.

python -m benchmarks.measure_own onnx fer-base FOLDER
"""

import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.pictures import VIDEO_FRAMES, name_pictures
from benchmarks.timing import Figures, median_seconds, peak_megabytes
from PIL import Image

import modeling_fer

VIDEO_SEARCH_SIZE = 640
FPS = 1000.0
"""More than any video has: every frame is looked at."""


def measure(engine: str, checkpoint: str, folder: Path, repetitions: int = 20) -> Figures:
    """All figures but those that are measured from outside."""
    pictures = name_pictures(folder)
    fer = modeling_fer.load(checkpoint, engine=engine, device="cpu")
    crop = Image.open(pictures.crop).convert("RGB")
    one, many = fer.prepare([crop]), fer.prepare([crop] * 32)
    figures = Figures(versions=f"modeling-fer {version('modeling-fer')}, {versions(engine)}")
    figures.crop_ms = 1000 * median_seconds(lambda: fer.network(one), 5 * repetitions, warmup=20)
    figures.faces_per_second = 32 / median_seconds(lambda: fer.network(many), repetitions)
    figures.photo_ms = 1000 * median_seconds(lambda: fer(pictures.photo), repetitions)
    figures.large_photo_ms = 1000 * median_seconds(lambda: fer(pictures.large), repetitions)
    figures.large_photo_faces = len(fer(pictures.large))
    figures.peak_megabytes = peak_megabytes()
    if pictures.video.exists():
        from modeling_fer.inference.video import analyse_video

        frames = fer.searching(search_size=VIDEO_SEARCH_SIZE)
        figures.video_fps = VIDEO_FRAMES / median_seconds(lambda: list(analyse_video(frames, pictures.video, FPS)), 1, warmup=1)
        near = median_seconds(lambda: list(analyse_video(frames, pictures.video, FPS, search_every=30 / FPS)), 1, warmup=1)
        figures.near_video_fps = VIDEO_FRAMES / near
    return figures


def versions(engine: str) -> str:
    """What an engine computes by."""
    name = "onnxruntime" if engine == "onnx" else "torch"
    return f"{name} {version(name)}"


if __name__ == "__main__":
    measure(sys.argv[1], sys.argv[2], Path(sys.argv[3])).show()

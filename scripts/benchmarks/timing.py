"""Medians of times, and what a program prints of itself."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass
class Figures:
    """What was measured of one package; None where it cannot do it.

    Attributes:
        crop_ms: a crop of a face in memory to probabilities (and relevance map), milliseconds.
        faces_per_second: crops in batches of 32.
        photo_ms: a photo of 512x512, from file to result.
        large_photo_ms: a photo of 12 megapixels with four faces, from file to result.
        large_photo_faces: how many of the four were found.
        video_fps: frames a second of a video of 640x480, every one searched.
        near_video_fps: the same, the whole frame searched once a second of 30 frames.
        peak_megabytes: the most memory that the process took.
        cold_start_s: a program that reads the photo of 512x512, from its start to its end, seconds.
        installed_megabytes: the package with all that it needs.
        versions: of the package and what it computes by.
    """

    crop_ms: float | None = None
    faces_per_second: float | None = None
    photo_ms: float | None = None
    large_photo_ms: float | None = None
    large_photo_faces: int | None = None
    video_fps: float | None = None
    near_video_fps: float | None = None
    peak_megabytes: float | None = None
    cold_start_s: float | None = None
    installed_megabytes: float | None = None
    versions: str = ""

    def show(self) -> None:
        """Prints the figures as JSON, for the program that started this one."""
        print(json.dumps(asdict(self)))


def median_seconds(call: Callable[[], object], repetitions: int, warmup: int = 3) -> float:
    """The median time of some calls."""
    seconds = []
    for repetition in range(warmup + repetitions):
        start = time.perf_counter()
        call()
        if repetition >= warmup:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peak_megabytes() -> float:
    """The most memory that this process took so far.

    On Linux it is the kernel's VmHWM: the peak that `resource` tells is at least that of the process which started this one.
    """
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return read_peak("self") / 1e6


def read_peak(process: int | str) -> int:
    """The peak of a running process by Linux, in bytes; 0 for one that has ended."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0

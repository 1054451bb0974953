"""Peak memory of `fer predict` over photos of 12 megapixels, every second one without a face, and over a video of 720p.

    python scripts/measure_memory.py
    python scripts/measure_memory.py --photos 24 --seconds 0

Linux only: the peak is the kernel's VmHWM.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import av
from benchmarks.timing import read_peak
from PIL import Image

ROOT = Path(__file__).parents[1]
SIZE = (4000, 3000)
VIDEO_SIZE = (1280, 720)
VIDEO_FPS = 25
EARLY = 20
"""Rows after which memory grows no more."""


@dataclass(frozen=True)
class Peaks:
    """The highest resident memory of a run, in bytes.

    Attributes:
        early: until the first rows were written.
        whole: until its end.
        rows: how many were written.
    """

    early: int
    whole: int
    rows: int


def draw_photo(size: tuple[int, int], person: bool) -> Image.Image:
    """A photo of one person before a wall, or of the wall."""
    wall = Image.linear_gradient("L").resize(size).convert("RGB")
    if person:
        with Image.open(ROOT / "space" / "examples" / "astronaut.jpg") as photo:
            side = size[1]
            wall.paste(photo.resize((side, side)), ((size[0] - side) // 2, 0))
    return wall


def write_photos(folder: Path, count: int) -> None:
    """Photos of 12 megapixels; each is a file of its own, as the same file by several names is read once."""
    for kind in (0, 1):
        draw_photo(SIZE, person=kind == 0).save(folder / f"{kind:04}.jpg")
    for number in range(2, count):
        shutil.copyfile(folder / f"{number % 2:04}.jpg", folder / f"{number:04}.jpg")


def write_video(path: Path, seconds: int) -> None:
    """A video of 720p in which the picture moves to and fro."""
    picture = draw_photo(VIDEO_SIZE, person=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=VIDEO_FPS)
        stream.width, stream.height, stream.pix_fmt = *VIDEO_SIZE, "yuv420p"
        for number in range(seconds * VIDEO_FPS):
            moved = picture.rotate(0, translate=(abs(number % 50 - 25) * 4, 0))
            container.mux(stream.encode(av.VideoFrame.from_image(moved)))
        container.mux(stream.encode())


def count_rows(output: Path) -> int:
    return output.read_bytes().count(b"\n") if output.exists() else 0


def measure(source: Path, output: Path, early: int = EARLY) -> Peaks:
    """Runs `fer predict` in a process of its own, and watches it.

    Args:
        source: a photo, a video or a folder of them.
        output: a .jsonl file, which is written.
        early: rows after which `Peaks.early` is taken.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    command = [sys.executable, "-m", "modeling_fer_cli", "predict", str(source), "--output", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    first = peak = 0
    while process.poll() is None:
        peak = max(peak, read_peak(process.pid))
        if count_rows(output) <= early:
            first = peak
        time.sleep(0.05)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Peaks(first, peak, count_rows(output))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200, help="how many photos; none if 0")
    parser.add_argument("--seconds", type=int, default=60, help="length of the video; none if 0")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "photos").mkdir()
        sources = []
        if arguments.photos:
            write_photos(folder / "photos", arguments.photos)
            sources.append((folder / "photos", f"{arguments.photos} photos of 12 megapixels"))
        if arguments.seconds:
            write_video(folder / "video.mp4", arguments.seconds)
            sources.append((folder / "video.mp4", f"{arguments.seconds} s of 720p"))
        for number, (source, title) in enumerate(sources):
            peaks = measure(source, folder / f"{number}.jsonl")
            print(f"{title}: {peaks.early / 1e9:.2f} GB after {EARLY} rows, {peaks.whole / 1e9:.2f} GB at the end")


if __name__ == "__main__":
    main()

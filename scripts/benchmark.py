"""Measures what users wait for, on this machine's processor: both engines of this package, and what is installed instead of it.

    python scripts/benchmark.py
    python scripts/benchmark.py --fer-python /path/to/python --npm-folder /path/to/folder
    python scripts/benchmark.py --table        the table of README.md from results/benchmark.json

`--fer-python` is the Python of an environment with the package fer (`pip install fer "setuptools<81"`, as fer needs pkg_resources;
where it crashes, `pip uninstall triton`, which TensorFlow does not bear beside it), and `--npm-folder` a folder in which
`npm install @vladmandic/face-api @vladmandic/human @tensorflow/tfjs @tensorflow/tfjs-backend-wasm @napi-rs/canvas` was run. What is
not installed is left out. Let nothing else run meanwhile.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from benchmarks.packages import add_arguments, find_packages
from benchmarks.pictures import Pictures, make_pictures
from benchmarks.timing import Figures

from modeling_fer.data.json_files import write_json
from modeling_fer.faces_fer import usable_cores
from modeling_fer.training.environment import processor_name

HERE = Path(__file__).parent
RESULTS = Path(__file__).parents[1] / "results" / "benchmark.json"
COLD_STARTS = 5
LIGHT = ("modeling-fer",)
HEAVY = ("modeling-fer", "torch", "transformers", "safetensors")

ROWS = {
    "crop_ms": ("one crop to probabilities (and map)", "{:.2f} ms"),
    "faces_per_second": ("faces a second, crops in batches of 32", "{:.0f}"),
    "photo_ms": ("512x512 photo, file to result", "{:.0f} ms"),
    "large_photo_ms": ("12-megapixel photo with four faces, file to result", "{:.0f} ms"),
    "large_photo_faces": ("of these four faces are found", "{:.0f}"),
    "video_fps": ("640x480 video, every frame searched, frames a second", "{:.1f}"),
    "near_video_fps": ("640x480 video, the whole frame searched every 30 frames, frames a second", "{:.1f}"),
    "cold_start_s": ("one photo from a cold start", "{:.2f} s"),
    "installed_megabytes": ("installed, with all that it needs", "{:.0f} MB"),
    "peak_megabytes": ("most memory", "{:.0f} MB"),
}


@dataclass(frozen=True)
class Contestant:
    """A package that is measured.

    Attributes:
        name: in the table.
        measure: the program that prints its figures.
        cold: the program that reads one photo.
        folder: where they run.
        size: the names of the packages that make its size, or the folder of it.
    """

    name: str
    measure: list[str]
    cold: list[str]
    folder: Path
    size: tuple[str, ...] | Path


def own(engine: str, checkpoint: str, pictures: Pictures) -> Contestant:
    """This package by an engine."""
    folder = pictures.photo.parent
    measure = [sys.executable, "-m", "benchmarks.measure_own", engine, checkpoint, str(folder)]
    fer = str(Path(sys.executable).with_name("fer"))
    cold = [fer, "predict", str(pictures.photo), "--engine", engine, "--model", checkpoint, "--device", "cpu"]
    return Contestant(f"{checkpoint}, {engine}", measure, cold, HERE, LIGHT if engine == "onnx" else HEAVY)


def others(python: Path | None, npm: Path | None, pictures: Pictures) -> list[Contestant]:
    """The packages that are installed instead; a sentence for each that is not here."""
    folder = str(pictures.photo.parent)
    return [
        Contestant(
            one.name, one.command("measure", folder), one.command("measure", folder, "--cold"), one.folder, one.installed
        )
        for one in find_packages(python, npm)
    ]


def measure(contestant: Contestant) -> Figures:
    """Runs the programs of a package.

    Raises:
        subprocess.CalledProcessError: one of them fails.
    """
    done = subprocess.run(contestant.measure, cwd=contestant.folder, check=True, stdout=subprocess.PIPE, text=True)
    figures = Figures(**json.loads(done.stdout.splitlines()[-1]))
    figures.cold_start_s = statistics.median(seconds_of(contestant) for _ in range(COLD_STARTS))
    size = contestant.size
    figures.installed_megabytes = folder_megabytes(size) if isinstance(size, Path) else package_megabytes(size)
    return figures


def measure_others(contestants: list[Contestant]) -> dict[str, Figures]:
    """The figures of other packages, by their names; a sentence for each whose program fails, which is left out."""
    figures = {}
    for one in contestants:
        try:
            figures[one.name] = measure(one)
        except subprocess.CalledProcessError as error:
            print(f"{one.name} is left out; its program failed: {error}")
    return figures


def seconds_of(contestant: Contestant) -> float:
    """How long the program takes that reads one photo."""
    start = time.perf_counter()
    subprocess.run(contestant.cold, cwd=contestant.folder, check=True, capture_output=True)
    return time.perf_counter() - start


def folder_megabytes(folder: Path) -> float:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def package_megabytes(names: tuple[str, ...]) -> float:
    """The size of installed packages and of all that they need."""
    from packaging.requirements import Requirement

    seen: set[str] = set()
    waiting, total = list(names), 0
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        files = [Path(str(found.locate_file(file))) for file in found.files or []]
        total += sum(file.stat().st_size for file in files if file.is_file())
        needs = [Requirement(line) for line in found.requires or []]
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    if "modeling-fer" in seen:
        total += int(folder_megabytes(Path(__file__).parents[1] / "modeling_fer") * 1e6)
    return total / 1e6


def processor() -> str:
    """The name of the processor, and how many of its cores this process may use."""
    return f"{usable_cores()} cores of {processor_name()}"


def show(figure: float | None, form: str) -> str:
    """A figure in its form, or a dash where it could not be measured."""
    return "-" if figure is None else form.format(figure)


def table(results: dict[str, Any]) -> str:
    """The figures as a Markdown table, with ratios to the packages that are installed instead."""
    packages = results["packages"]
    lines = [f"On {results['processor']}:", "", "| | " + " | ".join(packages) + " |", "|---|" + "---:|" * len(packages)]
    for field, (title, form) in ROWS.items():
        figures = [one.get(field) for one in packages.values()]
        if any(figure is not None for figure in figures):
            values = [show(figure, form) for figure in figures]
            lines.append(f"| {title} | " + " | ".join(values) + " |")
    first = next(iter(packages.values()))
    for name, other in packages.items():
        if name.endswith((" (PyPI)", " (npm)")):
            lines += ["", textwrap.fill(f"{next(iter(packages))} against {name}: {ratios(first, other)}.", 119)]
    return "\n".join(lines)


def ratios(own_figures: dict[str, Any], other: dict[str, Any]) -> str:
    """How many times faster or smaller the first is."""
    shown = []
    for field in ("crop_ms", "photo_ms", "large_photo_ms", "video_fps", "cold_start_s", "installed_megabytes"):
        mine, its = own_figures[field], other[field]
        if mine and its:
            times = mine / its if field.endswith("fps") else its / mine
            shown.append(f"{ROWS[field][0]} {times:.1f}x")
    return "; ".join(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--output", type=Path, default=RESULTS, help="file for the figures")
    parser.add_argument("--table", action="store_true", help="print the table of the file, and measure nothing")
    arguments = parser.parse_args()
    if not arguments.table:
        with tempfile.TemporaryDirectory() as folder:
            pictures = make_pictures(Path(folder))
            contestants = [own(engine, name, pictures) for name in ("fer-base", "fer-tiny") for engine in ("onnx", "torch")]
            figures = {one.name: measure(one) for one in contestants}
            figures |= measure_others(others(arguments.fer_python, arguments.npm_folder, pictures))
            packages = {name: vars(one) for name, one in figures.items()}
        results = {"processor": processor(), "python": platform.python_version(), "packages": packages}
        write_json(arguments.output, results)
    print(table(json.loads(arguments.output.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()

"""The tables of RESULTS.md and README.md about time, memory and energy, and the faces that detectors find in theirs."""

from pathlib import Path

import benchmark
from markdown_tables import markdown
from result_files import read


def detectors_table(results: Path) -> str:
    """Faces found in percent, of all and by their size in pixels."""
    detectors = read(results, "detectors")["detectors"]
    sizes = list(next(iter(detectors.values()))["found"])
    rows = [
        [name, f"{100 * one['found_of_all']:.1f}", *(f"{100 * one['found'][size]:.0f}" for size in sizes),
         f"{one['false_faces']:.2f}", f"{one['milliseconds']:.0f}"]
        for name, one in detectors.items()
    ]  # fmt: skip
    return markdown(["detector", "all", *sizes[:-1], f"{sizes[-1]} and more", "false faces a scene", "ms a scene"], rows)


def profile_table(results: Path) -> str:
    """Where the search for faces spends its time."""
    header = [
        "picture", "ms in all", "first network", "second network", "third network", "averages and suppression",
        "crops to the second", "to the third",
    ]  # fmt: skip
    rows = [
        [size, *(f"{one[name]:.1f}" for name in ("milliseconds", "first", "second", "third", "rest")),
         *(f"{one[name]:.0f}" for name in ("second_seen", "third_seen"))]
        for size, one in read(results, "search_profile").items()
    ]  # fmt: skip
    return markdown(header, rows)


def page_table(results: Path) -> str:
    """How long users of the page wait, browser and server on one machine."""
    one = read(results, "page")
    rows = [
        ["the page, to its first view", f"{one['first_view']:.1f} s, {one['first_view_computing']:.1f} s of them computing"],
        [
            "a 512x512 photo, from upload to the face under its map",
            f"{one['photo']:.2f} s (the first {one['first_photo']:.1f} s)",
        ],
        ["live camera at 640x480", f"{one['camera_fps']:.1f} frames a second over ten seconds"],
        ["a video of 10 s at 25 frames a second, 10 frames a second looked at", f"{one['video']:.1f} s"],
    ]
    return markdown([f"the page, {one['processor']}", "measured"], rows)


def benchmark_table(results: Path) -> str:
    """How long users wait, by package."""
    return benchmark.table(read(results, "benchmark"))


SPEEDS = {
    "crop": ("crop_ms", "{:.1f} ms"),
    "512x512 photo": ("photo_ms", "{:.0f} ms"),
    "12 megapixels, 4 faces": ("large_photo_ms", "{:.0f} ms"),
    "640x480 video": ("video_fps", "{:.0f} frames/s"),
    "cold start": ("cold_start_s", "{:.1f} s"),
    "installed": ("installed_megabytes", "{:,.0f} MB"),
}


def speed_table(results: Path) -> str:
    """The short form of the benchmark: the light engine beside the other packages."""
    measured = read(results, "benchmark")
    rows = []
    for name, one in measured["packages"].items():
        if not name.endswith(", torch"):
            shown = [benchmark.show(one[key], form) for key, form in SPEEDS.values()]
            rows.append([name.removesuffix(", onnx"), *shown])
    return markdown([measured["processor"], *SPEEDS], rows)


def cost_table(results: Path) -> str:
    """Parameters, multiply-adds, speed and energy."""
    rows = []
    for name, one in read(results, "cost").items():
        joules = [
            f"{one[key]:.2f}" if one[key] is not None else "not readable" for key in ("joules_inference", "joules_training")
        ]
        rows.append(
            [
                name,
                f"{one['parameters'] / 1e6:.2f}",
                f"{one['multiply_adds'] / 1e6:.1f}",
                f"{one['images_a_second_inference']:,.0f}",
                f"{one['images_a_second_training']:,.0f}",
                *joules,
            ]
        )
    header = ["network", "million weights", "million multiply-adds", "images/s, inference", "images/s, training"]
    return markdown([*header, "joules an image, inference", "training"], rows)

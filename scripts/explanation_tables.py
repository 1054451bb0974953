"""The tables of RESULTS.md about the relevance maps: how faithful they are, where they are bright, and what other forms cost."""

from pathlib import Path
from typing import Any

from markdown_tables import markdown
from result_files import CHECKPOINTS, read, read_bundled
from tabulate_results import show_difference


def difference(measured: dict[str, Any], way: str, sign: int) -> str:
    """How far a map is from the relevance map by deletion or insertion, `sign` times, with its standard error; empty for that one."""
    gain, error = measured[f"{way}_gain"], measured[f"{way}_gain_error"]
    return show_difference(sign * gain, error, digits=3) if error else ""


AREAS = (
    "deletion (low is faithful)",
    "minus the relevance map's",
    "insertion (high is faithful)",
    "the relevance map's minus it",
)


def show_areas(measured: dict[str, Any]) -> list[str]:
    """The columns `AREAS` of a map; where it is the less faithful one, the differences are positive."""
    deletion, insertion = (f"{measured[f'{way}_area']:.3f}" for way in ("deletion", "insertion"))
    return [deletion, difference(measured, "deletion", 1), insertion, difference(measured, "insertion", -1)]


def faithfulness_table(results: Path) -> str:
    """Deletion, insertion and the agreement with FACS, a row for each map."""
    header = [
        "checkpoint", "map", *AREAS, "lost by blurring the brightest fifth", "the darkest fifth",
        "answers changed by the brightest fifth", "more on the parts that FACS names",
    ]  # fmt: skip
    rows = []
    for name, one in read_bundled(results, "faithfulness").items():
        for kind, measured in one["maps"].items():
            rows.append(
                [
                    name,
                    kind,
                    *show_areas(measured),
                    f"{measured['brightest_fifth']:.3f}",
                    f"{measured['darkest_fifth']:.3f}",
                    f"{measured['changed_by_brightest_fifth']:.1%}",
                    f"{one['facs'][kind]:+.3f}",
                ]
            )
    return markdown(header, rows)


SIMPLE_MAPS = ("relevance map", "landmarks", "centre", "random")
"""The relevance map, and maps that know nothing of the network."""


def methods_faithfulness_table(results: Path) -> str:
    """Deletion and insertion of the paper's methods, beside maps that know nothing of the network."""
    measured = {name: one["maps"] for name, one in read(results, "faithfulness").items() if name not in CHECKPOINTS}
    rows = [[name, kind, *show_areas(maps[kind])] for name, maps in measured.items() for kind in SIMPLE_MAPS]
    return markdown(["method", "map", *AREAS], rows)


def randomized_table(results: Path) -> str:
    """How alike maps stay when weights are drawn again, from the output backwards."""
    measured = read_bundled(results, "faithfulness")
    steps = list(next(iter(next(iter(measured.values()))["randomized"].values())))
    rows = [
        [name, kind, *(f"{correlations[step]:.2f}" for step in steps)]
        for name, one in measured.items()
        for kind, correlations in one["randomized"].items()
    ]
    return markdown(["checkpoint", "map", *steps], rows)


def parts_table(results: Path) -> str:
    """Where the relevance map is bright, by the expression that is answered."""
    rows = []
    for name, one in read_bundled(results, "faithfulness").items():
        parts = list(one["area"])
        rows.append([name, "share of the pixels", *(f"{one['area'][part]:.0%}" for part in parts)])
        for expression, shares in one["parts"].get("relevance map", {}).items():
            rows.append([name, expression, *(f"{shares[part]:.0%}" for part in parts)])
    return markdown(["checkpoint", "answer", *parts], rows)


def forms_table(results: Path) -> str:
    """What other forms of gate and loss cost in accuracy and bring in faithfulness, both on validation."""
    header = [
        "form", "FER+ accuracy", "deletion (low is faithful)", "the landmarks' minus the map's", "insertion (high is faithful)",
        "the map's minus the landmarks'", "more on the parts that FACS names",
    ]  # fmt: skip
    runs = read(results, "forms_runs")
    rows = []
    for name, one in read(results, "forms").items():
        own, landmarks = one["maps"]["relevance map"], one["maps"]["landmarks"]
        rows.append(
            [
                name.replace("_", " "),
                f"{100 * runs[name]['accuracy']:.1f}",
                f"{own['deletion_area']:.3f}",
                difference(landmarks, "deletion", 1),
                f"{own['insertion_area']:.3f}",
                difference(landmarks, "insertion", -1),
                f"{one['facs']['relevance map']:+.3f}",
            ]
        )
    return markdown(header, rows)

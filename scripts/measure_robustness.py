"""Measures what a checkpoint scores on disturbed images: small, blurred, dark, noisy, compressed, turned, cut by another box, or with a
part of the face covered.

    python scripts/measure_robustness.py fer-base fer-tiny --data prepared/fer2013 --split test \\
        --output results/robustness.json --figure docs/robustness.png

Stopped and started again, it goes on where it was. The images of FER-2013 are crops, so that a box that reaches beyond them sees them
mirrored.
"""

from dataclasses import asdict
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from studies import load_studies, study_parser

from modeling_fer.data.json_files import keep_result, read_kept
from modeling_fer.training.robustness import DISTURBANCES, measure_robustness


def draw_curves(results: dict[str, Any]) -> Figure:
    """Accuracy against the strength of each disturbance, and with parts covered; a line for each checkpoint."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplots(3, 4, sharey=True).flatten()
    for place, (name, disturbance) in enumerate(DISTURBANCES.items()):
        for checkpoint, result in results.items():
            points = [(float(strength), one["accuracy"]) for strength, one in result[name].items()]
            if disturbance.neutral is not None and disturbance.neutral not in disturbance.strengths:
                points.insert(0, (disturbance.neutral, result["clean"][""]["accuracy"]))
            axes[place].plot(*zip(*points, strict=True), marker="o", markersize=3, label=checkpoint)
        axes[place].set(xlabel=disturbance.title)
        if points[0][0] > points[-1][0]:
            axes[place].invert_xaxis()
    draw_covered(axes[-1], results)
    for row in range(3):
        axes[4 * row].set_ylabel("accuracy")
    axes[0].set_ylim(0, 1)
    axes[0].legend()
    return figure


def draw_covered(axes: Axes, results: dict[str, Any]) -> None:
    """Accuracy with each part of the face covered."""
    height = 0.8 / len(results)
    for number, result in enumerate(results.values()):
        accuracies = [one["accuracy"] for one in result["covered"].values()]
        axes.bar([place + number * height for place in range(len(accuracies))], accuracies, height)
    axes.set_xticks(range(len(accuracies)), list(result["covered"]), rotation=60, ha="right")
    axes.set(xlabel="covered")


def main() -> None:
    parser = study_parser(__doc__, "landmarks and the checkpoints' classes", "curves")
    arguments = parser.parse_args()
    for study in load_studies(parser, arguments, landmarks=True):
        result = study.kept(arguments.output)
        for name, strength, measure in measure_robustness(study.checkpoint, study.columns):
            if strength not in result.get(name, {}):
                scores = measure()
                result.setdefault(name, {})[strength] = asdict(scores)
                keep_result(arguments.output, study.name, result)
                print(f"{study.name}, {name} {strength}: {scores.accuracy:.1%}", flush=True)
    if arguments.figure is not None:
        draw_curves(read_kept(arguments.output)).savefig(arguments.figure, dpi=80)


if __name__ == "__main__":
    main()

"""Measures what a checkpoint's probabilities are worth: calibration, distance to the votes of the crowd, coverage of the sets of
expressions, and what the answer "uncertain" gives and costs.

    python scripts/measure_probabilities.py fer-base fer-tiny --data prepared/fer2013 --split test \\
        --output results/probabilities.json --figure docs/reliability.png

Thresholds and temperature come from the checkpoint, whose validation images they were fitted on.
"""

from typing import Any

from matplotlib.figure import Figure
from studies import load_studies, study_parser

from modeling_fer.data.json_files import keep_result, read_kept
from modeling_fer.training.probabilities import measure_probabilities
from modeling_fer.training.study import answer_images


def draw_reliability(results: dict[str, Any]) -> Figure:
    """How often answers are right beside how sure the networks are of them, in bins of equally many images."""
    figure = Figure(figsize=(4.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="gray", linewidth=1, linestyle="--")
    for name, result in results.items():
        calibration = result["calibration"]
        axes.plot(calibration["confidence"], calibration["accuracy"], marker="o", markersize=4, label=name)
    axes.set(xlabel="probability of the answer", ylabel="share of right answers", xlim=(0.2, 1), ylim=(0.2, 1))
    axes.legend()
    return figure


def main() -> None:
    parser = study_parser(__doc__, "the checkpoints' classes", "reliability curves")
    arguments = parser.parse_args()
    for study in load_studies(parser, arguments):
        try:
            columns = study.columns
            probabilities = answer_images(study.checkpoint, columns.images)
            votes = columns.targets.numpy() if study.has_votes else None
            measured = measure_probabilities(study.checkpoint.model.config, probabilities, columns.labels.numpy(), votes)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        keep_result(arguments.output, study.name, {**study.identity(), **measured})
        sets, uncertain = measured["sets"], measured["uncertain"]
        print(
            f"{study.name}: calibration error {measured['calibration']['equal_mass']:.3f}; uncertain {uncertain['uncertain']:.1%}"
        )
        for coverage, one in sets.items():
            print(f"{study.name}: sets of {coverage}: {one['coverage']:.1%} of labels, {one['size']:.2f} expressions each")
    if arguments.figure is not None:
        draw_reliability(read_kept(arguments.output)).savefig(arguments.figure, dpi=110)


if __name__ == "__main__":
    main()

"""Checks whether a checkpoint's relevance map shows what its answers were read from, beside other maps.

    python scripts/check_explanations.py fer-base fer-tiny --data prepared/fer2013 --split test --images 500 \\
        --output results/faithfulness.json --figure docs/faithfulness.png

Takes the images whose landmarks were found on a face. A checkpoint that was measured on them already is left out.
"""

from typing import Any

import torch
from matplotlib.figure import Figure
from studies import load_studies, study_parser

from modeling_fer.data.json_files import keep_result, read_kept
from modeling_fer.training.attribution import Faces
from modeling_fer.training.faithfulness import SHARES, measure_faithfulness
from modeling_fer.training.study import Study, answer_images, network_inputs


def find_faces(study: Study) -> Faces:
    """The faces with landmarks, and what the network says of them."""
    known = study.columns.has_landmarks
    images = study.columns.images[known]
    answers = torch.from_numpy(answer_images(study.checkpoint, images).argmax(axis=1))
    return Faces(network_inputs(study.checkpoint, images), answers, study.columns.landmarks[known])


def draw_curves(results: dict[str, Any]) -> Figure:
    """Deletion and insertion, a row for each checkpoint and a line for each map."""
    figure = Figure(figsize=(9, 0.6 + 3.4 * len(results)), layout="constrained")
    axes = figure.subplots(len(results), 2, squeeze=False, sharey="row")
    for row, (checkpoint, result) in zip(axes, results.items(), strict=True):
        for one, way, what in zip(row, ("deletion", "insertion"), ("blurred", "sharp"), strict=True):
            for name, measured in result["maps"].items():
                width = 2.5 if name == "relevance map" else 1.2
                one.plot(SHARES, measured[way], linewidth=width, label=f"{name} {measured[way + '_area']:.2f}")
            one.set(title=f"{checkpoint}, {way}", xlabel=f"share of pixels {what}, brightest first")
            one.legend(fontsize=7)
        row[0].set_ylabel("probability of the answer")
    return figure


def main() -> None:
    parser = study_parser(__doc__, "landmarks and the checkpoints' classes", "curves", 500)
    arguments = parser.parse_args()
    for study in load_studies(parser, arguments, landmarks=True):
        result = study.kept(arguments.output)
        if "maps" not in result:
            faces = find_faces(study)
            result |= {"faces": len(faces.answers), **measure_faithfulness(study.checkpoint.model, faces)}
            keep_result(arguments.output, study.name, result)
        for name, measured in result["maps"].items():
            areas = f"deletion {measured['deletion_area']:.3f}, insertion {measured['insertion_area']:.3f}"
            print(f"{study.name}, {name}: {areas}", flush=True)
    if arguments.figure is not None:
        draw_curves(read_kept(arguments.output)).savefig(arguments.figure, dpi=80)


if __name__ == "__main__":
    main()

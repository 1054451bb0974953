"""Makes a checkpoint name rare expressions more often (post-hoc logit adjustment).

    python scripts/adjust_logits.py runs/ferplus_hybrid/best --data fer2013/
    python scripts/adjust_logits.py runs/ferplus_hybrid/best --data fer2013/ --strength 0.3 --output runs/ferplus_hybrid/adjusted

The first prints what several strengths score on the validation split, to choose by; the second writes the adjusted checkpoint.
"""

import argparse

import torch
from rich.console import Console
from rich.table import Table

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.data import load_splits
from modeling_fer.data.columns import decode_columns, read_targets
from modeling_fer.evaluation import ExpressionMetrics, predict_columns
from modeling_fer.landmarks import LANDMARK_POINTS
from modeling_fer.recipe import DATASETS
from modeling_fer.release import adjust_logits, adjustment

STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="e.g. best/ of a run")
    parser.add_argument("--dataset", choices=DATASETS, default="ferplus", help="its training labels give the classes' shares")
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--strength", type=float, help="0 changes nothing, 1 takes the classes to be equally frequent")
    parser.add_argument("--output", help="folder for the adjusted checkpoint")
    arguments = parser.parse_args()
    if (arguments.strength is None) != (arguments.output is None):
        parser.error("give --strength and --output together, or neither to see the table.")

    model = FerForImageClassification.from_pretrained(arguments.checkpoint)
    processor = FerImageProcessor.from_pretrained(arguments.checkpoint)
    try:
        splits = load_splits(arguments.dataset, arguments.data)
    except FileNotFoundError as error:
        parser.error(str(error))
    shares = read_targets(splits["train"]).mean(dim=0)
    if arguments.output is not None:
        adjust_logits(model, shares, arguments.strength)
        model.save_pretrained(arguments.output)
        processor.save_pretrained(arguments.output)
        return
    table = Table("strength", "accuracy", "UAR", "macro-F1", "calibration error", title=f"{arguments.dataset}, validation")
    validation = decode_columns(splits["validation"], processor, LANDMARK_POINTS["all"])
    log_probabilities = predict_columns(model, processor, validation).log()
    for strength in STRENGTHS:
        adjusted = torch.softmax(log_probabilities + adjustment(shares, strength), dim=1)
        metrics = ExpressionMetrics().compute(predictions=adjusted.numpy(), references=validation.labels.numpy())
        values = (metrics[name] for name in ("accuracy", "uar", "macro_f1", "calibration_error"))
        table.add_row(f"{strength:.1f}", *(f"{value:.4f}" for value in values))
    Console().print(table)


if __name__ == "__main__":
    main()

"""Averages the weights of checkpoints of one network that were trained from one another.

    python scripts/average_checkpoints.py first/best second/best second/last --weights 2 1 1 --output runs/averaged

The average of such checkpoints often scores higher than each (Wortsman et al., "Model soups", ICML 2022).
"""

import argparse

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.checkpoints import find_checkpoint
from modeling_fer.training.averaging import average_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "checkpoints", nargs="+", help="folders or bundled names; settings and configuration are those of the last"
    )
    parser.add_argument("--weights", nargs="+", type=float, help="one for each checkpoint; equal if not given")
    parser.add_argument("--output", required=True, help="folder for the average")
    arguments = parser.parse_args()
    try:
        folders = [find_checkpoint(name) for name in arguments.checkpoints]
        models = [FerForImageClassification.from_pretrained(folder) for folder in folders]
        averaged = average_weights(models, arguments.weights or [1.0] * len(models))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    averaged.save_pretrained(arguments.output)
    FerImageProcessor.from_pretrained(folders[-1]).save_pretrained(arguments.output)


if __name__ == "__main__":
    main()

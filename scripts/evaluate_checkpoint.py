"""Measures a checkpoint on a data set, mapping its classes to the data set's.

    python scripts/evaluate_checkpoint.py --dataset ferplus --data fer2013/ --split test
    python scripts/evaluate_checkpoint.py --dataset ckplus48 --data ckplus48/ --recut
    python scripts/evaluate_checkpoint.py --model runs/mine/best --dataset prepared --data prepared/rafdb --confusion rafdb.png
    python scripts/evaluate_checkpoint.py --dataset prepared --data prepared/mine --split test --map smile=happiness frown=anger

Prints one JSON object: accuracy, macro-F1, unweighted average recall (UAR), recall of each class, calibration error, and the
confusion matrix. Where the data set lacks some of the model's classes, `accuracy` is taken among the shared classes only
and `accuracy_all_classes` counts an answer outside them as wrong. Images of a class that the model lacks, or that --without names,
are left out. With --recut the face in each image is searched and cut anew, as the pipeline does with photos; with --mirrored the
probabilities of each image are averaged with those of its mirror image.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from modeling_fer import checkpoint_folder
from modeling_fer.data import load_labelled
from modeling_fer.evaluation import evaluate_checkpoint
from modeling_fer.figures import draw_confusion
from modeling_fer.recipe import DATASETS, read_overrides


def add_result(result: dict, file: Path) -> None:
    """Writes a result into a JSON list, in place of an older one of the same measurement."""
    old = json.loads(file.read_text()) if file.exists() else []
    same = ("dataset", "split", "without", "recut", "mirrored")
    others = [one for one in old if any(one.get(key, False) != result[key] for key in same)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([*others, result], indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="checkpoint; the bundled one if not given")
    parser.add_argument("--dataset", choices=DATASETS, required=True)
    parser.add_argument("--data", required=True, help="folder of the data set, or of a prepared one its repository")
    parser.add_argument("--split", default="test", help="train, validation or test; CK+48 has no splits")
    parser.add_argument("--map", nargs="*", default=[], metavar="OLD=NEW", help="the model's names for classes of the data set")
    parser.add_argument("--without", nargs="*", default=[], metavar="CLASS", help="classes whose images are left out")
    parser.add_argument("--recut", action="store_true", help="search and cut the faces anew, as the pipeline does")
    parser.add_argument("--mirrored", action="store_true", help="average each answer with that for the mirror image")
    parser.add_argument("--output", type=Path, help="JSON file of results that this one is added to")
    parser.add_argument("--confusion", type=Path, metavar="PNG", help="picture of the confusion matrix to write")
    arguments = parser.parse_args()

    try:
        dataset = load_labelled(arguments.dataset, arguments.data, arguments.split)
        result = evaluate_checkpoint(
            arguments.model or checkpoint_folder(),
            dataset,
            arguments.without,
            arguments.recut,
            arguments.mirrored,
            renamed={old: str(new) for old, new in read_overrides(arguments.map).items()},
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))
    split = "all" if arguments.dataset == "ckplus48" else arguments.split
    how = {"without": arguments.without, "recut": arguments.recut, "mirrored": arguments.mirrored}
    result = {"dataset": arguments.dataset, "split": split, **how, **result}
    print(json.dumps(result, indent=2))
    if arguments.output is not None:
        add_result(result, arguments.output)
    if arguments.confusion is not None:
        draw_confusion(np.array(result["confusion"]), list(result["recall"])).save(arguments.confusion)


if __name__ == "__main__":
    main()

"""Trains and measures a recipe by cross-validation over subjects.

    python scripts/cross_validate.py scripts/recipes/ckplus48_hybrid.yaml --data ckplus48/ --output runs/ckplus48_hybrid
    python scripts/cross_validate.py scripts/recipes/prepared_hybrid.yaml --data prepared/jaffe --output runs/jaffe --folds 3

Stop it at any time; the same command goes on where its state was last written. Prints mean and deviation over folds; results.json in
--output has each fold and the confusion matrix of all, which confusion.png shows.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from modeling_fer.building import recipe_columns
from modeling_fer.cross_validation import AVERAGED, cross_validate, start_cross_validation
from modeling_fer.data import load_labelled
from modeling_fer.data.prepared import known_subjects
from modeling_fer.figures import draw_confusion
from modeling_fer.recipe import read_overrides, read_recipe
from modeling_fer.training import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a YAML file, see scripts/recipes/")
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--output", required=True, type=Path, help="folder that runs and results are written to")
    parser.add_argument("--folds", type=int, default=10, help="number of folds")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU even where there is an accelerator")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings instead of the recipe's")
    arguments = parser.parse_args()

    keep_freed_memory()
    try:
        recipe = read_recipe(arguments.recipe, read_overrides(arguments.set))
        dataset = load_labelled(recipe.dataset, arguments.data, "train")
        subjects = known_subjects(dataset)
        if subjects is None:
            raise ValueError(f"{arguments.data} does not say who is on its images; cross-validation needs a column subject.")
        columns = recipe_columns(recipe, dataset)
        folds = start_cross_validation(recipe, columns, subjects, arguments.output, arguments.folds)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    try:
        summary = cross_validate(recipe, columns, folds, arguments.output, arguments.cpu)
    except (FloatingPointError, OSError) as error:
        sys.exit(f"{parser.prog}: stopped: {error}")
    draw_confusion(np.array(summary["confusion"]), columns.label_names).save(arguments.output / "confusion.png")
    for name in AVERAGED:
        print(f"{name}: {summary[name]:.4f} +- {summary[f'{name}_deviation']:.4f} over {arguments.folds} folds")
    print(f"accuracy over all images: {summary['pooled_accuracy']:.4f}")


if __name__ == "__main__":
    main()

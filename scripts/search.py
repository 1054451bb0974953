"""Searches the paper's grid, or another, for the settings with the best validation accuracy.

    python scripts/search.py scripts/recipes/ckplus48_hybrid.yaml --data ckplus48/ --output runs/search
    python scripts/search.py RECIPE --grid scripts/grids/ckplus48.yaml --data ckplus48/ --output runs/search --splits 3

Run it on several machines with one --storage, a file that all see or a database (postgresql://...), and they share the work. Stop
it at any time; the same command goes on. Data sets without a validation split are validated on the inner splits of the first --splits
folds of scripts/cross_validate.py; no test image is looked at. trials.csv in --output lists what was tried.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from datasets import Dataset

from modeling_fer.building import recipe_columns
from modeling_fer.data import load_labelled, load_splits
from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.splits import subject_folds
from modeling_fer.recipe import Recipe, read_overrides, read_recipe
from modeling_fer.search import count_combinations, open_storage, read_grid, search, train_and_validate
from modeling_fer.training import keep_freed_memory

Pairs = Sequence[tuple[FaceColumns, FaceColumns]]


def fold_pairs(recipe: Recipe, dataset: Dataset, count: int) -> Pairs:
    """Training and validation set of the first folds of a data set without splits."""
    columns = recipe_columns(recipe, dataset)
    folds = subject_folds(columns.labels.tolist(), dataset["subject"], seed=recipe.seed)[:count]
    return [(columns.select(fold.train), columns.select(fold.validation)) for fold in folds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a YAML file, see scripts/recipes/")
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--output", required=True, type=Path, help="folder that runs and results are written to")
    parser.add_argument("--grid", help="YAML file with a list of values for each setting; the paper's grid if not given")
    parser.add_argument("--splits", type=int, default=1, help="folds to validate on, for a data set without splits")
    parser.add_argument("--storage", help="where the study is kept; study.log in --output if not given")
    parser.add_argument("--trials", type=int, help="try so many combinations at most")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU even where there is an accelerator")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings instead of the recipe's")
    arguments = parser.parse_args()

    keep_freed_memory()
    overrides = read_overrides(arguments.set)
    try:
        grid = read_grid(arguments.grid)
        base = read_recipe(arguments.recipe, overrides)
        read_recipe(arguments.recipe, {**overrides, **{key: values[0] for key, values in grid.items()}})
        splitless = base.dataset == "ckplus48"
        data = load_labelled(base.dataset, arguments.data, "train") if splitless else load_splits(base.dataset, arguments.data)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))

    def recipe_of(settings: dict[str, Any]) -> tuple[Recipe, Pairs]:
        recipe = read_recipe(arguments.recipe, {**overrides, **settings})
        if splitless:
            return recipe, fold_pairs(recipe, data, arguments.splits)
        return recipe, [(recipe_columns(recipe, data["train"]), recipe_columns(recipe, data["validation"]))]

    storage = open_storage(arguments.storage or str(arguments.output / "study.log"))
    measure = train_and_validate(recipe_of, arguments.cpu)
    study = search(grid, measure, arguments.output, storage, Path(arguments.recipe).stem, arguments.trials)
    arguments.output.mkdir(parents=True, exist_ok=True)
    study.trials_dataframe().to_csv(arguments.output / "trials.csv", index=False)
    tried = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    print(f"{len(tried)} of {count_combinations(grid)} combinations were tried; {arguments.output}/trials.csv lists them")
    for trial in sorted(tried, key=lambda trial: trial.value or 0.0, reverse=True)[:5]:
        print(f"validation accuracy {trial.value:.4f}: {trial.params}")


if __name__ == "__main__":
    main()

"""`fer search`: the settings of a grid that validate best. No test image is looked at."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from datasets import Dataset
from rich.console import Console

from modeling_fer.data import load_labelled, load_splits
from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.prepared import known_subjects, load_whole
from modeling_fer.data.splits import subject_folds
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.recipe import Recipe, read_overrides, read_recipe
from modeling_fer.training.search import Grid, count_combinations, open_storage, read_grid, search, train_and_validate
from modeling_fer.training.trainer import keep_freed_memory

Pairs = Sequence[tuple[FaceColumns, FaceColumns]]
RecipeOf = Callable[[dict[str, Any]], tuple[Recipe, Pairs]]


def start_search(recipe: str, data: str, grid: Path | None, splits: int, settings: Sequence[str]) -> tuple[Grid, RecipeOf]:
    """Reads grid, recipe and data.

    Args:
        recipe: file or bundled name.
        data: folder or repository of a prepared data set.
        grid: YAML file with a list of values for each setting; the paper's grid if None.
        splits: folds to validate on, for a data set that has subjects and no splits.
        settings: `KEY=VALUE` instead of the recipe's.

    Returns:
        The grid, and what gives for some settings the recipe and the pairs of training and validation set.

    Raises:
        OSError, ValueError: grid, recipe and data cannot be used.
    """
    keep_freed_memory()
    overrides = read_overrides(settings)
    values = read_grid(grid)
    base = read_recipe(recipe, overrides)
    read_recipe(recipe, {**overrides, **{key: tried[0] for key, tried in values.items()}})
    pairs_of = choose_pairs(base, data, splits)

    def recipe_of(tried: dict[str, Any]) -> tuple[Recipe, Pairs]:
        changed = read_recipe(recipe, {**overrides, **tried})
        return changed, pairs_of(changed)

    return values, recipe_of


def choose_pairs(base: Recipe, data: str, count: int) -> Callable[[Recipe], Pairs]:
    """What is validated on: inner splits of the first folds where a data set has subjects and no splits, else the split validation."""
    if set(load_whole(data)) == {"train"}:
        dataset = load_labelled(data, "train", base.target, base.label_votes)
        if known_subjects(dataset) is not None:
            return lambda recipe: fold_pairs(recipe, dataset, count)
    parts = load_splits(data, base.target, base.label_votes)
    return lambda recipe: [(recipe_columns(recipe, parts["train"]), recipe_columns(recipe, parts["validation"]))]


def fold_pairs(recipe: Recipe, dataset: Dataset, count: int) -> Pairs:
    """Training and validation set of the first folds of a data set without splits."""
    columns = recipe_columns(recipe, dataset)
    folds = subject_folds(columns.labels.tolist(), dataset["subject"], seed=recipe.seed)[:count]
    return [(columns.select(fold.train), columns.select(fold.validation)) for fold in folds]


def run_search(
    grid: Grid, recipe_of: RecipeOf, output: Path, storage: str | None, name: str, trials: int | None, cpu: bool
) -> None:
    """Tries combinations, lists them in trials.csv, and prints the best.

    Args:
        grid, recipe_of: from `start_search`.
        output: folder for runs and results.
        storage: where the study is kept, see `open_storage`; study.log in `output` if None.
        name: of the study.
        trials: try so many combinations at most; all if None.
        cpu: train on the CPU even where there is an accelerator.

    Raises:
        OSError: something cannot be written.
    """
    opened = open_storage(storage or str(output / "study.log"))
    study = search(grid, train_and_validate(recipe_of, cpu), output, opened, name, trials)
    output.mkdir(parents=True, exist_ok=True)
    study.trials_dataframe().sort_values("value", ascending=False).to_csv(output / "trials.csv", index=False)
    tried = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{len(tried)} of {count_combinations(grid)} combinations were tried; {output}/trials.csv lists them")
    for trial in sorted(tried, key=lambda trial: trial.value or 0.0, reverse=True)[:5]:
        console.print(f"validation accuracy {trial.value:.4f}: {trial.params}")

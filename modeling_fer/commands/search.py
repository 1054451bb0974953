"""`fer search`: the settings of a grid that validate best. No test image is looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from datasets import Dataset
from rich.console import Console

from modeling_fer.data import load_labelled, load_splits
from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.digests import digest_dataset
from modeling_fer.data.prepared import known_subjects, load_whole
from modeling_fer.data.splits import most_folds, subject_folds
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.process import keep_freed_memory
from modeling_fer.training.recipe import Recipe, check_in_memory, read_overrides, read_recipe
from modeling_fer.training.search import (
    Grid,
    Searched,
    count_combinations,
    finished_trials,
    open_storage,
    open_study,
    read_grid,
    search,
    train_and_validate,
)

Pairs = Sequence[tuple[FaceColumns, FaceColumns]]


FOLDS = 10
"""Folds by subject whose inner splits are validated on."""


@dataclass(frozen=True)
class Search:
    """A search that can begin: its study, its grid, and what gives for some settings the recipe and the pairs of training and
    validation set.
    """

    study: optuna.Study
    grid: Grid
    recipe_of: Callable[[dict[str, Any]], tuple[Recipe, Pairs]]


@dataclass(frozen=True)
class Validation:
    """What is validated on.

    Attributes:
        pairs_of: gives for a recipe the pairs of training and validation set.
        splits: how many pairs are inner splits of folds; None where the data set has a split for it.
        digest: of the data set.
    """

    pairs_of: Callable[[Recipe], Pairs]
    splits: int | None
    digest: str


def start_search(
    recipe: str,
    data: str,
    grid: Path | None,
    splits: int | None,
    settings: Sequence[str],
    output: Path,
    storage: str | None = None,
) -> Search:
    """Reads grid, recipe and data, and opens the study.

    Args:
        recipe: file or bundled name.
        data: folder or repository of a prepared data set.
        grid: YAML file with a list of values for each setting; the paper's grid if None.
        splits: see `choose_validation`.
        settings: `KEY=VALUE` instead of the recipe's.
        output: folder for runs and results.
        storage: where the study is kept, see `open_storage`; study.log in `output` if None.

    Raises:
        OSError, ValueError: grid, recipe and data cannot be used, or the study is one of others.
    """
    keep_freed_memory()
    overrides = read_overrides(settings)
    values = read_grid(grid)
    base = read_recipe(recipe, overrides)
    check_in_memory(base)
    read_recipe(recipe, {**overrides, **{key: tried[0] for key, tried in values.items()}})
    validation = choose_validation(base, data, splits)

    def recipe_of(tried: dict[str, Any]) -> tuple[Recipe, Pairs]:
        changed = read_recipe(recipe, {**overrides, **tried})
        return changed, validation.pairs_of(changed)

    searched = Searched(base, validation.digest, validation.splits)
    study = open_study(values, open_storage(storage or str(output / "study.log")), Path(recipe).stem, searched)
    return Search(study, values, recipe_of)


def choose_validation(base: Recipe, data: str, splits: int | None = None) -> Validation:
    """What is validated on: inner splits of the first folds where a data set has subjects and no splits, else the split validation.

    Args:
        base: says what is learned.
        data: folder or repository of a prepared data set.
        splits: of how many folds, 1 if None.

    Raises:
        OSError, ValueError: the data set cannot be used, or has no folds and `splits` is given.
    """
    names = list(load_whole(data))
    whole = load_labelled(data, "train", base.target, base.label_votes) if names == ["train"] else None
    people = None if whole is None else known_subjects(whole)
    if whole is not None and people is not None:
        count, folds = splits or 1, min(FOLDS, most_folds(people))
        if folds < 2:
            raise ValueError(f"The images of {data} are of too few people for folds; give a data set with a split validation.")
        if count > folds:
            raise ValueError(f"--splits is {count}, but the people of {data} make {folds} folds; take at most as many.")
        return Validation(lambda recipe: fold_pairs(recipe, whole, people, count), count, digest_dataset(whole))
    if splits is not None:
        reason = "does not say who is on its images" if whole is not None else f"has the splits {', '.join(names)}"
        raise ValueError(f"{data} {reason}, so that there are no folds for --splits to take; leave it out.")
    parts = load_splits(data, base.target, base.label_votes)
    train, validation = parts["train"], parts["validation"]
    content = digest_dataset(train) + digest_dataset(validation)
    return Validation(lambda recipe: [(recipe_columns(recipe, train), recipe_columns(recipe, validation))], None, content)


def fold_pairs(recipe: Recipe, dataset: Dataset, people: Sequence[str], count: int) -> Pairs:
    """Training and validation set of the first folds of a data set without splits. There are ten, or as many as its people make."""
    columns = recipe_columns(recipe, dataset)
    folds = subject_folds(columns.labels.tolist(), people, min(FOLDS, most_folds(people)), seed=recipe.seed)
    return [(columns.select(fold.train), columns.select(fold.validation)) for fold in folds[:count]]


def run_search(started: Search, output: Path, trials: int | None, cpu: bool) -> None:
    """Tries combinations, lists them in trials.csv, and prints the best.

    Args:
        started: from `start_search`.
        output: folder for runs and results.
        trials: try so many combinations at most; all if None.
        cpu: train on the CPU even where there is an accelerator.

    Raises:
        FloatingPointError: no combination could be trained.
        OSError: something cannot be written.
    """
    study, grid = started.study, started.grid
    search(study, grid, train_and_validate(started.recipe_of, cpu), output, trials)
    output.mkdir(parents=True, exist_ok=True)
    study.trials_dataframe().sort_values("value", ascending=False).to_csv(output / "trials.csv", index=False)
    tried = finished_trials(study)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{len(tried)} of {count_combinations(grid)} combinations were tried; {output}/trials.csv lists them")
    for trial in sorted(tried, key=lambda trial: trial.value or 0.0, reverse=True)[:5]:
        console.print(f"validation accuracy {trial.value:.4f}: {trial.params}")

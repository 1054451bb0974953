"""`fer cross-validate`: a recipe trained and measured in folds, nobody being on two sides of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from modeling_fer.data import load_labelled
from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.prepared import known_subjects
from modeling_fer.data.splits import Fold
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.cross_validation import AVERAGED, cross_validate, start_cross_validation
from modeling_fer.training.figures import draw_confusion
from modeling_fer.training.nested import Nested, check_same_grid, check_selection, cross_validate_nested, write_grid
from modeling_fer.training.process import keep_freed_memory
from modeling_fer.training.recipe import Recipe, check_in_memory, read_overrides, read_recipe
from modeling_fer.training.search import read_grid


@dataclass(frozen=True)
class Folds:
    """A cross-validation that can begin: recipe, data set and folds, and what is searched in each fold where something is."""

    recipe: Recipe
    columns: FaceColumns
    folds: list[Fold]
    nested: Nested | None = None


def start_folds(
    recipe: str, data: str, output: Path, folds: int, settings: Sequence[str], nested: bool = False, grid: Path | None = None
) -> Folds:
    """Reads recipe and data, and draws the folds.

    Args:
        recipe: file or bundled name.
        data: folder or repository of a prepared data set; its split train is cross-validated.
        output: folder for runs and results.
        folds: how many.
        settings: `KEY=VALUE` instead of the recipe's.
        nested: settings are searched in each fold.
        grid: YAML file of what is searched, see `read_grid`.

    Raises:
        OSError, ValueError: recipe, grid and data cannot be used, or the data set does not say who is on its images.
    """
    keep_freed_memory()
    overrides = read_overrides(settings)
    read = read_recipe(recipe, overrides)
    check_in_memory(read)
    values = read_grid(grid) if nested else None
    if values is not None:
        check_selection(read, values)
    dataset = load_labelled(data, "train", read.target, read.label_votes)
    subjects = known_subjects(dataset)
    if subjects is None:
        raise ValueError(f"{data} does not say who is on its images; cross-validation needs a column subject.")
    check_same_grid(values, output)
    columns = recipe_columns(read, dataset)
    split = start_cross_validation(read, columns, subjects, output, folds)
    if values is None:
        return Folds(read, columns, split)
    write_grid(values, output)

    def prepare(tried: dict[str, Any]) -> tuple[Recipe, FaceColumns]:
        changed = read_recipe(recipe, {**overrides, **tried})
        return changed, recipe_columns(changed, dataset)

    return Folds(read, columns, split, Nested(values, prepare))


def run_folds(started: Folds, output: Path, cpu: bool) -> None:
    """Trains and measures each fold, and prints mean and deviation.

    Args:
        started: from `start_folds`.
        output: gets results.json and confusion.png.
        cpu: train on the CPU even where there is an accelerator.

    Raises:
        FloatingPointError: the loss of a fold is not finite, or of every combination that was searched in it.
        OSError: something cannot be written.
    """
    columns, folds = started.columns, started.folds
    if started.nested is None:
        summary = cross_validate(started.recipe, columns, folds, output, cpu)
    else:
        summary = cross_validate_nested(started.nested, columns, folds, output, cpu)
    draw_confusion(np.array(summary["confusion"]), columns.label_names).save(output / "confusion.png")
    console = Console(soft_wrap=True, highlight=False)
    for name in AVERAGED:
        console.print(f"{name}: {summary[name]:.4f} +- {summary[f'{name}_deviation']:.4f} over {len(folds)} folds")
    console.print(f"accuracy over all images: {summary['pooled_accuracy']:.4f}")

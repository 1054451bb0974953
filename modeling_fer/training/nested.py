"""Cross-validation that searches settings inside each fold, the protocol of section IV-A of Ferreira et al. (IEEE Access 6, 2018).

In each fold every combination of a grid is trained on the inner training images and validated on the inner validation images, which
are one in five of those not tested, by subject; the best is measured on the fold's test images. These choose nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.splits import Fold
from modeling_fer.training.cross_validation import measure_fold, read_fold, write_summary
from modeling_fer.training.recipe import Recipe
from modeling_fer.training.search import (
    Grid,
    finished_trials,
    name_settings,
    open_storage,
    open_study,
    search,
    train_and_validate,
)


@dataclass(frozen=True)
class Nested:
    """What is searched in each fold.

    Attributes:
        grid: values for each setting.
        prepare: gives for some settings the recipe, and the whole data set as that recipe takes it.
    """

    grid: Grid
    prepare: Callable[[dict[str, Any]], tuple[Recipe, FaceColumns]]


def check_same_grid(grid: Grid | None, folder: Path) -> None:
    """Refuses to go on in a folder that was started with another grid, or as another kind of cross-validation.

    Args:
        grid: what is to be searched; None where nothing is.
        folder: of the cross-validation.

    Raises:
        ValueError: they differ.
    """
    if not (folder / "recipe.yaml").is_file():
        return
    file = folder / "grid.yaml"
    written = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    if written != grid:
        raise ValueError(
            f"{folder} was started {'without --nested' if written is None else f'with the grid {written}'}; go on in the same way, "
            "or name another folder by --output."
        )


def check_selection(recipe: Recipe, grid: Grid) -> None:
    """Refuses a search of epochs that are kept whatever they score: `last` trains on the images that a search has to choose by.

    Args:
        recipe: what is to be trained.
        grid: what is to be searched, in it maybe the selection.

    Raises:
        ValueError: the selection is `last`.
    """
    if "last" in grid.get("selection", [recipe.selection]):
        raise ValueError(
            "selection is 'last', which learns from the validation images too, but a search in each fold chooses by them; take 'best' "
            "or 'loss', or leave --nested out."
        )


def write_grid(grid: Grid, folder: Path) -> None:
    """Writes what `check_same_grid` compares."""
    (folder / "grid.yaml").write_text(yaml.safe_dump(grid, sort_keys=False), encoding="utf-8")


def cross_validate_nested(
    nested: Nested, columns: FaceColumns, folds: Sequence[Fold], folder: str | Path, cpu: bool = False
) -> dict[str, Any]:
    """Searches, trains and measures fold by fold; stopped and started again, it goes on where it was.

    Args:
        nested: what is searched.
        columns: the whole data set.
        folds: from `start_cross_validation`.
        folder: where runs and results are written.
        cpu: train on the CPU even where there is an accelerator.

    Returns:
        As `cross_validate` does; each of `folds` also has the `settings` that were chosen in it, and `seconds` count the whole search.

    Raises:
        FloatingPointError: no combination could be trained in a fold.
    """
    folder = Path(folder)
    results = [search_fold(nested, fold, folder / f"fold-{number}", cpu) for number, fold in enumerate(folds, start=1)]
    return write_summary(results, columns.label_names, folder)


def search_fold(nested: Nested, fold: Fold, folder: Path, cpu: bool) -> dict[str, Any]:
    """Searches the settings of one fold and measures the best; reads the result where it is there already."""
    if (result := read_fold(folder)) is not None:
        return result

    def inner(tried: dict[str, Any]) -> tuple[Recipe, list[tuple[FaceColumns, FaceColumns]]]:
        recipe, columns = nested.prepare(tried)
        return recipe, [(columns.select(fold.train), columns.select(fold.validation))]

    study = open_study(nested.grid, open_storage(str(folder / "study.log")))
    search(study, nested.grid, train_and_validate(inner, cpu), folder)
    try:
        finished_trials(study)
    except FloatingPointError as error:
        raise FloatingPointError(f"in {folder} {error}") from error
    settings = study.best_params
    test = nested.prepare(settings)[1].select(fold.test)
    return measure_fold(folder / name_settings(settings) / "split-1", test, folder, settings=settings)

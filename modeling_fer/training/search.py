"""Grid search over a recipe's settings, as in section IV-A of Ferreira et al. (IEEE Access 6, 2018), by Optuna.

The study lies in a storage that several machines may share: each takes combinations that no other has tried. It holds what it
searches, and refuses to go on with something else. Nothing is ever measured on test images.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.samplers import GridSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.digests import digest
from modeling_fer.training.recipe import Recipe
from modeling_fer.training.run_folder import drop_state
from modeling_fer.training.trainer import train_or_resume

Grid = dict[str, list[Any]]

LONGEST_NAME = 150
"""Letters of a folder's name; file systems take 255 bytes."""

FAILURES = (FloatingPointError, ValueError)
"""What ends one combination and not the search."""

UNSEARCHED = {
    "target": "scores over different labels do not compare; leave it out, and start a run for each by --set target=...",
    "label_votes": "scores over different labels do not compare; leave it out, and start a run for each by --set label_votes=...",
    "streaming": "the data set of a search is held in memory; leave it out",
}
"""Settings that a grid may not vary, why, and what to do instead."""

PAPER_GRID: Grid = {
    "model.facial_parts_weight": [1.0, 5.0, 10.0],
    "model.contiguity_weight": [0.1, 1.0],
    "learning_rate": [1e-4, 1e-3],
    "weight_decay": [1e-5, 1e-4],
    "model.facial_parts_depth": [2, 3],
    "model.representation_depth": [3, 4],
}
"""What the paper searches: λ, γ, learning rate, l2 coefficient, L_E and L_F. It does not give the values, except those of λ and γ in
figures 9 and 10."""


def read_grid(path: str | Path | None) -> Grid:
    """A grid from a YAML file of lists, e.g. `model.facial_parts_weight: [1, 5, 10]`; `PAPER_GRID` without a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a value is not a list, or an empty one, or one of `UNSEARCHED` is to vary.
    """
    if path is None:
        return PAPER_GRID
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist; give a YAML file with a list of values for each setting.")
    try:
        grid = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(grid, dict):
        raise ValueError(f"{path} is not a grid; give a YAML file with a list of values for each setting.")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{path} gives {values!r} for {key}, but needs a list of values, e.g. [1, 5, 10].")
    if not grid:
        raise ValueError(f"{path} names no setting to search over.")
    check_searched(grid, str(path))
    return grid


def check_searched(grid: Grid, name: str) -> None:
    """Refuses a grid with one of `UNSEARCHED`: the data set is read once, by the recipe, and not again for each combination.

    Args:
        grid: what is to be searched.
        name: of the grid, for the sentence.

    Raises:
        ValueError: it has one.
    """
    for key, reason in UNSEARCHED.items():
        if key in grid:
            raise ValueError(f"{name} varies {key}, but {reason}.")


def open_storage(address: str) -> BaseStorage:
    """Where the study is kept: a database that SQLAlchemy knows (`postgresql://...`, `sqlite:///...`), or a file on a disk that all
    machines see.
    """
    if "://" in address:
        return RDBStorage(address)
    Path(address).parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(address))


@dataclass(frozen=True)
class Searched:
    """What the combinations of a study have in common; with another grid, recipe or data set their scores do not compare.

    Attributes:
        recipe: its settings before those of a combination take their place.
        data: a digest of the images with their labels.
        splits: folds that are validated on; None for a data set with a split for that.
    """

    recipe: Recipe
    data: str
    splits: int | None

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON holds it."""
        recipe = json.loads(json.dumps(self.recipe.to_dict()))
        return {"recipe": recipe, "data": self.data, "splits": self.splits}


def open_study(grid: Grid, storage: BaseStorage, name: str = "search", searched: Searched | None = None) -> optuna.Study:
    """A new study, or the one that the storage has.

    Args:
        grid: values for each setting of a recipe, by its name as `read_recipe` takes it.
        storage: from `open_storage`.
        name: of the study within the storage.
        searched: what the study is of; not looked at if None. A study of an earlier version, which does not say it, is gone on with.

    Raises:
        ValueError: the storage has the study with another grid, recipe or data set.
    """
    sampler = GridSampler({key: list(values) for key, values in grid.items()}, seed=0)
    study = optuna.create_study(study_name=name, storage=storage, sampler=sampler, direction="maximize", load_if_exists=True)
    if searched is not None:
        keep_searched(study, {**searched.to_dict(), "grid": grid})
    return study


def keep_searched(study: optuna.Study, now: dict[str, Any]) -> None:
    """Writes into a study what it is of, or refuses what differs from that."""
    written = study.user_attrs
    for key, value in now.items():
        if key not in written:
            study.set_user_attr(key, value)
        elif written[key] != value:
            before = tell_difference(key, written[key], value)
            raise ValueError(
                f"The study {study.study_name!r} was started with {before}; go on in the same way, or give another --output, and "
                "another --storage if you gave one."
            )


def tell_difference(key: str, before: Any, now: Any) -> str:
    """How a study was started, where that differs from what it is to go on with."""
    if key == "data":
        return "other images or labels"
    if key == "recipe":
        key = next(setting for setting in {**before, **now} if before.get(setting) != now.get(setting))
        before, now = before.get(key), now.get(key)
    return f"{key} = {before}, not {now}"


def search(
    study: optuna.Study,
    grid: Grid,
    measure: Callable[[dict[str, Any], Path], float],
    folder: str | Path,
    trials: int | None = None,
) -> None:
    """Tries combinations of a grid until all are tried, saying in a line what became of each; several processes with one storage share
    the work.

    Args:
        study: from `open_study`. Combinations that fail, by impossible settings or a diverging loss, are kept in it as failed, with the
            reason.
        grid: what the study was opened with.
        measure: gives the accuracy of some settings, to be maximized, working in the folder it is given.
        folder: where each combination gets a folder of its own, in which a stopped one goes on; nothing to go on from is kept in those
            that are done.
        trials: try so many combinations at most; all of them if None.
    """

    def objective(trial: optuna.Trial) -> float:
        settings = {key: trial.suggest_categorical(key, list(values)) for key, values in grid.items()}
        try:
            return measure(settings, Path(folder) / name_settings(settings))
        except FAILURES as error:
            trial.set_user_attr("reason", " ".join(str(error).split()))
            raise

    def end(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        reason = trial.user_attrs.get("reason")
        outcome = f"validation accuracy {trial.value:.4f}" if reason is None else f"failed: {reason}"
        print(f"{trial.params}: {outcome}", file=sys.stderr)
        for run in (Path(folder) / name_settings(trial.params)).glob("split-*"):
            drop_state(run)

    untried = count_combinations(grid) - sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
    if untried > 0:
        with quiet_optuna():
            study.optimize(objective, n_trials=trials, catch=FAILURES, callbacks=[end])


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keeps optuna from logging combinations, those that fail with a traceback."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def finished_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The combinations that were measured.

    Raises:
        FloatingPointError: none was; the sentence says why the first failed.
    """
    trials = study.get_trials(deepcopy=False)
    done = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if trials and not done:
        reasons = [trial.user_attrs["reason"] for trial in trials if "reason" in trial.user_attrs]
        why = f"; the first failed because: {reasons[0]}" if reasons else "."
        raise FloatingPointError(f"none of the {len(trials)} combinations that were tried could be trained{why}")
    return done


def count_combinations(grid: Mapping[str, Sequence[Any]]) -> int:
    """How many combinations a grid has."""
    count = 1
    for values in grid.values():
        count *= len(values)
    return count


def name_settings(settings: Mapping[str, Any]) -> str:
    """A folder's name for some settings: `facial_parts_weight=5.0,learning_rate=0.001`. What no folder can be called is shortened, and
    told apart by a digest.
    """
    told = ",".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())
    name = told.replace("/", "_")[:LONGEST_NAME]
    return name if name == told else f"{name}-{digest([told.encode()])}"


def train_and_validate(
    recipe_of: Callable[[dict[str, Any]], tuple[Recipe, Sequence[tuple[FaceColumns, FaceColumns]]]],
    cpu: bool = False,
) -> Callable[[dict[str, Any], Path], float]:
    """What `search` measures: the mean validation accuracy over one or more pairs of training and validation set.

    Args:
        recipe_of: gives for some settings the recipe and the pairs of data sets.
        cpu: train on the CPU even where there is an accelerator.
    """

    def measure(settings: dict[str, Any], folder: Path) -> float:
        recipe, pairs = recipe_of(settings)
        if not all(len(validation) for _, validation in pairs):
            raise ValueError("Too few people are left for validation, by which a search chooses.")
        accuracies = []
        for number, (train, validation) in enumerate(pairs, start=1):
            part = folder / f"split-{number}"
            accuracies.append(train_or_resume(recipe, train, validation, part, cpu)["accuracy"])
        return sum(accuracies) / len(accuracies)

    return measure

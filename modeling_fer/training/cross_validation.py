"""Cross-validation by subject: one recipe, trained and measured once a fold (section IV of Ferreira et al., IEEE Access 6, 2018).

Its folder holds recipe.yaml, folds.json (what the folds were drawn from), results.json, and for each fold a run folder with
result.json. Stopped and started again, it leaves finished folds as they are and resumes the one that was interrupted.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.digests import digest, find_difference
from modeling_fer.data.json_files import read_kept, write_json
from modeling_fer.data.splits import Fold, subject_folds
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.environment import read_environments
from modeling_fer.training.evaluation import ExpressionMetrics, predict_columns
from modeling_fer.training.recipe import Recipe, check_same_recipe, write_recipe
from modeling_fer.training.run_folder import drop_state
from modeling_fer.training.trainer import train_or_resume

AVERAGED = ("accuracy", "uar", "macro_f1")

DIFFERENCES = {"content": "other images or labels", "positions": "other people in its folds"}
"""How digests that differ are told."""


def start_cross_validation(
    recipe: Recipe, columns: FaceColumns, subjects: Sequence[str | int], folder: str | Path, folds: int = 10
) -> list[Fold]:
    """Draws the folds, and writes into the folder the recipe and what the folds were drawn from.

    Args:
        recipe: what to train; its seed draws the folds too, so that every recipe with the same seed is measured on the same ones.
        columns: the whole data set.
        subjects: who is on each image.
        folder: where runs and results are written.
        folds: number of folds.

    Raises:
        ValueError: the folder was started with another recipe, on other data or in other folds, or there are too few subjects.
    """
    folder = Path(folder)
    if (folder / "recipe.yaml").is_file():
        check_same_recipe(recipe, folder)
    split = draw_folds(recipe, columns.labels.tolist(), subjects, folds)
    drawn = describe_folds(columns, split)
    check_same_folds(drawn, folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_recipe(recipe, folder / "recipe.yaml")
    write_json(folder / "folds.json", drawn)
    return split


def draw_folds(recipe: Recipe, labels: Sequence[int], subjects: Sequence[str | int], folds: int) -> list[Fold]:
    """The folds of a recipe; where it chooses no epoch, they may lack the images for validation that too few people leave.

    Args:
        recipe, subjects, folds: as of `start_cross_validation`.
        labels: class of each image.

    Raises:
        ValueError: there are too few subjects.
    """
    try:
        return subject_folds(labels, subjects, folds, seed=recipe.seed)
    except ValueError:
        if recipe.selection != "last":
            raise
    return subject_folds(labels, subjects, folds, validation_share=0, seed=recipe.seed)


def describe_folds(columns: FaceColumns, folds: Sequence[Fold]) -> dict[str, Any]:
    """What the result of each fold belongs to: how many folds and images there are, a digest of the images with their labels, and one
    of the positions that each fold has.
    """
    positions = digest(part for fold in folds for part in (fold.train, fold.validation, fold.test))
    return {"folds": len(folds), "images": len(columns), "content": columns.digest(), "positions": positions}


def check_same_folds(drawn: dict[str, Any], folder: Path) -> None:
    """Refuses to go on in a folder whose folds were drawn otherwise, as their results would be taken for those of the new ones. A
    folder of an earlier version, which does not say how they were drawn, is gone on with.

    Args:
        drawn: from `describe_folds`.
        folder: of the cross-validation.

    Raises:
        ValueError: they differ.
    """
    written = read_kept(folder / "folds.json")
    key = find_difference(drawn, written)
    if key is not None:
        before = DIFFERENCES.get(key, f"{written[key]} {key}, not {drawn[key]}")
        raise ValueError(f"{folder} was started with {before}; go on with the same data and folds, or give another folder.")


def cross_validate(
    recipe: Recipe, columns: FaceColumns, folds: Sequence[Fold], folder: str | Path, cpu: bool = False
) -> dict[str, Any]:
    """Trains and measures a recipe fold by fold.

    Args:
        recipe: what to train.
        columns: the whole data set.
        folds: from `start_cross_validation`.
        folder: where runs and results are written.
        cpu: train on the CPU even where there is an accelerator.

    Returns:
        For accuracy, UAR and macro-F1 the mean over folds and their standard deviation (with n - 1), as `accuracy` and
        `accuracy_deviation`; `pooled_accuracy` and `confusion` (rows are labels, columns answers) over all images; `seconds`, the time
        that training took; `environments`, what it was made by; `folds`, the metrics of each fold; and `label_names`.
    """
    folder = Path(folder)
    results = [run_fold(recipe, columns, fold, folder / f"fold-{number}", cpu) for number, fold in enumerate(folds, start=1)]
    return write_summary(results, columns.label_names, folder)


def write_summary(results: list[dict[str, Any]], label_names: list[str], folder: Path) -> dict[str, Any]:
    """Writes results.json, what all folds together say, and returns it."""
    summary = summarize(results, label_names)
    write_json(folder / "results.json", summary, indent=2)
    return summary


def run_fold(recipe: Recipe, columns: FaceColumns, fold: Fold, folder: Path, cpu: bool) -> dict[str, Any]:
    """Trains on one fold and measures its best epoch on the fold's test images; reads the result where it is there already."""
    if (result := read_fold(folder)) is not None:
        return result
    train, test = columns.select(learned_positions(recipe, fold)), columns.select(fold.test)
    # Where no epoch is chosen, all that is not tested is learned: metrics of the test images choose nothing, and those of learned ones
    # would say nothing.
    validation = test if recipe.selection == "last" else columns.select(fold.validation)
    train_or_resume(recipe, train, validation, folder, cpu)
    result = measure_fold(folder, test, folder)
    drop_state(folder)
    return result


def learned_positions(recipe: Recipe, fold: Fold) -> np.ndarray:
    """The positions that a fold is trained on, (n,), int64: also those for validation where these choose nothing."""
    return np.union1d(fold.train, fold.validation) if recipe.selection == "last" else fold.train


def read_fold(folder: Path) -> dict[str, Any] | None:
    """The result of a fold; None where it is not there yet."""
    file = folder / "result.json"
    if not file.is_file():
        return None
    done: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return done


def measure_fold(run: Path, test: FaceColumns, folder: Path, **more: Any) -> dict[str, Any]:
    """Measures the best epoch of a run on a fold's test images, and writes the result of the fold.

    Args:
        run: the run folder.
        test: the test images.
        folder: of the fold; gets result.json.
        more: what else the result is to hold.
    """
    model = FerForImageClassification.from_pretrained(run / "best")
    probabilities = predict_columns(model, FerImageProcessor.from_pretrained(run / "best"), test).numpy()
    metrics = ExpressionMetrics().compute(predictions=probabilities, references=test.labels.numpy())
    logs = [log.read_text(encoding="utf-8").splitlines() for log in sorted(folder.rglob("metrics.jsonl"))]
    seconds = sum(json.loads(line)["seconds"] for lines in logs for line in lines)
    answers = {"labels": test.labels.tolist(), "answers": probabilities.argmax(1).tolist()}
    environments = [asdict(environment) for environment in read_environments(run)]
    result = {**metrics, "seconds": seconds, **answers, "environments": environments, **more}
    write_json(folder / "result.json", result, indent=None)
    return result


def folds_scores(summary: dict[str, Any]) -> dict[str, Any]:
    """What `cross_validate` returns in the form of `score_answers`: means over folds; recalls and confusion over all images."""
    confusion, classes = np.array(summary["confusion"]), summary["label_names"]
    totals = confusion.sum(axis=1)
    means = {name: float(np.mean([fold[name] for fold in summary["folds"]])) for name in (*AVERAGED, "calibration_error")}
    recall = {name: float(confusion[row, row] / totals[row]) for row, name in enumerate(classes) if totals[row]}
    by_class = {"recall": recall, "classes": classes, "confusion": summary["confusion"]}
    return {"images": int(totals.sum()), **means, "accuracy_all_classes": means["accuracy"], **by_class}


def summarize(results: list[dict[str, Any]], label_names: list[str]) -> dict[str, Any]:
    """Mean and deviation over folds, and what all folds together say."""
    summary: dict[str, Any] = {"label_names": label_names}
    for name in AVERAGED:
        values = [result[name] for result in results]
        summary |= {name: float(np.mean(values)), f"{name}_deviation": float(np.std(values, ddof=1))}
    labels, answers = (np.concatenate([result[key] for result in results]) for key in ("labels", "answers"))
    summary["pooled_accuracy"] = float((labels == answers).mean())
    summary["confusion"] = confusion_matrix(labels, answers, labels=list(range(len(label_names)))).tolist()
    summary["seconds"] = sum(result["seconds"] for result in results)
    environments = [one for result in results for one in result.get("environments", [])]
    summary["environments"] = [one for place, one in enumerate(environments) if one not in environments[:place]]
    left_out = ("labels", "answers", "environments")
    summary["folds"] = [{k: v for k, v in result.items() if k not in left_out} for result in results]
    return summary

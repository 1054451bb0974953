"""Cross-validation by subject: one recipe, trained and measured once a fold (section IV of Ferreira et al., IEEE Access 6, 2018).

Its folder holds recipe.yaml, results.json, and for each fold a run folder with result.json. Stopped and started again, it leaves
finished folds as they are and resumes the one that was interrupted.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.splits import Fold, subject_folds
from modeling_fer.evaluation import ExpressionMetrics, predict_columns
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.recipe import Recipe, check_same_recipe, write_recipe
from modeling_fer.run_folder import restore_folder
from modeling_fer.training import Trainer

AVERAGED = ("accuracy", "uar", "macro_f1")


def start_cross_validation(
    recipe: Recipe, columns: FaceColumns, subjects: Sequence[str | int], folder: str | Path, folds: int = 10
) -> list[Fold]:
    """Draws the folds, and writes the recipe into the folder.

    Args:
        recipe: what to train; its seed draws the folds too, so that every recipe with the same seed is measured on the same ones.
        columns: the whole data set.
        subjects: who is on each image.
        folder: where runs and results are written.
        folds: number of folds.

    Raises:
        ValueError: the folder was started with another recipe, or there are too few subjects.
    """
    folder = Path(folder)
    if (folder / "recipe.yaml").is_file():
        check_same_recipe(recipe, folder)
    split = subject_folds(columns.labels.tolist(), subjects, folds, seed=recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_recipe(recipe, folder / "recipe.yaml")
    return split


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
        that training took; `folds`, the metrics of each fold; and `label_names`.
    """
    folder = Path(folder)
    results = [run_fold(recipe, columns, fold, folder / f"fold-{number}", cpu) for number, fold in enumerate(folds, start=1)]
    summary = summarize(results, columns.label_names)
    (folder / "results.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def run_fold(recipe: Recipe, columns: FaceColumns, fold: Fold, folder: Path, cpu: bool) -> dict[str, Any]:
    """Trains on one fold and measures its best epoch on the fold's test images; reads the result where it is there already."""
    file = folder / "result.json"
    if file.is_file():
        return json.loads(file.read_text())
    train, validation, test = (columns.select(part) for part in (fold.train, fold.validation, fold.test))
    Trainer(recipe, train, validation, folder, resume=restore_folder(folder / "state"), cpu=cpu).fit()
    model = FerForImageClassification.from_pretrained(folder / "best")
    probabilities = predict_columns(model, FerImageProcessor.from_pretrained(folder / "best"), test).numpy()
    metrics = ExpressionMetrics().compute(predictions=probabilities, references=test.labels.numpy())
    seconds = sum(json.loads(line)["seconds"] for line in (folder / "metrics.jsonl").read_text().splitlines())
    metrics["recall"] = [None if np.isnan(value) else value for value in metrics["recall"]]
    result = {**metrics, "seconds": seconds, "labels": test.labels.tolist(), "answers": probabilities.argmax(1).tolist()}
    new = file.with_suffix(".new")
    new.write_text(json.dumps(result) + "\n")
    os.replace(new, file)
    return result


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
    summary["folds"] = [{k: v for k, v in result.items() if k not in ("labels", "answers")} for result in results]
    return summary

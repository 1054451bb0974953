"""`fer train`: a run by a recipe. Also started by `accelerate launch -m modeling_fer.commands.train`, on several processes."""

import sys
from collections.abc import Sequence
from pathlib import Path

from modeling_fer.data import load_splits
from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.prepared import stream_prepared
from modeling_fer.data.stream import FaceStream
from modeling_fer.training.building import recipe_columns, recipe_stream
from modeling_fer.training.process import keep_freed_memory
from modeling_fer.training.progress import check_resumable
from modeling_fer.training.recipe import Recipe, read_overrides, read_recipe
from modeling_fer.training.run_folder import holds_run
from modeling_fer.training.tracking import check_trackers
from modeling_fer.training.trainer import Trainer


def start_run(
    recipe: str,
    data: str,
    output: Path,
    resume: bool,
    save_steps: int,
    cpu: bool,
    trackers: Sequence[str],
    settings: Sequence[str],
) -> Trainer:
    """Reads recipe and data, and builds the run or goes back to where it stands.

    Args:
        recipe: file or bundled name.
        data: folder or repository of a prepared data set.
        output: the run folder.
        resume, save_steps, cpu, trackers: see `Trainer`.
        settings: `KEY=VALUE` instead of the recipe's.

    Raises:
        OSError, ValueError: recipe, data and folder cannot be used, or do not fit each other.
    """
    keep_freed_memory()
    read = read_recipe(recipe, read_overrides(settings))
    if not resume and holds_run(output):
        raise ValueError(f"{output} holds a run already; continue it with --resume, or name another folder by --output.")
    if resume:
        check_resumable(read, output)
    check_trackers(trackers)
    train, validation = load_sets(read, data)
    return Trainer(read, train, validation, output, resume=resume, cpu=cpu, save_steps=save_steps, trackers=trackers)


def load_sets(recipe: Recipe, data: str) -> tuple[FaceColumns | FaceStream, FaceColumns]:
    """The training set, in memory or streamed, and the validation set."""
    if not recipe.streaming:
        splits = load_splits(data, recipe.target, recipe.label_votes)
        return recipe_columns(recipe, splits["train"]), recipe_columns(recipe, splits["validation"])
    if recipe.target != "label":
        raise ValueError(f"streaming learns the label, but the recipe's target is {recipe.target!r}.")
    train, validation = stream_prepared(data)
    return recipe_stream(recipe, train), recipe_columns(recipe, validation)


def finish_run(trainer: Trainer) -> None:
    """Trains to the end, and says which epoch was best, and where that is no better than a guess.

    Raises:
        FloatingPointError: the loss is not finite.
        OSError: something cannot be written.
    """
    best = trainer.fit()
    classes = len(trainer.validation.labels.unique())
    trainer.accelerator.print(
        f"{trainer.folder}/best: epoch {trainer.progress.best_epoch}, validation accuracy {best['accuracy']:.1%}, UAR "
        f"{best['uar']:.1%}"
    )
    if classes > 1 and best["uar"] <= 1 / classes + 1e-6:
        trainer.accelerator.print(
            f"That is no better than a guess among {classes} expressions; train longer (--set epochs=...), in smaller batches "
            "(--set batch_size=...), or on more photos."
        )


if __name__ == "__main__":
    from modeling_fer_cli import app

    app(["train", *sys.argv[1:]])

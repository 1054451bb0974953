"""The commands that measure what was trained: `fer evaluate`, `fer calibrate` and `fer compare`."""

from pathlib import Path
from typing import Annotated

import typer

from modeling_fer_cli.errors import explaining_stop, explaining_usage, refuse_given

ONE_DATASET = ("target", "split", "rename", "without", "prior", "auxiliary", "mirrored", "recut", "confusion", "answers")
"""The options of `evaluate` that say how one data set is measured."""


def evaluate(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="fer-base, fer-tiny, folder or Hub repository; fer-base if not given.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder or Hub repository of a prepared data set.")] = None,
    suite: Annotated[
        Path | None,
        typer.Option(help="Measure on FER+, FER-2013 and CK+48: folder of the prepared data sets fer2013 and ckplus48."),
    ] = None,
    fine_tune: Annotated[
        Path | None,
        typer.Option(help="With --suite: also fine-tune on CK+48 in ten folds; folder for their runs.", file_okay=False),
    ] = None,
    add: Annotated[list[str] | None, typer.Option(help="With --suite: a further prepared data set; may be repeated.")] = None,
    target: Annotated[
        str, typer.Option(help="Which labels: label; votes, the class with most; majority, that with over half of them.")
    ] = "label",
    split: Annotated[str, typer.Option(help="train, validation, test, or all.")] = "test",
    rename: Annotated[
        list[str] | None, typer.Option("--map", help="OLD=NEW: the model's name for a class of the data; may be repeated.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="A class whose images are left out; may be repeated.")] = None,
    prior: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="See fer predict; the checkpoint's own if not given.")
    ] = None,
    auxiliary: Annotated[bool, typer.Option("--auxiliary", help="Use the second output layer's answers.")] = False,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Average answers with those for mirror images.")] = False,
    recut: Annotated[bool, typer.Option("--recut", help="Search and cut faces again, as fer predict does.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="JSON file of results; what it has of other measurements is kept.", dir_okay=False)
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(help="Picture of the confusion matrix to write, a PNG file.", dir_okay=False)
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="CSV file for the answer to each image, for other software.", dir_okay=False)
    ] = None,
) -> None:
    """Measure a checkpoint: accuracy, unweighted average recall (UAR), macro-F1, calibration error, recall of each class.

    Classes are matched by name. Where the data set lacks some of the model's, answers are limited to the shared ones; a line below the
    table, and accuracy_all_classes in the results, say how many are right among all. Images of classes that the model lacks are left
    out, which a line says too.

    Examples: fer evaluate --suite prepared/ --add prepared/jaffe --output results/fer-base.json

    fer evaluate runs/mine/best --data prepared/mine --map smile=happiness --confusion mine.png
    """
    if (data is None) == (suite is None):
        raise typer.BadParameter("Give a prepared data set by --data, or a folder of several by --suite.")
    if suite is not None:
        refuse_given(context, ONE_DATASET, "does not go with --suite, which has its own; leave it out, or give one --data.")
    else:
        refuse_given(context, ["add", "fine_tune"], "does not go with --data; evaluate one after another, or give --suite.")
    if auxiliary:
        refuse_given(context, ["prior"], "does not go with --auxiliary, whose output layer has no prior; leave it out.")
    with explaining_usage():
        from modeling_fer.commands.evaluate import evaluate_one, measure_suite, start_suite
        from modeling_fer.training.measurement import Measurement

        if suite is not None:
            started = start_suite(model, suite, add or [], output, fine_tune)
            with explaining_stop("evaluate"):
                measure_suite(started, output, fine_tune)
        elif data is not None:
            name = data if target == "label" else f"{data} ({target})"
            measurement = Measurement(name, split, -1.0 if prior is None else prior, auxiliary, mirrored, recut, without or [])
            evaluate_one(model, data, measurement, target, rename or [], output, confusion, answers)


def calibrate(
    context: typer.Context,
    checkpoint: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Run folder, or any checkpoint: fer-base, fer-tiny, folder or Hub repository."),
    ],
    data: Annotated[
        str,
        typer.Option(
            help="The prepared data set that it was trained on; its split validation is fitted to, or what training holds out."
        ),
    ],
    prior: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="0 answers as trained, 1 as if all expressions were equally frequent; by rule if not given."
        ),
    ] = None,
    auxiliary_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How much a second label set counts in the answers.")
    ] = 0.0,
    output: Annotated[Path | None, typer.Option(help="Folder for the finished checkpoint.", file_okay=False)] = None,
    table: Annotated[Path | None, typer.Option(help="JSON file for what is printed to choose by.", dir_okay=False)] = None,
) -> None:
    """Fit temperature, prior, and the thresholds of "uncertain" and of sets of expressions, on validation images.

    Without --output, or with --table, it prints what each prior scores, to choose by.

    By the recipe beside a checkpoint it is known what the network learned. One without a recipe is fitted to the votes where the data
    set has any and the network all their classes, else to the labels.

    Examples: fer calibrate runs/mine --data prepared/mine

    fer calibrate runs/mine --data prepared/mine --output runs/mine/calibrated
    """
    if output is None:
        refuse_given(context, ["prior", "auxiliary_share"], "is for what --output writes; give both, or leave it out.")
    with explaining_usage():
        from modeling_fer.commands.calibrate import finish_checkpoint, open_run, show_choices

        trained = open_run(checkpoint, data, auxiliary_share)
        if output is None or table is not None:
            show_choices(trained, table)
        if output is not None:
            finish_checkpoint(trained, auxiliary_share, prior, output)


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of a finished fer cross-validate.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of another, of the same folds.", show_default=False)],
    data: Annotated[str, typer.Option(help="The prepared data set that both ran on.")],
    seed: Annotated[int, typer.Option(min=0, help="Draws the people of the bootstrap.")] = 0,
    output: Annotated[Path | None, typer.Option(help="JSON file for all that is printed.", dir_okay=False)] = None,
    answers: Annotated[
        Path | None, typer.Option(help="CSV file for the answers of both to each image, for other software.", dir_okay=False)
    ] = None,
) -> None:
    """Say whether two methods differ that were cross-validated on the same folds.

    Example: fer compare runs/baseline runs/hybrid --data prepared/ckplus48 --output comparison.json --answers answers.csv

    Accuracy and unweighted average recall (UAR) of both, and their difference, have 95% intervals by a paired bootstrap over people.
    Beside them: McNemar's exact test over images, and the corrected resampled t-test over folds (Nadeau and Bengio 2003).
    """
    with explaining_usage():
        from modeling_fer.commands.compare import compare_runs

        compare_runs(a, b, data, seed, output, answers)

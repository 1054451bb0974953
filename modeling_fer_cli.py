"""The command `fer`.

It imports what a command needs when that command is called, as its help must answer at once.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

FORMS = ("affectnet", "ckplus", "fer2013", "ferplus", "imagefolder", "jaffe", "rafdb", "sfew", "table")

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("modeling-fer"))
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Facial expression recognition that shows where on the face it looked."""


@app.command()
def predict(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Photos and videos, folders of them, patterns such as 'photos/*.jpg', http(s) addresses; "
            "0 for the first camera, or the rtsp:// address of a stream."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(help="fer-base, fer-tiny, or folder or Hub repository of a checkpoint; fer-base if not given."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="File for the results: .jsonl, .csv or .parquet; - for JSON lines on stdout.", dir_okay=False),
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures and videos with boxes, expressions and relevance maps.", file_okay=False),
    ] = None,
    faces_only: Annotated[
        bool, typer.Option("--faces-only", help="Leave out the rows of photos and frames without a face, whose face is 0.")
    ] = False,
    min_face: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Least height or width of a face: pixels of the photo, or below 1 a share of its longest side."
        ),
    ] = None,
    search_size: Annotated[
        int | None,
        typer.Option(
            min=20,
            help="Longest side in pixels that larger pictures are searched at; 2000 for photos, 640 for videos if not given, "
            "and more where --min-face needs it.",
        ),
    ] = None,
    prior: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="0: expressions as frequent as in training, 1: all equally frequent; the checkpoint's own if not given.",
        ),
    ] = None,
    fps: Annotated[float, typer.Option(min=0.01, help="Frames a second to look at in videos.")] = 5.0,
    smoothing: Annotated[
        float, typer.Option(min=0.0, help="Seconds that a face's probabilities in a video are smoothed over.")
    ] = 0.4,
    search_every: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Seconds from one search of a video's whole frame to the next; between, faces are looked for near where they were, "
            "which is faster. 0 searches every frame; 1 for cameras and streams, else 0, if not given.",
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="onnx, torch, or auto: onnx for checkpoints that hold model.onnx, unless --device names an accelerator."
        ),
    ] = "auto",
    device: Annotated[
        str | None, typer.Option(help="For torch: cpu, cuda, cuda:1, mps; the first accelerator if not given.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read photos; by cores and photos if not given.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Faces that go through the network at once; 32 of photos, 8 of videos if not given."),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Expressions to show for each face.")] = 3,
    sets: Annotated[
        float | None,
        typer.Option(
            help="Add the set of expressions that contains the right one about this often, e.g. 0.9: on the screen, and as a column "
            "expression_set."
        ),
    ] = None,
    detect: Annotated[
        bool,
        typer.Option("--detect/--no-detect", help="--no-detect: the images, and frames of videos, are crops of faces already."),
    ] = True,
) -> None:
    """Name the expressions of the faces in photos and videos.

    Rows are written to --output as they come. Beside results.csv, which has a row for each face in each photo or frame,
    results.tracks.csv has one for each face that was followed through a video.

    Example: fer predict photos/ clip.mp4 --output results.csv --overlay out/

    Exit status: 0 if every file was read, 1 if one was not, 2 for wrong usage.
    """
    if not detect:
        searches = ["min_face", "search_size", "search_every"]
        refuse_given(context, searches, "is for the search for faces, which --no-detect leaves out; give one of the two.")
    if output is None:
        refuse_given(context, ["faces_only"], "is about the rows that --output writes; give both, or leave it out.")
    from modeling_fer.commands.predict import predict as run
    from modeling_fer.commands.prediction import PredictSettings
    from modeling_fer.inference.engines import ReaderSettings

    reader = ReaderSettings(model, engine, device, None, prior, detect, min_face, search_size)
    settings = PredictSettings(
        reader, workers, output, overlay, fps, smoothing, search_every, batch_size, top_k, faces_only, sets
    )
    raise typer.Exit(run(inputs, settings))


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="fer-base, fer-tiny, or folder or Hub repository of a checkpoint.")],
    output: Annotated[Path, typer.Option(help="Folder that model.onnx is written to.", file_okay=False)],
    quantize: Annotated[
        bool, typer.Option("--quantize", help="8-bit weights and values: a quarter of the size; what that costs is printed.")
    ] = False,
    prior: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="See fer predict; the checkpoint's own if not given.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Prepared data set that --quantize learns from and is measured on; shifted crops of a face if not given."
        ),
    ] = None,
) -> None:
    """Write a checkpoint as an ONNX file, for ONNX Runtime in whatever language, or a browser.

    The file is enough alone: labels, preprocessing and how faces are cut stand in its metadata. It is written only if it gives the same
    answers as the checkpoint.

    Example: fer export fer-base --output exported/ && fer predict party.jpg --model exported/
    """
    with explaining_usage("export"):
        from modeling_fer.commands.export import export_model

        export_model(model, output, quantize, prior, data)


FOR_SEARCHED = ("margin", "offset", "align", "min_face", "detector", "drop_not_found")
"""The options of `prepare` that say how faces are searched and cut."""


@app.command()
def prepare(
    context: typer.Context,
    form: Annotated[
        str,
        typer.Argument(
            help=f"Form of the data set: {', '.join(FORMS)}.", autocompletion=lambda: list(FORMS), show_default=False
        ),
    ],
    path: Annotated[Path, typer.Argument(help="Folder that it was unpacked to, or the file of a table.")],
    output: Annotated[Path, typer.Option(help="Folder that the prepared data set is written to.", file_okay=False)],
    cropped: Annotated[
        bool, typer.Option("--cropped", help="The images are crops of faces already: take them whole, search no face.")
    ] = False,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT", help="Cut faces as this checkpoint was trained on, to start from it; fer-base, a folder, ..."
        ),
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels of a crop's side; 120 if not given.")] = None,
    margin: Annotated[float | None, typer.Option(help="Share of the box added around a face; 0 if not given.")] = None,
    offset: Annotated[float | None, typer.Option(help="Share of the box that crops lie lower; 0 if not given.")] = None,
    align: Annotated[bool, typer.Option("--align/--no-align", help="Turn faces upright.")] = True,
    min_face: Annotated[
        float | None,
        typer.Option(
            help="Least height or width of a face: pixels of the photo, or below 1 a share of its longest side; 0.1 if not given."
        ),
    ] = None,
    detector: Annotated[str | None, typer.Option(help="What finds the faces; mtcnn if not given.")] = None,
    landmarks: Annotated[
        str | None, typer.Option(help="What finds landmarks that the data set lacks: fan, detector or none; fan if not given.")
    ] = None,
    landmark_points: Annotated[
        str | None, typer.Option(help="Which of 68 landmarks the heatmap shows: inner or all; inner if not given.")
    ] = None,
    sigma: Annotated[float | None, typer.Option(help="Width of the heatmap's Gaussians in pixels; 5 if not given.")] = None,
    drop_not_found: Annotated[bool, typer.Option("--drop-not-found", help="Leave out images without a found face.")] = False,
    device: Annotated[str | None, typer.Option(help="Where the networks run: cpu, cuda; cpu if not given.")] = None,
    num_proc: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    push_to_hub: Annotated[str | None, typer.Option(metavar="USER/NAME", help="Repository to upload the result to.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Make that repository private.")] = False,
) -> None:
    """Prepare a data set for training: find and cut faces, find landmarks, draw heatmaps, write parquet.

    Example: fer prepare rafdb RAF-DB/ --output prepared/rafdb --num-proc 8

    Stop it at any time: the same command goes on where it was. report/ in --output lists every image that had a problem, with a
    contact sheet of those in which no face was found.
    """
    if cropped:
        refuse_given(context, FOR_SEARCHED, "does not go with --cropped, which takes images whole; leave one of them out.")
    if push_to_hub is None:
        refuse_given(context, ["private"], "is for the repository that --push-to-hub names; give both, or leave it out.")
    given = {
        "cropped": cropped,
        "image_size": image_size,
        "margin": margin,
        "offset": offset,
        "align": None if like is not None and align else align,
        "min_face": min_face,
        "detector": detector,
        "landmarks": landmarks,
        "landmark_points": landmark_points,
        "sigma": sigma,
        "drop_not_found": drop_not_found,
        "device": device,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    with explaining_usage():
        from modeling_fer.commands.prepare import prepare_dataset

        prepare_dataset(form, path, output, num_proc, settings, push_to_hub, private, like)


RECIPES = sorted(file.stem for file in (Path(__file__).parent / "modeling_fer" / "recipes").glob("*.yaml"))
"""Names of the bundled recipes, by their files, as nothing is imported for a help text."""

RecipeArgument = Annotated[
    str,
    typer.Argument(help=f"Name of a bundled recipe ({', '.join(RECIPES)}), or a YAML file.", autocompletion=lambda: RECIPES),
]
DataOption = Annotated[str, typer.Option(help="Folder or Hub repository of a prepared data set, see fer prepare.")]
RunsOption = Annotated[Path, typer.Option(help="Folder that runs and results are written to.", file_okay=False)]
CpuOption = Annotated[bool, typer.Option("--cpu", help="Train on the CPU even where there is an accelerator.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting instead of the recipe's, e.g. model.dropout=0.3; may be repeated."
    ),
]


@app.command()
def train(
    recipe: RecipeArgument,
    data: DataOption,
    output: Annotated[Path, typer.Option(help="Folder that the run is written to.", file_okay=False)],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last saved state of the run in --output; epochs may have grown.")
    ] = False,
    settings: SetOption = None,
    save_steps: Annotated[int, typer.Option(min=1, help="Save the state after so many steps, and after each epoch.")] = 100,
    track: Annotated[
        list[str] | None, typer.Option(help="Send metrics to tensorboard, wandb or trackio; may be repeated.")
    ] = None,
    cpu: CpuOption = False,
) -> None:
    """Train a model by a recipe.

    Example: fer train prepared_hybrid --data prepared/rafdb --output runs/rafdb --set epochs=20

    On several GPUs or machines: accelerate launch -m modeling_fer.commands.train, with the same arguments.

    Stop it at any time: the same command with --resume goes on from the last saved state.
    """
    with explaining_usage():
        from modeling_fer.commands.train import finish_run, start_run

        trainer = start_run(recipe, data, output, resume, save_steps, cpu, track or [], settings or [])
    with explaining_stop("train"):
        finish_run(trainer)


ONE_DATASET = ("target", "split", "rename", "without", "prior", "auxiliary", "mirrored", "recut", "confusion")
"""The options of `evaluate` that say how one data set is measured."""


@app.command()
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
    target: Annotated[str, typer.Option(help="Which labels: label, or votes for the class with most votes.")] = "label",
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
) -> None:
    """Measure a checkpoint: accuracy, unweighted average recall (UAR), macro-F1, calibration error, recall of each class.

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
            evaluate_one(model, data, measurement, target, rename or [], output, confusion)


@app.command()
def calibrate(
    context: typer.Context,
    checkpoint: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or a checkpoint in one.")],
    data: Annotated[str, typer.Option(help="The prepared data set that it was trained on.")],
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


@app.command("cross-validate")
def cross_validate(
    recipe: RecipeArgument,
    data: DataOption,
    output: RunsOption,
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 10,
    nested: Annotated[
        bool, typer.Option("--nested", help="Search settings in each fold, on its inner training and validation images.")
    ] = False,
    grid: Annotated[
        Path | None, typer.Option(help="With --nested: what is searched, see fer search; the paper's grid if not given.")
    ] = None,
    settings: SetOption = None,
    cpu: CpuOption = False,
) -> None:
    """Train and measure a recipe in folds by subject, for a data set without splits of its own.

    Example: fer cross-validate ckplus48_hybrid --data prepared/ckplus48 --output runs/ckplus48_hybrid

    With --nested each fold searches its own settings, as the paper does, and measures the best on its test images.

    Stop it at any time: the same command goes on from the last saved state. Prints mean and deviation over folds; results.json in
    --output has each fold and the confusion matrix of all, which confusion.png shows.
    """
    if grid is not None and not nested:
        raise typer.BadParameter("--grid is what --nested searches; give both, or use fer search.")
    with explaining_usage():
        from modeling_fer.commands.cross_validate import run_folds, start_folds

        started = start_folds(recipe, data, output, folds, settings or [], nested, grid)
    with explaining_stop("cross-validate"):
        run_folds(started, output, cpu)


@app.command()
def search(
    recipe: RecipeArgument,
    data: DataOption,
    output: RunsOption,
    grid: Annotated[
        Path | None, typer.Option(help="YAML file with a list of values for each setting; the paper's grid if not given.")
    ] = None,
    splits: Annotated[
        int | None,
        typer.Option(
            min=1, max=10, help="Folds to validate on, for a data set with subjects and without splits; 1 if not given."
        ),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Where the study is kept: a file or a database; study.log in --output if not given.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Try so many combinations at most.")] = None,
    settings: SetOption = None,
    cpu: CpuOption = False,
) -> None:
    """Search a grid for the settings with the best validation accuracy; no test image is looked at.

    Example: fer search ckplus48_hybrid --data prepared/ckplus48 --output runs/search --splits 3

    Run it on several machines with one --storage, a file that all see or a database (postgresql://...), and they share the work. Stop
    it at any time: the same command goes on. A data set with subjects and without splits is validated on inner splits of the first
    --splits folds of fer cross-validate. trials.csv in --output lists what was tried. Exit status: 1 if nothing could be trained.
    """
    with explaining_usage():
        from modeling_fer.commands.search import run_search, start_search

        started = start_search(recipe, data, grid, splits, settings or [], output, storage)
    with explaining_stop("search"):
        run_search(started, output, trials, cpu)


def _list_kinds() -> list[str]:
    from modeling_fer.hub import KINDS

    return list(KINDS)


NOT_USED_BY = {"release": ["results"], "dataset": ["results", "release"], "space": ["results"]}
"""The options of `push` that a kind has no use for."""


@app.command()
def push(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="model: a run or checkpoint, with a card made for it; release: a checkpoint with the card it has; dataset; space.",
            autocompletion=_list_kinds,
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(help="Run folder or checkpoint; folder or bundled name of a release; prepared data set; Space.")
    ],
    repository: Annotated[str, typer.Argument(help="user/name on the Hub.")],
    results: Annotated[
        Path | None, typer.Option(help="Results of the model for its card, which fer evaluate --output writes.")
    ] = None,
    release: Annotated[
        Path | None,
        typer.Option(
            help="Where the repository is written first: a new folder, or that of an earlier release, which is replaced; release/ in "
            "the run, or a folder in build/, if not given."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write and list what would be sent, and send nothing.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[str, typer.Option(help="Branch to commit to.")] = "main",
    tag: Annotated[str | None, typer.Option(help="Name that the commit is given.")] = None,
) -> None:
    """Publish a model, a prepared data set or the Space on the Hub, in one commit.

    Example: fer push model runs/rafdb me/fer-rafdb --results results/rafdb.json --dry-run

    A model's repository is written to --release first: weights, configuration, the code that travels with them, and a card with the
    run's own figures and recipe. So is a bundled checkpoint, and the Space with the package beside its page. A second push of the
    same content sends nothing.
    """
    refuse_given(context, NOT_USED_BY.get(what, []), f"does nothing for a {what}; leave it out.")
    with explaining_usage():
        from modeling_fer.commands.push import push_folder

        push_folder(what, folder, repository, results, release, dry_run, private, revision, tag)


def refuse_given(context: typer.Context, names: Collection[str], why: str) -> None:
    """Refuses options that would not be looked at beside the others.

    Args:
        context: of the command.
        names: of its parameters.
        why: the sentence, after the option that it is about.

    Raises:
        typer.BadParameter: one of them was given, also where its value is the default.
    """
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        # By its name, as newer versions of typer hold a click of their own, with another class for it.
        if option.name in names and source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"{option.opts[0]} {why}")


@contextmanager
def explaining_usage(extra: str = "train") -> Iterator[None]:
    """Makes what cannot be done wrong usage: one sentence, exit status 2.

    Args:
        extra: of the package, which brings what the command needs.
    """
    from modeling_fer.commands.libraries import import_torch_quietly

    try:
        import_torch_quietly()
        yield
    except ImportError as error:
        missing = f"{error.name} is not installed; run: pip install 'modeling-fer[{extra}]'"
        raise typer.BadParameter(str(error) if error.name is None else missing) from error
    except (OSError, ValueError) as error:
        raise typer.BadParameter(" ".join(str(error).split())) from error


@contextmanager
def explaining_stop(command: str) -> Iterator[None]:
    """Says in one sentence why a run that had begun stopped; exit status 1."""
    try:
        yield
    except (FloatingPointError, OSError) as error:
        typer.echo(f"fer {command}: stopped: {error}", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()

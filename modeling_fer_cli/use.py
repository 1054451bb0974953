"""The commands for those who use a checkpoint: `fer predict` and `fer export`."""

from pathlib import Path
from typing import Annotated

import typer

from modeling_fer_cli.errors import explaining_usage, refuse_given


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
            min=0.0,
            help="Leave out faces whose longer side is less: pixels of the photo, or below 1 a share of its longest side.",
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
    top_k: Annotated[int, typer.Option(min=1, help="Expressions of each face to show on the screen.")] = 3,
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
            help="Prepared data set that --quantize learns from (train) and is measured on (test, else validation, else all images); "
            "shifted crops of a face if not given."
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

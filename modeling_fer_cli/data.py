"""The command for data sets: `fer prepare`."""

from pathlib import Path
from typing import Annotated

import typer

from modeling_fer_cli.errors import explaining_usage, refuse_given

FORMS = ("affectnet", "ckplus", "fer2013", "ferplus", "imagefolder", "jaffe", "rafdb", "sfew", "table")

FOR_SEARCHED = ("margin", "offset", "align", "min_face", "detector", "drop_not_found")
"""The options of `prepare` that say how faces are searched and cut."""


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
            help="Leave out faces whose longer side is less: pixels of the photo, or below 1 a share of its longest side; "
            "0.1 if not given."
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

"""`fer predict`: the expressions of the faces in photos, videos, cameras and streams, written as they are read."""

import sys
from importlib.util import find_spec
from pathlib import Path

import typer

from modeling_fer.commands.console import Console
from modeling_fer.commands.interruption import interruptible
from modeling_fer.commands.libraries import import_torch_quietly
from modeling_fer.commands.prediction import OutputError, PredictSettings, Run
from modeling_fer.faces_fer import usable_cores
from modeling_fer.inference.engines import check_torch, choose_onnx
from modeling_fer.inference.media import Finder
from modeling_fer.inference.onnx_engine import OnnxNetwork
from modeling_fer.inference.photos import choose_workers
from modeling_fer.inference.quiet import quiet_pillow
from modeling_fer.inference.tables import OUTPUT_SUFFIXES
from modeling_fer.reading_fer import FaceReader

VIDEO_SEARCH_SIZE = 640
"""Frames of videos are searched at this longest side, in pixels, where nothing else is said: there are many, and of low detail."""


def predict(inputs: list[str], settings: PredictSettings) -> int:
    """Names the expressions of the faces in photos and videos.

    Args:
        inputs: photos, videos, folders, patterns, addresses, cameras and streams.
        settings: how, and what is to be written.

    Returns:
        The exit status: 0, or 1 if anything could not be read or written.

    Raises:
        typer.BadParameter: a setting is impossible.
    """
    if "" in inputs:
        raise typer.BadParameter("an input is empty; give a photo, a video, a folder or a pattern.")
    quiet_pillow()
    console = Console(quiet=settings.writes_to_stdout)
    prepare_outputs(settings)
    sources = Finder(console.complain, console.note, settings.overlay).find(inputs)
    if not sources:
        return 1
    photo_reader, video_reader = load_readers(settings)
    workers = count_workers(settings, photo_reader, sum(source.kind == "photo" for source in sources))
    run = Run(settings, console, sources, photo_reader, video_reader, workers)
    with interruptible():
        try:
            run.read()
        except OutputError as error:
            console.complain(str(settings.output), str(error))
        except KeyboardInterrupt:
            console.complain("interrupted", run.kept)
    return 1 if console.failures else 0


def prepare_outputs(settings: PredictSettings) -> None:
    """Makes the folders for results before any work is done; what cannot be written is wrong usage."""
    output = settings.output
    if settings.writes_to_stdout and sys.stdout is None:
        raise typer.BadParameter("- is the standard output, which is closed; name a file.", param_hint="--output")
    if output is not None and not settings.writes_to_stdout:
        if output.suffix.lower() not in OUTPUT_SUFFIXES:
            raise typer.BadParameter(f"{output} must be - or end in {', '.join(OUTPUT_SUFFIXES)}.", param_hint="--output")
        if output.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
            raise typer.BadParameter(
                f"{output} needs pyarrow, which is not installed; run: pip install 'modeling-fer[parquet]'",
                param_hint="--output",
            )
        make_folder(output.parent, "--output")
    if settings.overlay is not None:
        make_folder(settings.overlay, "--overlay")


def make_folder(folder: Path, option: str) -> None:
    """Makes a folder; one that cannot be made is wrong usage."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"The folder {folder} cannot be made: {error.strerror}.", param_hint=option) from error


def load_readers(settings: PredictSettings) -> tuple[FaceReader, FaceReader]:
    """The readers of photos and of videos, which differ in how finely they search; what cannot be had is wrong usage."""
    own = settings.reader
    video_size = VIDEO_SEARCH_SIZE if own.search_size is None and own.min_face is None else own.search_size
    try:
        if choose_onnx(own.source, own.engine, own.device) is None:
            check_torch(own.source)
            import_torch_quietly()
        reader = own.make()
        reader.check_sets(settings.sets)
        return reader, reader.searching(own.min_face, video_size) if own.detect else reader
    except (ValueError, ImportError) as error:
        raise typer.BadParameter(str(error)) from error


def count_workers(settings: PredictSettings, reader: FaceReader, photos: int) -> int:
    """How many processes read photos: as many as asked for, or as are worth their start; torch has its own threads."""
    if settings.workers is not None:
        return settings.workers
    return choose_workers(photos, usable_cores()) if isinstance(reader.network, OnnxNetwork) else 1

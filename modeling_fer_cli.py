"""The command `fer`.

It stands beside the package, because importing `modeling_fer` registers it with transformers, which takes seconds, and the
command's help must answer at once.
"""

import glob
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PIL import Image

    from modeling_fer import FacialExpressionPipeline
    from modeling_fer.video import TrackSummary

OUTPUT_SUFFIXES = (".jsonl", ".csv", ".parquet")
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


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
    inputs: Annotated[
        list[str], typer.Argument(help="Photos and videos, folders of them, or patterns such as 'photos/*.jpg'.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Folder or Hub repository of a checkpoint; the bundled one if not given.")
    ] = None,
    fps: Annotated[float, typer.Option(min=0.01, help="Frames a second to look at in videos.")] = 5.0,
    smoothing: Annotated[
        float, typer.Option(min=0.0, help="Seconds that a face's probabilities in a video are smoothed over.")
    ] = 0.4,
    overlay: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures and videos with boxes, expressions and relevance maps.", file_okay=False),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File for the results: .jsonl, .csv or .parquet.", dir_okay=False)] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the first accelerator if not given.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Faces that go through the network at once.")] = 32,
    top_k: Annotated[int, typer.Option(min=1, help="Expressions to show for each face.")] = 3,
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="--no-detect: the images are crops of faces already.")
    ] = True,
) -> None:
    """Name the expressions of the faces in photos and videos.

    Beside --output results.csv, which has a row for each face in each photo or frame, results.tracks.csv has one for each face that was
    followed through a video.

    Exit status: 0 if every file was read, 1 if one was not, 2 for wrong usage.
    """
    if output is not None and output.suffix not in OUTPUT_SUFFIXES:
        raise typer.BadParameter(f"{output} must end in {', '.join(OUTPUT_SUFFIXES)}.", param_hint="--output")
    if output is not None:
        make_folder(output.parent, "--output")
    if overlay is not None:
        make_folder(overlay, "--overlay")
    run = Run()
    files = list(run.find_files(inputs))
    if files:
        pipeline = load_pipeline(model, device)
        try:
            photos = [file for file in files if file.suffix.lower() not in VIDEO_SUFFIXES]
            run.predict(pipeline, photos, overlay, batch_size, detect)
            for file in files:
                if file.suffix.lower() in VIDEO_SUFFIXES:
                    run.predict_video(pipeline, file, overlay, fps, smoothing)
        except KeyboardInterrupt:
            run.fail("interrupted", "the results so far are kept")
        run.show_table(top_k)
        if output is not None:
            with run.reporting(output):
                run.write(output, list(pipeline.model.config.id2label.values()))
    raise typer.Exit(1 if run.failures else 0)


def load_pipeline(model: str | None, device: str | None) -> "FacialExpressionPipeline":
    """The pipeline on a checkpoint; a checkpoint or device that cannot be had is wrong usage."""
    import gc

    # The imports make a million objects that stay: looking through them for garbage takes half a second.
    gc.disable()
    import huggingface_hub
    import transformers

    import modeling_fer

    gc.freeze()
    gc.enable()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    huggingface_hub.logging.set_verbosity_error()
    from modeling_fer.loading import load_checkpoint, make_pipeline

    try:
        checkpoint = load_checkpoint(model or modeling_fer.checkpoint_folder())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from error
    try:
        return make_pipeline(checkpoint, device)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--device") from error


def make_folder(folder: Path, option: str) -> None:
    """Makes a folder for results before any work is done; one that cannot be made is wrong usage."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"The folder {folder} cannot be made: {error.strerror}.", param_hint=option) from error


@dataclass
class Run:
    """One call of `fer predict`: what was found and what failed."""

    rows: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    clips: list[tuple[str, list[tuple[float, list[dict[str, Any]]]]]] = field(default_factory=list)
    failures: int = 0

    def fail(self, name: str, reason: str) -> None:
        """Reports one bad input in one line; the rest goes on."""
        from rich.console import Console

        self.failures += 1
        reason = " ".join(reason.split())
        if not reason.startswith(name):
            reason = f"{name}: {reason}"
        Console(stderr=True, soft_wrap=True).print(reason, markup=False, highlight=False)

    @contextmanager
    def reporting(self, path: Path) -> Iterator[None]:
        """Reports a file that cannot be written in one line; the rest goes on."""
        try:
            yield
        except OSError as error:
            self.fail(str(error.filename or path), f"cannot be written: {error.strerror or error}.")

    def find_files(self, inputs: list[str]) -> Iterator[Path]:
        """The files that the arguments name, in order."""
        for name in inputs:
            path = Path(name)
            if path.is_dir():
                yield from self.list_folder(path)
            elif path.exists() or not glob.has_magic(name):
                yield path
            else:
                matches = sorted(glob.glob(name, recursive=True))
                if not matches:
                    self.fail(name, "no file matches this pattern.")
                yield from (Path(match) for match in matches if not Path(match).is_dir())

    def list_folder(self, folder: Path) -> list[Path]:
        """The photos and videos in a folder and the folders in it."""
        from PIL import Image

        def unreadable(error: OSError) -> None:
            self.fail(str(error.filename), "this folder cannot be read; check its permissions.")

        suffixes = {*Image.registered_extensions(), *VIDEO_SUFFIXES}
        failures = self.failures
        found = [
            root / name
            for root, _, names in walk_sorted(folder, unreadable)
            for name in sorted(names)
            if Path(name).suffix.lower() in suffixes
        ]
        if not found and self.failures == failures:
            self.fail(str(folder), "this folder holds no image.")
        return found

    def predict(
        self, pipeline: "FacialExpressionPipeline", files: list[Path], overlay: Path | None, batch_size: int, detect: bool
    ) -> None:
        """Reads the files and runs the pipeline over those that can be read."""
        from rich.console import Console
        from rich.progress import track

        opened: deque[tuple[Path, Image.Image]] = deque()
        shown = track(files, "reading photos", console=Console(stderr=True), disable=len(files) < 2, transient=True)
        results = pipeline(self.open_files(shown, opened), batch_size=batch_size, detect=detect)
        for faces in results:
            file, image = opened.popleft()
            self.rows.append((str(file), faces))
            if overlay is not None:
                with self.reporting(overlay):
                    self.write_overlay(overlay, file, image, faces)

    def predict_video(
        self, pipeline: "FacialExpressionPipeline", file: Path, overlay: Path | None, fps: float, smoothing: float
    ) -> None:
        """Reads a video, as far as it can be read."""
        from contextlib import ExitStack

        from rich.console import Console
        from rich.progress import track

        try:
            from modeling_fer.video import VideoWriter, analyse_video
        except ImportError:
            self.fail(str(file), "videos need further packages; install them: pip install 'modeling-fer[video]'")
            return
        frames: list[tuple[float, list[dict[str, Any]]]] = []
        self.clips.append((str(file), frames))
        with ExitStack() as stack:
            try:
                writer = None
                shown = analyse_video(pipeline, file, fps, smoothing)
                for frame, faces in track(shown, f"reading {file.name}", console=Console(stderr=True), transient=True):
                    if overlay is not None:
                        writer = writer or stack.enter_context(VideoWriter(overlay / f"{file.stem}.mp4", fps))
                        writer.write(frame.image, faces)
                    for face in faces:
                        # Maps are drawn by now, and a long video has many.
                        face["relevance_map"] = None
                    frames.append((frame.time, faces))
            except (OSError, ValueError) as error:
                self.fail(str(file), str(error))

    def open_files(self, files: Iterable[Path], opened: "deque[tuple[Path, Image.Image]]") -> "Iterator[Image.Image]":
        """Yields the photos that can be opened, and leaves each with its name for whoever takes the results."""
        from modeling_fer.image_processing_fer import open_image

        for file in files:
            try:
                image = open_image(file)
            except (OSError, ValueError) as error:
                self.fail(str(file), str(error))
                continue
            opened.append((file, image))
            yield image

    def write_overlay(self, folder: Path, file: Path, image: "Image.Image", faces: list[dict[str, Any]]) -> None:
        """Draws one photo's faces; files of the same name get a number."""
        from modeling_fer.visualization import draw_overlay

        names = [Path(name).stem for name, _ in self.rows]
        again = names.count(file.stem) - 1
        draw_overlay(image, faces).save(folder / f"{file.stem}{f'-{again}' if again else ''}.png")

    def show_table(self, top_k: int) -> None:
        """Prints a line for each face."""
        from rich.console import Console
        from rich.table import Table

        table = Table("file", "face", "box", "expressions")
        for name, faces in self.rows:
            for number, face in enumerate(faces, start=1):
                box = " ".join(str(face["box"][edge]) for edge in ("xmin", "ymin", "xmax", "ymax"))
                ranked = ", ".join(f"{one['label']} {one['score']:.1%}" for one in face["expressions"][:top_k])
                table.add_row(name if number == 1 else "", str(number), box, ranked)
            if not faces:
                table.add_row(name, "0", "", "no face found")
        for name, summaries in self.summaries():
            for number, summary in enumerate(summaries):
                ranked = ", ".join(f"{one['label']} {one['score']:.1%}" for one in summary.expressions[:top_k])
                seen = f"{summary.first:.1f} to {summary.last:.1f} s"
                table.add_row(name if number == 0 else "", f"track {summary.track}", seen, ranked)
            if not summaries:
                table.add_row(name, "0", "", "no face found")
        if table.rows:
            Console().print(table)

    def summaries(self) -> "Iterator[tuple[str, list[TrackSummary]]]":
        """For each video that could be read, its faces."""
        for name, frames in self.clips:
            if frames:
                from modeling_fer.video import summarize_tracks

                yield name, summarize_tracks(frames)

    def write(self, output: Path, labels: list[str]) -> None:
        """Writes a row for each face, and beside it a file with a row for each face that was followed through a video."""
        from modeling_fer.tables import faces_table, tracks_table, write_table

        write_table(faces_table(self.rows, self.clips, labels), output)
        if self.clips:
            write_table(tracks_table(self.summaries(), labels), output.with_suffix(f".tracks{output.suffix}"))


def walk_sorted(folder: Path, unreadable: Any) -> Iterator[tuple[Path, list[str], list[str]]]:
    """`os.walk` in the order of names."""
    import os

    for root, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        yield Path(root), folders, names


if __name__ == "__main__":
    app()

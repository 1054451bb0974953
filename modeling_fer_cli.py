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

OUTPUT_SUFFIXES = (".jsonl", ".csv", ".parquet")

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
    inputs: Annotated[list[str], typer.Argument(help="Image files, folders of them, or patterns such as 'photos/*.jpg'.")],
    model: Annotated[
        str | None, typer.Option(help="Folder or Hub repository of a checkpoint; the bundled one if not given.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Folder for pictures with boxes, expressions and relevance maps.", file_okay=False)
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File for the results: .jsonl, .csv or .parquet.", dir_okay=False)] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the first accelerator if not given.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Faces that go through the network at once.")] = 32,
    top_k: Annotated[int, typer.Option(min=1, help="Expressions to show for each face.")] = 3,
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="--no-detect: the images are crops of faces already.")
    ] = True,
) -> None:
    """Name the expressions of the faces in photos.

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
            run.predict(pipeline, files, overlay, batch_size, detect)
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
    import torch
    import transformers

    import modeling_fer

    gc.freeze()
    gc.enable()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    huggingface_hub.logging.set_verbosity_error()
    source = model or str(modeling_fer.checkpoint_folder())
    try:
        kind = transformers.AutoConfig.from_pretrained(source).model_type
        if kind != modeling_fer.FerConfig.model_type:
            raise ValueError(f"it holds a model of type {kind!r}, not 'fer'.")
        network = modeling_fer.FerForImageClassification.from_pretrained(source)
        processor = modeling_fer.FerImageProcessor.from_pretrained(source)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise typer.BadParameter(f"{source} cannot be loaded: {reason}", param_hint="--model") from error
    try:
        where = None if device is None else torch.device(device)
        return modeling_fer.FacialExpressionPipeline(network, image_processor=processor, device=where)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise typer.BadParameter(f"{device} cannot be used here; try cpu.", param_hint="--device") from error


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
        """The image files in a folder and the folders in it."""
        from PIL import Image

        def unreadable(error: OSError) -> None:
            self.fail(str(error.filename), "this folder cannot be read; check its permissions.")

        suffixes = Image.registered_extensions()
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
        if self.rows:
            Console().print(table)

    def write(self, output: Path, labels: list[str]) -> None:
        """Writes a row for each face, in the order that the faces were found."""
        import pyarrow as pa

        table = pa.Table.from_pylist(
            [face_row(name, n, face) for name, faces in self.rows for n, face in enumerate(faces, start=1)],
            schema=output_schema(labels),
        )
        if output.suffix == ".parquet":
            from pyarrow.parquet import write_table

            write_table(table, output)
        elif output.suffix == ".csv":
            from pyarrow.csv import write_csv

            write_csv(table, output)
        else:
            import json

            output.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()))


def walk_sorted(folder: Path, unreadable: Any) -> Iterator[tuple[Path, list[str], list[str]]]:
    """`os.walk` in the order of names."""
    import os

    for root, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        yield Path(root), folders, names


def face_row(name: str, number: int, face: dict[str, Any]) -> dict[str, Any]:
    """One face as a flat row."""
    best = face["expressions"][0]
    scores = {one["label"]: one["score"] for one in face["expressions"]}
    row = {"file": name, "face": number, **face["box"], "detection_score": face["score"]}
    return row | {"expression": best["label"], "probability": best["score"], **scores}


def output_schema(labels: list[str]) -> Any:
    """Columns of the output: where the face is, its likeliest expression, and the probability of every expression."""
    import pyarrow as pa

    boxes = [(edge, pa.int32()) for edge in ("xmin", "ymin", "xmax", "ymax")]
    found = [("file", pa.string()), ("face", pa.int32()), *boxes, ("detection_score", pa.float32())]
    return pa.schema([*found, ("expression", pa.string()), *((name, pa.float32()) for name in ("probability", *labels))])


if __name__ == "__main__":
    app()

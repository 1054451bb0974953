"""From a run to a folder that is laid out as a Hub repository."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from modeling_fer.configuration_fer import FerConfig
from modeling_fer.exporting.export import export_checkpoint, export_linked
from modeling_fer.hub.card import PLACEHOLDER, render_card
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.inference.loading import Checkpoint, load_checkpoint
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.measurement import Result

PACKAGE = Path(__file__).parents[1]
LICENSE = PACKAGE / "LICENSE"
"""Of the code. It lies in the package, as a clone and a wheel keep the one beside it in different places."""

MODEL_MARKS = ("README.md", "config.json", "modeling_fer.py")
SPACE_MARKS = ("app.py", "modeling_fer")
"""What every release of a checkpoint, and of the Space, holds."""


def check_replaceable(folder: str | Path, marks: Sequence[str]) -> None:
    """Refuses a folder that holds anything but an earlier release, which would be lost or written over.

    Args:
        folder: where a release is to be written.
        marks: names of what an earlier one holds.

    Raises:
        ValueError: it is a file, or a folder that is neither empty nor an earlier release.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a new or empty folder by --release.")
    if folder.is_dir() and any(folder.iterdir()) and not all((folder / mark).exists() for mark in marks):
        raise ValueError(
            f"{folder} is not empty and not an earlier release, which would hold {' and '.join(marks)}; give a new or empty folder by "
            "--release."
        )


def check_apart(folder: str | Path, *sources: str | Path) -> None:
    """Refuses a folder that overlaps with what is copied to it.

    Args:
        folder: where a release is to be written.
        sources: the folders that are read.

    Raises:
        ValueError: it is one of them, holds one, or lies in one.
    """
    target = Path(folder).resolve()
    for source in map(Path, sources):
        if target.is_relative_to(source.resolve()) or source.resolve().is_relative_to(target):
            raise ValueError(f"{folder} is, holds or lies in {source}, which the release is made from; give another --release.")


def write_release(
    checkpoint: str | Path, card: str, folder: str | Path, picture: str | Path | None = None, linked: bool = False
) -> None:
    """Writes config.json, model.safetensors, model.onnx, preprocessor_config.json, the code that travels, and the model card as
    README.md.

    Args:
        checkpoint: what to release, e.g. `best` of a run folder; may be `folder` itself, whose code and card are then renewed.
        card: Markdown with a header, see `modeling_fer.hub.card`.
        folder: where the release is written; it is made, or its files replaced.
        picture: a photo that may be shown, which becomes example.jpg for the card and the Hub's widget.
        linked: model.onnx takes its weights from model.safetensors, so that the folder holds them once; else it is enough alone.

    Raises:
        OSError: `checkpoint` holds no weights or no configuration.
    """
    model = FerForImageClassification.from_pretrained(checkpoint)
    processor = FerImageProcessor.from_pretrained(checkpoint)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    export = export_linked if linked else export_checkpoint
    export(Checkpoint(model, processor), folder)
    (Path(folder) / "README.md").write_text(card, encoding="utf-8")
    if picture is not None:
        shutil.copyfile(picture, Path(folder) / "example.jpg")


def release_run(
    run: str | Path, name: str, folder: str | Path, results: Sequence[Result] = (), picture: str | Path | None = None
) -> None:
    """Writes the release of a run folder's best epoch, or of a checkpoint, with the card of the run and the licence of the code.

    Args:
        run: a run folder, or a checkpoint.
        name: of the model, e.g. `user/name`.
        folder: where the release is written.
        results: from `modeling_fer.training.measurement.read_results`.
        picture: as for `write_release`.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: `folder` holds something else than an earlier release, or is the checkpoint or holds it.
    """
    run = Path(run)
    checkpoint = run / "best" if (run / "best").is_dir() else run
    if not (checkpoint / "config.json").is_file():
        raise FileNotFoundError(f"{run} holds no checkpoint; give a run folder with best/, or the folder of a checkpoint.")
    # The release may lie in the checkpoint's folder, but what is read is the files of that folder itself.
    check_apart(folder, checkpoint / "config.json")
    check_replaceable(folder, MODEL_MARKS)
    recipe = run / "recipe.yaml" if checkpoint != run else run.parent / "recipe.yaml"
    config = FerConfig.from_pretrained(checkpoint)
    card = render_card(name, config, results, recipe.read_text(encoding="utf-8") if recipe.is_file() else "")
    write_release(checkpoint, card, folder, picture)
    shutil.copyfile(LICENSE, Path(folder) / LICENSE.name)


def complete_checkpoint(checkpoint: str | Path, folder: str | Path, repository: str = PLACEHOLDER) -> None:
    """Writes a checkpoint that has a card already, as the bundled ones have, with the code that travels, its licence and the detector.

    Args:
        checkpoint: folder of the checkpoint.
        folder: where the release is written; it is made, or the files of an earlier release are replaced.
        repository: `user/name`, which the card then says in place of the placeholder.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: `folder` holds something else than an earlier release, or overlaps with the checkpoint.
    """
    if not (Path(checkpoint) / "config.json").is_file():
        raise FileNotFoundError(f"{checkpoint} holds no checkpoint; give the folder of one, or the name of a bundled one.")
    check_apart(folder, checkpoint)
    check_replaceable(folder, MODEL_MARKS)
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    for file in PACKAGE.glob("*_fer.py"):
        shutil.copyfile(file, Path(folder) / file.name)
    shutil.copyfile(LICENSE, Path(folder) / LICENSE.name)
    card = Path(folder) / "README.md"
    if card.is_file():
        card.write_text(card.read_text(encoding="utf-8").replace(PLACEHOLDER, repository), encoding="utf-8")
    loaded = load_checkpoint(checkpoint)
    loaded.image_processor.save_detector(folder)
    export_checkpoint(loaded, folder)


def release_space(space: str | Path, folder: str | Path) -> None:
    """Writes the folder of a Space: the page, and this package beside it, so that the Space needs nothing that is not on PyPI.

    Args:
        space: folder of the page.
        folder: where the release is written; an earlier release in it is replaced.

    Raises:
        FileNotFoundError: there is no page.
        ValueError: `folder` holds something else than an earlier release, or overlaps with the page's folder or the package.
    """
    if not (Path(space) / "app.py").is_file():
        raise FileNotFoundError(f"{space} holds no page; give the folder that app.py lies in.")
    check_apart(folder, space, PACKAGE)
    check_replaceable(folder, SPACE_MARKS)
    left_out = shutil.ignore_patterns("__pycache__", "*.pyi")
    if Path(folder).is_dir():
        shutil.rmtree(folder)
    shutil.copytree(space, folder, ignore=left_out)
    shutil.copyfile(LICENSE, Path(folder) / LICENSE.name)
    shutil.copytree(PACKAGE, Path(folder) / "modeling_fer", ignore=left_out)

"""`fer prepare`: from a data set in its original layout to one ready for training."""

from pathlib import Path
from typing import Any

from rich.console import Console

from modeling_fer.data.face_preparer import PrepareSettings
from modeling_fer.data.prepare import finish, is_finished, prepare
from modeling_fer.data.prepared import load_whole
from modeling_fer.data.readers import read_source
from modeling_fer.data.report import count_problems, describe
from modeling_fer.data.shared_images import count_copies, find_shared_images
from modeling_fer.hub.push import Push, upload
from modeling_fer.inference.loading import load_checkpoint


def settings_like(checkpoint: str) -> dict[str, Any]:
    """Settings that cut faces as a checkpoint was trained on them.

    Args:
        checkpoint: folder, bundled name or repository.

    Returns:
        Some of the settings of `PrepareSettings`.

    Raises:
        ValueError: it cannot be loaded.
    """
    loaded = load_checkpoint(checkpoint)
    processor = loaded.image_processor
    return {
        "image_size": loaded.model.config.image_size,
        "margin": processor.face_margin,
        "offset": processor.face_offset,
        "align": processor.face_alignment,
        "sigma": loaded.model.config.heatmap_sigma,
    }


def prepare_dataset(
    form: str,
    path: Path,
    output: Path,
    num_proc: int,
    settings: dict[str, Any],
    repository: str | None,
    private: bool,
    like: str | None = None,
) -> None:
    """Reads a data set, prepares it, and says what came out; where it is prepared already, only says so.

    Args:
        form: of the data set, a key of `READERS`.
        path: where it lies.
        output: folder for the prepared data set.
        num_proc: processes that share the work.
        settings: of `PrepareSettings`, those that are not its defaults.
        repository: where the result is uploaded to, if anywhere.
        private: whether that repository is private.
        like: a checkpoint whose settings take the place of the defaults.

    Raises:
        ImportError: a package that finds landmarks is not installed.
        OSError, ValueError: the data set or a setting cannot be used, or the Hub cannot be reached.
    """
    chosen = PrepareSettings(**((settings_like(like) if like is not None else {}) | settings))
    source = read_source(form, path)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if is_finished(source, chosen, output):
        console.print(f"{output} holds this data set already")
        splits = load_whole(output)
    else:
        splits = prepare(source, chosen, output, num_proc)
        finish(splits, source, chosen, output)
    for split, dataset in splits.items():
        console.print(f"{split}: {describe(dataset)}")
    for sentence in count_copies(find_shared_images(splits)):
        console.print(sentence)
    if problems := count_problems(output / "report"):
        console.print(f"Problems: {problems}, listed in {output}/report/problems.csv")
    if repository is not None:
        console.print(upload(Push(output, repository, "dataset", private)))

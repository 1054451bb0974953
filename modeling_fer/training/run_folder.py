"""Folders that are written whole or not at all, whatever happens meanwhile."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from modeling_fer.data.json_files import replace_text


def holds_run(folder: Path) -> bool:
    """Whether a run has written something into a folder that another would replace."""
    parts = ("best", "last", "state")
    return any((folder / name).exists() for name in [*parts, *(f"{part}.old" for part in parts), "metrics.jsonl"])


def replace_folder(folder: Path, new: Path) -> None:
    """Puts `new` in place of `folder`, so that at every moment one of the two is whole."""
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def restore_folder(folder: Path) -> bool:
    """Undoes a `replace_folder` that was cut off between its two moves.

    Returns:
        Whether `folder` exists now.
    """
    old = folder.with_name(f"{folder.name}.old")
    if old.is_dir() and not folder.exists():
        os.replace(old, folder)
    return folder.is_dir()


def drop_state(folder: Path) -> None:
    """Removes what only going on needs, three fifths of a run folder, from a run of a study that never goes on."""
    shutil.rmtree(folder / "state", ignore_errors=True)


def keep_epochs(metrics: Path, epochs: int) -> None:
    """Drops the lines of epochs after the first `epochs` ones, which are going to be repeated."""
    if metrics.is_file():
        lines = metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        replace_text(metrics, "".join(line for line in lines if json.loads(line)["epoch"] <= epochs))


@contextmanager
def whole_or_not(folder: Path, new: Path) -> Iterator[None]:
    """Says in one sentence why `folder` could not be written, and removes what was written of `new`.

    Raises:
        OSError: as when the disk is full.
    """
    try:
        yield
    # torch.save and safetensors have errors of their own for a failed write.
    except (OSError, RuntimeError, SafetensorError) as error:
        shutil.rmtree(new, ignore_errors=True)
        raise OSError(
            f"{folder} could not be written ({error}); what was saved before is kept. Free some space, then resume."
        ) from error

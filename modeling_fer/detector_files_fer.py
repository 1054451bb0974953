"""Where the networks of a detector lie: in the package, and beside every checkpoint, for those who load it without the package."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGED = Path(__file__).with_name("detectors")
"""Folder of all detectors' files, where the package is installed."""


def find_files(detector: str, files: Sequence[str], checkpoint: str | Path, **options: Any) -> Path:
    """The folder that holds the files of a detector: the package's, or else the checkpoint's, downloaded where it is on the Hub.

    Args:
        detector: its name.
        files: the names of its files.
        checkpoint: folder or repository.
        options: for `transformers.utils.cached_file`: revision, token and so on.

    Raises:
        OSError: the checkpoint has none of them.
    """
    if (PACKAGED / detector).is_dir():
        return PACKAGED / detector
    try:
        return _fetch(PACKAGED.name, files, checkpoint, **options)
    except OSError:
        # Versions up to 0.2 wrote a folder for each detector.
        with suppress(OSError):
            return _fetch(f"{PACKAGED.name}/{detector}", files, checkpoint, **options)
        raise


def _fetch(folder: str, files: Sequence[str], checkpoint: str | Path, **options: Any) -> Path:
    """A folder of a checkpoint, with some of its files."""
    from transformers.utils import cached_file

    paths = [cached_file(checkpoint, f"{folder}/{name}", **options) for name in files]
    return Path(str(paths[0])).parent


def copy_files(folder: Path, files: Sequence[str], checkpoint: str | Path) -> None:
    """Puts the files of a detector beside a checkpoint: in one folder, as transformers uploads no folders within folders.

    Args:
        folder: holds them, see `find_files`.
        files: their names.
        checkpoint: folder of the checkpoint.
    """
    beside = Path(checkpoint) / PACKAGED.name
    beside.mkdir(parents=True, exist_ok=True)
    for name in files:
        if not (beside / name).exists() or not (beside / name).samefile(folder / name):
            shutil.copyfile(folder / name, beside / name)

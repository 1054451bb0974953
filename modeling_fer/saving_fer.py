"""A checkpoint saved and uploaded at once: all that it needs, in one commit, and nothing else that lies in its folder.

transformers uploads in the midst of saving, when what its subclasses add is not there yet.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers.utils import PushToHubMixin

COMMIT_OPTIONS = ("commit_description", "private", "token", "revision", "create_pr", "tags")
"""What transformers' `push_to_hub` takes, beside the message."""


class SavedFolder(PushToHubMixin):
    """A folder for transformers to upload.

    Args:
        folder: holds what is saved already.
    """

    def __init__(self, folder: str | Path):
        self.folder = folder

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> None:
        """Puts a copy where transformers uploads it from."""
        _copy_files(Path(self.folder), Path(save_directory))


def save_and_upload(saved: PushToHubMixin, folder: str | Path, **options: Any) -> None:
    """Saves a model, an image processor or a pipeline to a folder, and uploads what it saved there in one commit.

    Args:
        saved: what has `save_pretrained`.
        folder: where it is saved; what else lies there is not uploaded.
        options: repo_id (the folder's name in the user's namespace where it is not given), commit_message and `COMMIT_OPTIONS`; the
            others are those of `save_pretrained`.

    Raises:
        OSError: the folder cannot be written to, or the Hub cannot be reached or refuses; the folder is complete then.
    """
    repository = options.pop("repo_id", None) or Path(folder).resolve().name
    message = options.pop("commit_message", None) or f"Upload {type(saved).__name__}"
    commit = {name: options.pop(name) for name in COMMIT_OPTIONS if name in options}
    with TemporaryDirectory() as new:
        saved.save_pretrained(new, **options)
        _copy_files(Path(new), Path(folder))
        SavedFolder(new).push_to_hub(repository, commit_message=message, **commit)


def _copy_files(source: Path, target: Path) -> None:
    """Puts the files of a folder, and of folders in it, into another, whose own rights stay as they are."""
    for file in source.rglob("*"):
        if file.is_file():
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


__all__ = ["save_and_upload"]

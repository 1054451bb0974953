"""`fer push`: a model, a prepared data set or the Space published on the Hub in one commit."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from modeling_fer.checkpoints import checkpoint_folder, find_checkpoint
from modeling_fer.hub import KINDS
from modeling_fer.hub.push import Push, list_files, upload

if TYPE_CHECKING:
    # Only what is written here needs torch.
    from modeling_fer.training.measurement import Result


def write_folder(what: str, folder: Path, repository: str, results: Path | None, release: Path | None) -> Path:
    """Writes what a repository is to hold. A data set is sent as it lies, and so is a release that has its code already.

    Args:
        what: one of `KINDS`.
        folder: run folder or checkpoint; or the folder of a release, a prepared data set or the Space.
        repository: `user/name`, for the card of a model or release.
        results: results file of the model, for its card.
        release: where it is written; release/ in the run, or a folder in build/, if None.

    Returns:
        The folder to send.

    Raises:
        OSError, ValueError: the folder does not hold what it should, or cannot be written to.
    """
    if what not in KINDS:
        raise ValueError(f"{what!r} cannot be pushed; give one of {', '.join(KINDS)}.")
    if what == "dataset":
        from modeling_fer.data.prepared import check_prepared

        check_prepared(folder)
        return folder
    # Only what is written here needs torch.
    from modeling_fer.hub.release import complete_checkpoint, release_run, release_space

    if what == "release":
        checkpoint = Path(find_checkpoint(str(folder)))
        if any(checkpoint.glob("*_fer.py")):
            if release is not None:
                raise ValueError(f"{checkpoint} has its code already and is sent as it lies; leave out --release.")
            return checkpoint
        complete_checkpoint(checkpoint, target := release or Path("build") / checkpoint.name, repository)
        return target
    if what == "space":
        release_space(folder, target := release or Path("build/space"))
        return target
    target = release or folder / "release"
    shown = read_own_results(results, folder) if results is not None else []
    release_run(folder, repository, target, shown, checkpoint_folder() / "example.jpg")
    return target


def read_own_results(file: Path, folder: Path) -> list["Result"]:
    """The results that a model's card is to show.

    Args:
        file: that `fer evaluate` wrote.
        folder: run folder or checkpoint that is pushed.

    Raises:
        OSError, ValueError: file or checkpoint cannot be read, or a result is of another checkpoint.
    """
    from modeling_fer.inference.loading import load_checkpoint
    from modeling_fer.training.measurement import digest_checkpoint, find_foreign, read_results

    results = read_results(file)
    if all(one.checkpoint is None for one in results):
        return results
    # As the release chooses it.
    checkpoint = folder / "best" if (folder / "best").is_dir() else folder
    foreign = find_foreign(results, digest_checkpoint(load_checkpoint(checkpoint)))
    if foreign is not None:
        raise ValueError(
            f"{file} has results of another checkpoint than {checkpoint}, or of this one before it was calibrated "
            f"({foreign.measurement.name}); measure what is pushed by fer evaluate {checkpoint} with another --output."
        )
    return results


def push_folder(
    what: str,
    folder: Path,
    repository: str,
    results: Path | None,
    release: Path | None,
    dry_run: bool,
    private: bool,
    revision: str,
    tag: str | None,
) -> None:
    """Writes the folder if need be, then lists what would be sent or sends it.

    Args:
        what, folder, repository, results, release: as for `write_folder`.
        dry_run: list the files, and send nothing.
        private, revision, tag: see `Push`.

    Raises:
        OSError, ValueError: as for `write_folder`, or the Hub cannot be reached.
    """
    kind = "model" if what == "release" else what
    console = Console(soft_wrap=True, highlight=False, markup=False)
    push = Push(write_folder(what, folder, repository, results, release), repository, kind, private, revision, tag)
    if not dry_run:
        console.print(upload(push))
        return
    for file in list_files(push):
        console.print(f"{(push.folder / file).stat().st_size:>12,}  {file}")
    console.print(f"{push.folder} would be sent to the {kind} {push.repository}, branch {push.revision}; nothing was sent")

"""The checkpoints that the package brings along, each a folder laid out as a Hub repository."""

from pathlib import Path

DEFAULT_CHECKPOINT = "fer-base"


def checkpoint_folder(name: str = DEFAULT_CHECKPOINT) -> Path:
    """Where a bundled checkpoint lies, to be given to `from_pretrained` or `pipeline`.

    Args:
        name: name of the checkpoint.

    Raises:
        ValueError: the package brings no checkpoint of that name.
    """
    folder = Path(__file__).parent / name
    if not (folder / "config.json").is_file():
        bundled = sorted(path.parent.name for path in Path(__file__).parent.glob("*/config.json"))
        raise ValueError(f"The package brings no checkpoint {name!r}; it brings {', '.join(bundled)}.")
    return folder


def find_checkpoint(source: str | Path | None) -> str | Path:
    """What to give to `from_pretrained`: the default where there is no source, the folder of a bundled checkpoint where its name is
    given and no folder here has that name, else the source itself.
    """
    if source is None:
        return checkpoint_folder()
    bundled = Path(__file__).parent / str(source)
    if "/" not in str(source) and not Path(source).exists() and (bundled / "config.json").is_file():
        return bundled
    return source

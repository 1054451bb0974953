"""The checkpoints that the package brings along, each a folder laid out as a Hub repository."""

from pathlib import Path

DEFAULT_CHECKPOINT = "fer-plus-48"


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

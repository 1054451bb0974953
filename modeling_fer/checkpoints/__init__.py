"""The checkpoints that the package brings along, each a folder laid out as a Hub repository."""

import os
from difflib import get_close_matches
from pathlib import Path

DEFAULT_CHECKPOINT = "fer-base"


def checkpoint_folder(name: str = DEFAULT_CHECKPOINT) -> Path:
    """Where a bundled checkpoint lies, to be given to `from_pretrained` or `pipeline`.

    Args:
        name: name of the checkpoint.

    Raises:
        ValueError: the package brings no checkpoint of that name.
    """
    if name not in list_bundled():
        raise ValueError(f"The package brings no checkpoint {name!r}; it brings {', '.join(list_bundled())}.")
    return Path(__file__).parent / name


def list_bundled() -> list[str]:
    """The names of the bundled checkpoints."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/config.json"))


def find_checkpoint(source: str | Path | None) -> str | Path:
    """What to give to `from_pretrained`: the default where there is no source, the folder of a bundled checkpoint where its name is
    given and no folder here has that name, the best epoch where a run folder is given, else the source itself.

    Args:
        source: a folder or file, a bundled checkpoint's name, or a repository of the Hub (user/name).

    Raises:
        ValueError: it is a name, and no folder or bundled checkpoint has it; or it is a folder that may not be read.
    """
    if source is None:
        return checkpoint_folder()
    path, name = Path(source), str(source)
    if path.exists():
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            from modeling_fer.names_fer import forbidden

            raise ValueError(forbidden(path))
        is_run = not (path / "config.json").is_file() and (path / "best" / "config.json").is_file()
        return path / "best" if is_run else source
    if len(path.parts) > 1:
        return source
    bundled = list_bundled()
    if name not in bundled:
        close = get_close_matches(name, bundled, n=1)
        raise ValueError(
            f"{name} is neither a folder nor a bundled checkpoint ({', '.join(bundled)})"
            + (f"; did you mean {close[0]}?" if close else "; a repository of the Hub is named user/name.")
        )
    return checkpoint_folder(name)

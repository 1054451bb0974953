"""The files in results/."""

import json
from pathlib import Path
from typing import Any

CHECKPOINTS = ("fer-base", "fer-tiny")
"""The bundled checkpoints, in the order in which tables name them."""


def write_result(file: Path, result: Any) -> None:
    """Writes a result as JSON, and the folder that it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def read(results: Path, name: str) -> Any:
    """A file of results by its name, without suffix.

    Raises:
        FileNotFoundError: there is none.
    """
    file = results / f"{name}.json"
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist; python scripts/reproduce.py lists the command that writes it.")
    return json.loads(file.read_text(encoding="utf-8"))


def read_bundled(results: Path, name: str) -> dict[str, Any]:
    """What a file of results says of the bundled checkpoints."""
    return {checkpoint: one for checkpoint, one in read(results, name).items() if checkpoint in CHECKPOINTS}

"""Results as JSON files that a stopped program leaves whole."""

import json
import os
from pathlib import Path
from typing import Any


def write_json(file: str | Path, value: Any, indent: int | None = 1) -> None:
    """Writes a value, and the folder that its file lies in."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps(value, indent=indent) + "\n")


def replace_text(file: str | Path, text: str) -> None:
    """Writes a file that is either the old one or the new one, never a part of it."""
    file = Path(file)
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, file)


def read_kept(file: str | Path) -> dict[str, Any]:
    """What `keep_result` wrote; nothing where there is no file."""
    return json.loads(Path(file).read_text(encoding="utf-8")) if Path(file).is_file() else {}


def keep_result(file: str | Path, name: str, result: Any) -> None:
    """Writes one named result beside those that the file has."""
    write_json(file, read_kept(file) | {name: result})

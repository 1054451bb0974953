"""The files in results/."""

import json
from pathlib import Path
from typing import Any


def write_result(file: Path, result: Any) -> None:
    """Writes a result as JSON, and the folder that it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

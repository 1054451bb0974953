"""The files in results/."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modeling_fer.training.measurement import Result, read_results

CHECKPOINTS = ("fer-base", "fer-tiny")
"""The bundled checkpoints, in the order in which tables name them."""


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


def read_measured(results: Path, name: str) -> dict[str, Result]:
    """What `fer evaluate` wrote of a checkpoint, by the name of each measurement."""
    return {one.measurement.name: one for one in read_results(results / f"{name}.json")}


def read_prior(measured: Iterable[Result]) -> float:
    """The prior strength of a checkpoint: beside it, the suite measures only strength 0."""
    return max(one.measurement.prior_strength for one in measured)

"""Keeps what the combinations of a search scored on validation, from the trials.csv that `fer search` writes.

python scripts/tabulate_search.py runs/figure9 runs/figure10 --output results/search.json
"""

import argparse
import csv
from pathlib import Path
from typing import Any

from modeling_fer.data.json_files import write_json

PARAMETER = "params_"


def read_trials(file: Path) -> list[dict[str, Any]]:
    """The finished combinations in the order of their settings: each one's settings by name, and its accuracy."""
    with open(file, encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["state"] == "COMPLETE"]
    trials = [
        {
            "settings": {key.removeprefix(PARAMETER): float(row[key]) for key in row if key.startswith(PARAMETER)},
            "accuracy": float(row["value"]),
        }
        for row in rows
    ]
    return sorted(trials, key=lambda trial: list(trial["settings"].values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("searches", nargs="+", type=Path, help="folders that fer search wrote")
    parser.add_argument("--output", type=Path, required=True, help="JSON file for the scores")
    arguments = parser.parse_args()
    missing = [folder for folder in arguments.searches if not (folder / "trials.csv").is_file()]
    if missing:
        parser.error(f"{missing[0]} holds no trials.csv; fer search writes it.")
    found = {folder.name: read_trials(folder / "trials.csv") for folder in arguments.searches}
    write_json(arguments.output, found)


if __name__ == "__main__":
    main()

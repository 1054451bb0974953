"""Keeps what runs with one thing changed scored on validation, each at its best epoch.

python scripts/tabulate_ablation.py runs/ablation --output results/ablation.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

from modeling_fer.data.json_files import write_json

SCORES = ("epoch", "accuracy", "auxiliary_accuracy", "uar", "calibration_error")


def best_epoch(run: Path) -> dict[str, Any]:
    """The line of a run's metrics.jsonl with the highest score; a second label set is left out where none was learned."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    best = max(lines, key=lambda line: line["score"])
    seconds = sum(line["seconds"] for line in lines)
    return {**{name: best[name] for name in SCORES if name in best}, "epochs": len(lines), "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of the runs, each by the name of what was changed")
    parser.add_argument("--output", type=Path, required=True, help="JSON file for the scores")
    arguments = parser.parse_args()
    runs = {file.parent.name: best_epoch(file.parent) for file in sorted(arguments.runs.glob("*/metrics.jsonl"))}
    if not runs:
        parser.error(f"{arguments.runs} holds no RUN/metrics.jsonl; fer train writes them.")
    write_json(arguments.output, runs)


if __name__ == "__main__":
    main()

"""Prints the table of a comparison by cross-validation, from the results.json files of its runs.

    python scripts/tabulate_results.py runs/ckplus48 --output results/ckplus48.json

Runs of one method lie in folders METHOD-SEED. The summary that --output names can be tabulated again without the runs:

    python scripts/tabulate_results.py results/ckplus48.json
"""

import argparse
import json
from pathlib import Path

import numpy as np

from modeling_fer.cross_validation import AVERAGED

Runs = dict[str, dict[str, dict]]


def read_runs(folder: Path) -> Runs:
    """By method and seed, the results of every run in a folder."""
    runs: Runs = {}
    for file in sorted(folder.glob("*-*/results.json")):
        method, _, seed = file.parent.name.rpartition("-")
        result = json.loads(file.read_text())
        kept = {
            key: result[key]
            for key in ("accuracy", "uar", "macro_f1", "pooled_accuracy", "seconds", "confusion", "label_names")
        }
        runs.setdefault(method, {})[seed] = {**kept, "fold_accuracies": [fold["accuracy"] for fold in result["folds"]]}
    return runs


def tabulate(runs: Runs, baseline: str = "baseline") -> str:
    """The table in Markdown: for each method the mean over folds and seeds, its deviation over folds, and its distance to the
    baseline's with the standard error over the folds of the seeds that both have."""
    lines = [
        "| method | seeds | accuracy | deviation over folds | UAR | macro-F1 | minus baseline | minutes a seed |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for method, seeds in sorted(runs.items(), key=lambda item: np.mean([run["accuracy"] for run in item[1].values()])):
        accuracy, uar, f1 = (100 * np.mean([run[name] for run in seeds.values()]) for name in AVERAGED)
        deviation = 100 * np.mean([np.std(run["fold_accuracies"], ddof=1) for run in seeds.values()])
        minutes = np.mean([run["seconds"] for run in seeds.values()]) / 60
        gain = compare(seeds, runs.get(baseline, {})) if method != baseline else ""
        lines.append(
            f"| {method} | {len(seeds)} | {accuracy:.1f} | {deviation:.1f} | {uar:.1f} | {f1:.1f} | {gain} | {minutes:.0f} |"
        )
    return "\n".join(lines)


def compare(seeds: dict[str, dict], others: dict[str, dict]) -> str:
    """Mean difference of accuracy in points, fold by fold, with its standard error."""
    shared = [seed for seed in seeds if seed in others]
    if not shared:
        return ""
    differences = np.concatenate(
        [np.subtract(seeds[seed]["fold_accuracies"], others[seed]["fold_accuracies"]) for seed in shared]
    )
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return f"{100 * differences.mean():+.1f} ± {100 * error:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of runs, or a summary that --output wrote")
    parser.add_argument("--output", type=Path, help="JSON file for the summary")
    arguments = parser.parse_args()
    if not arguments.runs.exists():
        parser.error(f"{arguments.runs} does not exist; give the folder that holds METHOD-SEED/results.json.")
    runs = read_runs(arguments.runs) if arguments.runs.is_dir() else json.loads(arguments.runs.read_text())
    if not runs:
        parser.error(f"{arguments.runs} holds no METHOD-SEED/results.json; scripts/cross_validate.py writes them.")
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(runs, indent=1) + "\n")
    print(tabulate(runs))


if __name__ == "__main__":
    main()

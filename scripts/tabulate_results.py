"""Prints the table of a comparison by cross-validation, from the results.json files of its runs.

    python scripts/tabulate_results.py runs/ckplus48 --output results/ckplus48.json

Runs of one method lie in folders METHOD-SEED. METHOD_pretrained, which started from a network that knows faces, is compared
with baseline_pretrained alone, and so are METHOD_literal, trained as the paper trains, and METHOD_finetuned, which started
from a bundled checkpoint. The summary that --output names can be tabulated again without the runs:

    python scripts/tabulate_results.py results/ckplus48.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from modeling_fer.data.json_files import write_json
from modeling_fer.training.cross_validation import AVERAGED
from modeling_fer.training.environment import Environment
from modeling_fer.training.figures import draw_confusion

VARIANTS = {"pretrained": "tab:orange", "literal": "tab:green", "finetuned": "tab:red"}
"""Other ways to train a method, by the end of its name, and their colours."""
Runs = dict[str, dict[str, dict[str, Any]]]


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
        folds = [fold["accuracy"] for fold in result["folds"]]
        runs.setdefault(method, {})[seed] = {**kept, "fold_accuracies": folds, "environments": result.get("environments", [])}
    return runs


def code_of(runs: Runs) -> list[str]:
    """The versions of the code that runs were made by."""
    all_runs = [run for seeds in runs.values() for run in seeds.values()]
    noted = {Environment(**one).code for run in all_runs for one in run.get("environments", [])}
    return sorted(noted | {"one that is not noted" for run in all_runs if not run.get("environments")})


def tabulate(runs: Runs) -> str:
    """The table in Markdown: for each method the mean over folds and seeds, its deviation over folds, and its distance to the
    baseline's with the standard error over the folds of the seeds that both have. A gain within two of these errors is not shown."""
    lines = [
        "| method | seeds | accuracy | deviation over folds | UAR | macro-F1 | minus baseline | minutes a seed |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for method, seeds in sorted(runs.items(), key=lambda item: np.mean([run["accuracy"] for run in item[1].values()])):
        accuracy, uar, f1 = (100 * np.mean([run[name] for run in seeds.values()]) for name in AVERAGED)
        deviation = 100 * np.mean([np.std(run["fold_accuracies"], ddof=1) for run in seeds.values()])
        minutes = np.mean([run["seconds"] for run in seeds.values()]) / 60
        baseline = own_baseline(method)
        gain = compare(seeds, runs.get(baseline, {})) if method != baseline else ""
        lines.append(
            f"| {method} | {len(seeds)} | {accuracy:.1f} | {deviation:.1f} | {uar:.1f} | {f1:.1f} | {gain} | {minutes:.0f} |"
        )
    return "\n".join(lines)


def own_baseline(method: str) -> str:
    """The baseline that a method is compared with: one that was trained in the same way."""
    variant = variant_of(method)
    return f"baseline_{variant}" if variant in VARIANTS else "baseline"


def variant_of(method: str) -> str:
    """The end of a method's name, which says how it was trained where it is one of `VARIANTS`."""
    return method.rpartition("_")[2]


def compare(seeds: dict[str, dict[str, Any]], others: dict[str, dict[str, Any]]) -> str:
    """Mean difference of accuracy in points, fold by fold, with its standard error."""
    shared = [seed for seed in seeds if seed in others]
    if not shared:
        return ""
    differences = np.concatenate(
        [np.subtract(seeds[seed]["fold_accuracies"], others[seed]["fold_accuracies"]) for seed in shared]
    )
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return show_difference(100 * differences.mean(), 100 * error, digits=1)


def show_difference(mean: float, error: float, digits: int) -> str:
    """A mean difference with its standard error; one within two of these is not shown to be there."""
    return f"{mean:+.{digits}f} ± {error:.{digits}f}{'' if abs(mean) > 2 * error else ', not shown'}"


def draw_methods(runs: Runs) -> Figure:
    """Accuracy of each method over its folds and seeds, with its standard error; other ways to train in other colours."""
    figure = Figure(figsize=(7, 1 + 0.35 * len(runs)), layout="constrained")
    axes = figure.add_subplot()
    folds = {name: 100 * np.concatenate([run["fold_accuracies"] for run in seeds.values()]) for name, seeds in runs.items()}
    for place, (method, accuracies) in enumerate(sorted(folds.items(), key=lambda item: item[1].mean())):
        error = accuracies.std(ddof=1) / np.sqrt(len(accuracies))
        colour = VARIANTS.get(variant_of(method), "tab:blue")
        axes.errorbar(accuracies.mean(), place, xerr=error, fmt="o", capsize=4, color=colour)
        axes.text(-0.01, place, method, transform=axes.get_yaxis_transform(), ha="right", va="center")
    axes.set(xlabel="accuracy in percent, mean over folds and seeds ± standard error", yticks=[])
    return figure


def draw_method(seeds: dict[str, dict[str, Any]]) -> Image.Image:
    """The confusion matrix of a method over all its seeds."""
    [names] = {tuple(run["label_names"]) for run in seeds.values()}
    return draw_confusion(np.sum([run["confusion"] for run in seeds.values()], axis=0), names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of runs, or a summary that --output wrote")
    parser.add_argument("--output", type=Path, help="JSON file for the summary")
    parser.add_argument("--figure", type=Path, help="picture of the accuracies to write")
    parser.add_argument(
        "--confusion", type=Path, help="picture of the confusion matrix of one method, over all its seeds, to write"
    )
    parser.add_argument("--confused", default="hybrid", help="that method; %(default)s")
    arguments = parser.parse_args()
    if not arguments.runs.exists():
        parser.error(f"{arguments.runs} does not exist; give the folder that holds METHOD-SEED/results.json.")
    runs = read_runs(arguments.runs) if arguments.runs.is_dir() else json.loads(arguments.runs.read_text())
    if not runs:
        parser.error(f"{arguments.runs} holds no METHOD-SEED/results.json; fer cross-validate writes them.")
    if arguments.output is not None:
        write_json(arguments.output, runs)
    if arguments.figure is not None:
        draw_methods(runs).savefig(arguments.figure, dpi=110)
    if arguments.confusion is not None:
        if arguments.confused not in runs:
            parser.error(f"there is no run of {arguments.confused}; there are {', '.join(runs)}.")
        draw_method(runs[arguments.confused]).save(arguments.confusion)
    print(tabulate(runs))
    if len(made_by := code_of(runs)) > 1:
        print(
            f"\nThese runs were made by {len(made_by)} versions of the code: {', '.join(made_by)}. What differs may be these."
        )


if __name__ == "__main__":
    main()

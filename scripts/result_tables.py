"""The tables of RESULTS.md, README.md and model_card.md, in Markdown, each made from the files in results/."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from explanation_tables import faithfulness_table, forms_table, methods_faithfulness_table, parts_table, randomized_table
from markdown_tables import markdown
from result_files import CHECKPOINTS, read, read_measured, read_prior
from speed_tables import benchmark_table, cost_table, detectors_table, page_table, profile_table, speed_table
from tabulate_results import compare, tabulate
from training_tables import (
    ablation_table,
    contributions_table,
    degradations_table,
    distillation_table,
    gate_table,
    prior_table,
)

from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.training.measurement import DATASET_NAMES, Measurement, Result
from modeling_fer.training.suite import FERPLUS


def suite_name(result: Result) -> str:
    """What was measured, without its prior strength."""
    one, classes = result.measurement, len(result.scores["recall"])
    own = f"{classes} classes" if one.dataset in FERPLUS else f"its own {classes} labels"
    what = (
        f"{classes} classes, zero-shot"
        if one.without
        else f"{classes} classes, fine-tuned in {one.folds} folds"
        if one.folds
        else own
    )
    split = "" if one.split == "all" or one.folds else f" {one.split}"
    return f"{DATASET_NAMES[one.dataset]}{split}, {what}{', second output layer' if one.auxiliary else ''}"


def suite_table(results: Path) -> str:
    """What the bundled checkpoints score, beside each other."""
    header = ["data", "images", "prior strength"]
    for name in CHECKPOINTS:
        header += [f"{name}: accuracy", "UAR", "calibration error"]
    first, *others = (read_measured(results, name) for name in CHECKPOINTS)
    rows = []
    for name, result in first.items():
        one = result.measurement
        prior = "as trained" if one.auxiliary or one.folds else f"{one.prior_strength:g}"
        row = [suite_name(result), f"{result.scores['images']:,}", prior]
        for scores in (result.scores, *(other[name].scores for other in others)):
            row += [f"**{scores['accuracy']:.1%}**", f"{scores['uar']:.1%}", f"{scores['calibration_error']:.3f}"]
        rows.append(row)
    return markdown(header, rows)


def recall_table(results: Path, name: str) -> str:
    """The recall of each expression."""
    rows = []
    for result in read_measured(results, name).values():
        recall = result.scores["recall"]
        shown = [f"{recall[expression]:.1%}" if expression in recall else "" for expression in EXPRESSIONS]
        rows.append([suite_name(result), f"{result.measurement.prior_strength:g}", *shown])
    return markdown([name, "prior", *EXPRESSIONS], rows)


def methods_table(results: Path) -> str:
    """The comparison of methods on CK+48."""
    return tabulate(read(results, "ckplus48"))


COMPARED = (
    ("hybrid", "weakly"), ("fully", "hybrid"), ("fully", "weakly"),
    ("weakly_pretrained", "hybrid_pretrained"), ("hybrid_pretrained", "fully_pretrained"),
    ("weakly_pretrained", "fully_pretrained"), ("weakly_pretrained", "sparsity_pretrained"),
    ("baseline_pretrained", "baseline"), ("hybrid_pretrained", "hybrid"), ("hybrid_finetuned", "hybrid_pretrained"),
    ("hybrid_literal", "hybrid"), ("baseline_literal", "baseline"),
)  # fmt: skip
"""Methods that are compared with each other, beside each with its baseline."""


def pairs_table(results: Path) -> str:
    """Methods on CK+48 beside each other, fold by fold of the seeds that both have."""
    runs = read(results, "ckplus48")
    known = [(one, other) for one, other in COMPARED if one in runs and other in runs]
    rows = [[f"{one} minus {other}", compare(runs[one], runs[other])] for one, other in known]
    return markdown(["CK+48", "difference in points"], rows)


CROWD = ("kullback_leibler", "jensen_shannon", "entropy", "entropy_of_votes", "entropy_correlation")
"""What is told of the distance to the votes of the crowd."""


def calibration_table(results: Path) -> str:
    """Calibration, distance to the crowd, and the answer "uncertain"."""
    header = [
        "checkpoint", "calibration error, equal width", "equal mass", "Kullback-Leibler from the votes", "Jensen-Shannon",
        "entropy", "entropy of the votes", "correlation of entropies", "uncertain below", "uncertain", "accuracy of all",
        "accuracy of the certain",
    ]  # fmt: skip
    rows = []
    for name, one in read(results, "probabilities").items():
        calibration, crowd, uncertain = one["calibration"], one["crowd"], one["uncertain"]
        rows.append(
            [
                name,
                *(f"{calibration[key]:.3f}" for key in ("equal_width", "equal_mass")),
                *(f"{crowd[key]:.3f}" for key in CROWD),
                f"{uncertain['below']:.2f}",
                *(f"{uncertain[key]:.1%}" for key in ("uncertain", "accuracy", "accuracy_of_certain")),
            ]
        )
    return markdown(header, rows)


def sets_table(results: Path) -> str:
    """How often sets of expressions hold the label, by class, and how large they are."""
    rows = []
    for name, one in read(results, "probabilities").items():
        for coverage, sets in one["sets"].items():
            by_class = [f"{sets['coverage_by_class'][expression]:.0%}" for expression in EXPRESSIONS]
            size, single = f"{sets['size']:.2f}", f"{sets['single']:.0%}"
            rows.append([name, f"{float(coverage):.0%}", f"{sets['coverage']:.1%}", size, single, *by_class])
    return markdown(["checkpoint", "promised", "covered", "expressions a set", "sets of one", *EXPRESSIONS], rows)


def robustness_table(results: Path) -> str:
    """Accuracy on disturbed images, the disturbances in the order in which they were measured."""
    measured = read(results, "robustness")
    first = next(iter(measured.values()))
    rows = []
    for disturbance, strengths in first.items():
        if isinstance(strengths, dict):
            for strength in strengths:
                rows.append(robustness_row(measured, disturbance, strength))
    return markdown([f"accuracy on FER+ {first['split']}, {first['images']:,} images", *measured], rows)


def robustness_row(measured: dict[str, Any], disturbance: str, strength: str) -> list[str]:
    """The accuracy of each checkpoint under one disturbance."""
    accuracies = [f"{one[disturbance][strength]['accuracy']:.1%}" for one in measured.values()]
    return [f"{disturbance} {strength}".strip(), *accuracies]


SHORTLY = (
    ("clean", ""), ("size", "24"), ("size", "16"), ("blur", "1.5"), ("dark", "0.25"), ("bright", "2"), ("noise", "0.1"),
    ("jpeg", "20"), ("rotation", "20"), ("covered", "eyes"), ("covered", "mouth"),
)  # fmt: skip
"""Disturbances that the model card tells of."""


def short_robustness_table(results: Path) -> str:
    """The same for the few disturbances of the model card."""
    measured = read(results, "robustness")
    return markdown(["accuracy", *measured], [robustness_row(measured, *disturbed) for disturbed in SHORTLY])


UNKNOWN = "not compared"
REPORTED = {
    "baseline": "90.48",
    "fully": "between the baseline and the weakly supervised",
    "contiguity": UNKNOWN,
    "sparsity": UNKNOWN,
    "weakly": "between the fully supervised and the hybrid",
    "hybrid": "93.64",
}
"""What the paper reports of its methods on CK+."""


def paper_table(results: Path) -> str:
    """The methods here beside what the paper reports of them."""
    runs = read(results, "ckplus48")
    rows = [[method, mean_accuracy(runs[method]), said] for method, said in REPORTED.items() if method in runs]
    return markdown(["method", "here, CK+48, 7 classes", "the paper, CK+, 8 classes"], rows)


def mean_accuracy(seeds: dict[str, Any]) -> str:
    """In points, over the seeds of a method."""
    return f"{100 * np.mean([run['accuracy'] for run in seeds.values()]):.1f}"


def search_table(results: Path, name: str) -> str:
    """What the combinations of a search scored on the validation images of its split."""
    trials = read(results, "search")[name]
    settings = [key.split(".")[-1].replace("_", " ") for key in trials[0]["settings"]]
    rows = [[*(f"{value:g}" for value in trial["settings"].values()), f"{100 * trial['accuracy']:.1f}"] for trial in trials]
    return markdown([*settings, "validation accuracy"], rows)


def packages_table(results: Path) -> str:
    """The bundled checkpoints beside the packages that are installed instead, on the same images.

    Raises:
        ValueError: they were measured on different numbers of images.
    """
    measured: dict[str, dict[str, Any]] = {}
    for name in CHECKPOINTS:
        own = read_measured(results, name)
        prior = read_prior(own.values())
        measured[name] = {
            "fer2013": own[Measurement("fer2013", "test", prior).name].scores,
            "ckplus48": own[Measurement("ckplus48", "all", prior, without=["contempt"]).name].scores,
        }
        second = own[Measurement("fer2013", "test", auxiliary=True).name].scores
        measured[f"{name}, second output layer"] = {"fer2013": second}
    packages = sorted(read(results, "packages").items(), key=lambda item: -item[1]["fer2013"]["accuracy"])
    measured |= {name.replace(" (", f" {one['version']} ("): one for name, one in packages}
    header, rows = ["network"], [[name] for name in measured]
    for dataset, title in (("fer2013", "FER-2013 test, its own 7 labels"), ("ckplus48", "CK+48, 6 classes")):
        images = {one[dataset]["images"] for one in measured.values() if dataset in one}
        if len(images) > 1:
            raise ValueError(f"The networks were measured on {sorted(images)} images of {dataset}; measure them on the same.")
        header += [f"{title}, {images.pop():,} images: accuracy", "UAR"]
        for row, one in zip(rows, measured.values(), strict=True):
            scores = one.get(dataset)
            row += ["-", "-"] if scores is None else [f"**{scores['accuracy']:.1%}**", f"{scores['uar']:.1%}"]
    return markdown(header, rows)


def nested_table(results: Path) -> str:
    """The comparison with settings searched inside each fold."""
    return tabulate(read(results, "ckplus48_nested"))


TABLES: Mapping[str, Callable[[Path], str]] = {
    "suite": suite_table,
    **{f"recall-{name}": partial(recall_table, name=name) for name in CHECKPOINTS},
    "methods": methods_table,
    "pairs": pairs_table,
    "calibration": calibration_table,
    "sets": sets_table,
    "robustness": robustness_table,
    "robustness-short": short_robustness_table,
    "faithfulness": faithfulness_table,
    "faithfulness-methods": methods_faithfulness_table,
    "randomized": randomized_table,
    "parts": parts_table,
    "cost": cost_table,
    "gate": gate_table,
    "ablation": ablation_table,
    "degradations": degradations_table,
    "distillation": distillation_table,
    "contributions": contributions_table,
    "forms": forms_table,
    "prior": prior_table,
    "nested": nested_table,
    "paper": paper_table,
    "figure9": partial(search_table, name="figure9"),
    "figure10": partial(search_table, name="figure10"),
    "detectors": detectors_table,
    "benchmark": benchmark_table,
    "page": page_table,
    "profile": profile_table,
    "speed": speed_table,
    "packages": packages_table,
}
"""By the name that stands in a text's marker."""

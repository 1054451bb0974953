"""The tables of RESULTS.md and model_card.md about training: what a change of recipe, form or prior brings on validation."""

from pathlib import Path
from typing import Any

from markdown_tables import markdown
from result_files import read

SCORES = ("accuracy", "uar", "auxiliary_accuracy")
"""Of a network on validation: by the votes of FER+, and by FER-2013's labels."""


def gate_table(results: Path) -> str:
    """How the gate may start, and what became of it."""
    rows = []
    for name, one in read(results, "gate").items():
        ends = "-" if one["map_means"] is None else "{:.2f} to {:.2f}".format(*one["map_means"])
        rows.append([name, f"{100 * one['accuracy']:.1f}", ends, f"{one['first_gradient']:.1e}"])
    header = ["start, activation, normalization", "validation accuracy", "mean of x̂, first step to last"]
    return markdown([*header, "gradient through the e-block, first step"], rows)


def prior_table(results: Path) -> str:
    """What fer-base scores on validation by both label sets with several priors, its output layers not joined."""
    rows = []
    for prior, one in read(results, "prior")["0"].items():
        rows.append([prior, *(score for labels in ("votes", "labels") for score in percents(one[labels], "accuracy", "uar"))])
    return markdown(["prior strength", "FER+ accuracy", "UAR", "FER-2013 labels, accuracy", "UAR"], rows)


def ablation_table(results: Path) -> str:
    """What one change of the recipe brings on validation, the reference first and then the best."""
    runs = read(results, "ablation")
    return runs_table("changed", runs, sorted(runs, key=lambda name: (name != "reference", -runs[name]["accuracy"])))


BESIDE = (
    ("noise", "0.05"), ("blur", "1.5"), ("size", "24"), ("jpeg", "20"), ("bright", "1.5"), ("shift", "0.15"), ("larger", "1.2"),
)  # fmt: skip
"""Disturbances that are shown of them."""


def degradations_table(results: Path) -> str:
    """What degraded images, wider boxes and a moving average bring on clean and on disturbed images of the validation split."""
    runs, measured = read(results, "degradations_runs"), read(results, "degradations")
    rows = []
    for name, one in measured.items():
        disturbed = [score for disturbance, strength in BESIDE for score in percents(one[disturbance][strength], "accuracy")]
        rows.append([name.replace("_", " "), *percents(runs[name], *SCORES), *disturbed])
    header = ["trained with", "FER+ accuracy", "UAR", "FER-2013 labels, accuracy"]
    return markdown([*header, *(" ".join(disturbed) for disturbed in BESIDE)], rows)


def distillation_table(results: Path) -> str:
    """What teachers score on validation, and the networks that learned from them."""
    runs = read(results, "distillation")
    return runs_table("network", runs, sorted(runs, key=lambda name: (name.startswith("fer"), name)))


def contributions_table(results: Path) -> str:
    """What each part of the way to the checkpoints brings on validation, everything else alike."""
    ablation, distillation = read(results, "ablation"), read(results, "distillation")
    reference = ablation["reference"]

    def mean_of(name: str) -> dict[str, float]:
        seeds = [one for run, one in distillation.items() if run.rpartition("-")[0] == name]
        return {score: sum(one[score] for one in seeds) / len(seeds) for score in SCORES}

    prior = read(results, "prior")
    without, with_prior = (prior["0"][strength]["votes"] for strength in ("0", "0.5"))
    one_layer, two_layers = prior["0"]["0"]["labels"], prior["second layer"]
    pairs = {
        "62 epochs instead of 10, warm-up and moving average as long (`fer-tiny`)": (reference, distillation["fer_tiny_start"]),
        "FER-2013's labels beside the votes (`fer-tiny`, 10 epochs)": (ablation["votes_only"], reference),
        "rare expressions drawn more often (`fer-tiny`, 10 epochs)": (ablation["classes_as_they_are"], reference),
        "residual blocks instead of plain ones (`fer-tiny`, 10 epochs)": (ablation["plain_blocks"], reference),
        "the answers of a better network (`fer-tiny`, 10 epochs)": (reference, ablation["teacher"]),
        "dlib's network as the start, with its recipe, instead of twice the filters (two seeds, 32 epochs)":
            (mean_of("residual"), mean_of("from_dlib")),
        "a prior of 0.5 (`fer-base`)": (without, with_prior),
    }  # fmt: skip
    rows = [[part, *map(arrow, percents(old, *SCORES), percents(new, *SCORES))] for part, (old, new) in pairs.items()]
    labels = arrow(f"{100 * one_layer['accuracy']:.1f}", f"{100 * two_layers['accuracy']:.1f}")
    rows.append(["FER-2013's labels by a layer of their own instead of the votes' (`fer-base`)", "-", "-", labels])
    return markdown(["part", "FER+ accuracy", "UAR", "FER-2013 labels, accuracy"], rows)


def arrow(before: str, after: str) -> str:
    """From one to the other; a dash where neither was measured."""
    return "-" if before == after == "-" else f"{before} → {after}"


def percents(scores: dict[str, float], *names: str) -> list[str]:
    """Scores in percent; a dash for one that was not measured."""
    return [f"{100 * scores[name]:.1f}" if scores.get(name) is not None else "-" for name in names]


def runs_table(first: str, runs: dict[str, Any], order: list[str]) -> str:
    """Runs at their best epochs, in an order."""
    rows = []
    for name in order:
        one = runs[name]
        trained = [f"{one['calibration_error']:.3f}", str(one["epochs"]), f"{one['seconds'] / 60:.1f}"]
        rows.append([name.replace("_", " "), *percents(one, *SCORES), *trained])
    header = [first, "FER+ accuracy", "UAR", "FER-2013 labels, accuracy", "calibration error", "epochs", "minutes"]
    return markdown(header, rows)

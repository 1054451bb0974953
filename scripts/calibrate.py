"""Finishes a trained checkpoint: joins its two output layers, fits its temperature, sets its prior, and fits the thresholds of its
sets of expressions and of the answer "uncertain".

    python scripts/calibrate.py runs/fer_base/best --data prepared/ferplus
    python scripts/calibrate.py runs/fer_base/best --data prepared/ferplus --auxiliary-share 0.4 --prior 0.3 \\
        --output runs/fer_base/released

The first prints what shares and priors score on the validation split, by both label sets, to choose by; the second writes the finished
checkpoint. The recipe is read from the run folder that the checkpoint lies in.
"""

import argparse
from copy import deepcopy
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor

from modeling_fer import FerForImageClassification, FerImageProcessor
from modeling_fer.data import load_splits
from modeling_fer.training.building import auxiliary_shares, recipe_columns, training_shares
from modeling_fer.training.calibration import fit_temperature, join_outputs, join_scores, shared_places
from modeling_fer.training.conformal import fit_doubt
from modeling_fer.training.evaluation import ExpressionMetrics, predict_logits
from modeling_fer.training.recipe import read_recipe
from modeling_fer.training.study import keep_result

AUXILIARY_SHARES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
PRIORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


def measure(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy, UAR and calibration error."""
    metrics = ExpressionMetrics().compute(predictions=logits.softmax(dim=1).numpy(), references=labels.numpy())
    return {name: metrics[name] for name in ("accuracy", "uar", "calibration_error")}


def show(scores: dict[str, float]) -> list[str]:
    """What `measure` gives, ready to be shown."""
    return [f"{scores['accuracy']:.2%}", f"{scores['uar']:.2%}", f"{scores['calibration_error']:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="e.g. best/ of a run, trained with the target 'both'")
    parser.add_argument("--data", required=True, help="folder of the prepared data set that it was trained on")
    parser.add_argument("--auxiliary-share", type=float, help="how much the second label set counts, in [0, 1]")
    parser.add_argument("--prior", type=float, help="prior_strength of the finished checkpoint, in [0, 1]")
    parser.add_argument("--output", help="folder for the finished checkpoint")
    parser.add_argument("--table", type=Path, help="JSON file for the tables that are printed to choose by")
    arguments = parser.parse_args()
    wanted = (arguments.auxiliary_share, arguments.prior, arguments.output)
    if any(value is None for value in wanted) != all(value is None for value in wanted):
        parser.error("give --auxiliary-share, --prior and --output together, or none of them to see the tables.")
    try:
        recipe = read_recipe(arguments.checkpoint.parent / "recipe.yaml")
        splits = load_splits(arguments.data, recipe.target, recipe.label_votes)
        train, validation = (recipe_columns(recipe, splits[split]) for split in ("train", "validation"))
        model = FerForImageClassification.from_pretrained(arguments.checkpoint, temperature=1.0, prior_strength=0.0)
        places = shared_places(model)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    processor = FerImageProcessor.from_pretrained(arguments.checkpoint)
    model.config.label_shares = training_shares(recipe, train)
    second_shares = auxiliary_shares(recipe, train)
    if arguments.output is not None:
        join_outputs(model, arguments.auxiliary_share, second_shares)
        logits, _ = predict_logits(model, processor, validation)
        model.config.temperature = round(fit_temperature(logits, validation.targets), 4)
        model.config.prior_strength = arguments.prior
        probabilities = model.adjust_logits(logits).softmax(dim=1).numpy()
        fit_doubt(model.config, probabilities, validation.labels.numpy())
        model.save_pretrained(arguments.output)
        processor.save_pretrained(arguments.output)
        print(
            f"wrote {arguments.output}: temperature {model.config.temperature}, uncertain below {model.config.uncertain_below}"
        )
        return
    logits, auxiliary = predict_logits(model, processor, validation)
    console = Console()
    print("second label set by its own output layer:", *show(measure(auxiliary, validation.auxiliary_labels)))  # type: ignore[arg-type]
    for share in AUXILIARY_SHARES:
        table = Table("prior", "votes", "UAR", "calibration", "labels", "UAR", "calibration", title=f"auxiliary share {share}")
        joined = deepcopy(model)
        join_outputs(joined, share, second_shares)
        raw = join_scores(logits.T, auxiliary.T, places, share).T  # type: ignore[union-attr]
        joined.config.temperature = fit_temperature(raw, validation.targets)
        measured = {}
        for prior in PRIORS:
            adjusted = joined.adjust_logits(raw, prior)
            by_votes = measure(adjusted, validation.labels)
            by_labels = measure(adjusted[:, places], validation.auxiliary_labels)  # type: ignore[arg-type]
            table.add_row(f"{prior:.1f}", *show(by_votes), *show(by_labels))
            measured[f"{prior:g}"] = {"votes": by_votes, "labels": by_labels}
        console.print(table)
        if arguments.table is not None:
            keep_result(arguments.table, f"{share:g}", measured)


if __name__ == "__main__":
    main()

"""Studies how the relevance map's first values, activation and normalization decide whether a gated network learns.

    python scripts/study_gate.py ckplus48_hybrid --data prepared/ckplus48 --output runs/gate --set epochs=15

Trains each variant on the first --folds inner splits of fer cross-validate, and records at every step the mean of the relevance
map x̂ and the norm of the gradient that comes back through the expression block (eq. 1). gate.json has the numbers, gate.png the
curves. No test image is looked at.
"""

import argparse
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor, nn

from modeling_fer.data import load_labelled
from modeling_fer.data.json_files import keep_result, read_kept, write_json
from modeling_fer.data.prepared import known_subjects
from modeling_fer.data.splits import subject_folds
from modeling_fer.training.building import recipe_columns
from modeling_fer.training.process import keep_freed_memory
from modeling_fer.training.recipe import Recipe, read_overrides, read_recipe
from modeling_fer.training.trainer import Trainer


@dataclass(frozen=True)
class Variant:
    """A way to start the gate.

    Attributes:
        settings: of the recipe, instead of its own.
        plain: the last convolution of the facial-parts module starts as PyTorch starts any other, so that x̂ starts near zero, and
            not with the bias that opens the gate.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    plain: bool = False


NO_NORMALIZATION = {"model.normalization": "none", "learning_rate": 0.001}
VARIANTS = {
    "linear, x̂ from 0, no normalization": Variant(NO_NORMALIZATION, plain=True),
    "linear, x̂ from 1, no normalization": Variant(NO_NORMALIZATION),
    "sigmoid, no normalization": Variant({**NO_NORMALIZATION, "model.relevance_activation": "sigmoid"}),
    "linear, x̂ from 0, batch normalization": Variant(plain=True),
    "linear, x̂ from 1, batch normalization": Variant(),
    "sigmoid, batch normalization": Variant({"model.relevance_activation": "sigmoid"}),
    "baseline, batch normalization": Variant({"model.regularization": "none"}),
}


class GateTrainer(Trainer):
    """A trainer that records, at every step, the mean of x̂ and the norm of the gradient behind the gate."""

    map_means: list[float]
    gradient_norms: list[float]

    def watch(self, plain: bool) -> None:
        """Begins to record; `plain` as in `Variant`."""
        self.map_means, self.gradient_norms = [], []
        network = self.accelerator.unwrap_model(self.model).fer
        network.representation.expression_block.conv.register_full_backward_hook(self.record_gradient)
        if network.facial_parts is not None:
            network.facial_parts.register_forward_hook(self.record_map)
            if plain:
                nn.Conv2d.reset_parameters(network.facial_parts.relevance)
                self.average.module.load_state_dict(self.accelerator.unwrap_model(self.model).state_dict())

    def record_map(self, module: nn.Module, inputs: tuple[Tensor, ...], relevance_map: Tensor) -> None:
        if module.training:
            self.map_means.append(relevance_map.detach().float().mean().item())

    def record_gradient(self, module: nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[Tensor]) -> None:
        self.gradient_norms.append(outputs[0].float().norm().item())


def draw_curves(results: dict[str, dict[str, Any]]) -> Figure:
    """The recorded curves of the first split, a line for each variant."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    means, norms = figure.subplots(1, 2)
    for name, result in results.items():
        style = "--" if "from 0" in name else "-"
        if result["map_means"]:
            means.plot(result["map_means"], style, label=name)
        norms.plot(result["gradient_norms"], style, label=name)
    means.set(title="mean of the relevance map", xlabel="step")
    norms.set(title="norm of the gradient through the e-block", xlabel="step", yscale="log")
    norms.legend(fontsize=7)
    return figure


def study(recipe: Recipe, variant: Variant, data: str, folds: int, folder: Path) -> dict[str, Any]:
    """Trains one variant on the first folds' inner splits; gives accuracies, and the records of the first."""
    dataset = load_labelled(data, "train", recipe.target, recipe.label_votes)
    columns, subjects = recipe_columns(recipe, dataset), known_subjects(dataset)
    if subjects is None:
        raise ValueError(f"{data} does not say who is on its images; the folds need a column subject.")
    accuracies, first = [], None
    for number, fold in enumerate(subject_folds(columns.labels.tolist(), subjects, seed=recipe.seed)[:folds]):
        train, validation = columns.select(fold.train), columns.select(fold.validation)
        trainer = GateTrainer(recipe, train, validation, folder / f"split-{number}", cpu=True, save_steps=10**9)
        trainer.watch(variant.plain)
        accuracies.append(trainer.fit()["accuracy"])
        first = first or trainer
    assert first is not None
    return {"accuracies": accuracies, "map_means": first.map_means, "gradient_norms": first.gradient_norms}


def summarize(result: dict[str, Any]) -> dict[str, Any]:
    """The mean accuracy of a variant, its map's first and last mean, None for the baseline, and its first gradient."""
    means = result["map_means"]
    ends = [means[0], means[-1]] if means else None
    return {"accuracy": statistics.mean(result["accuracies"]), "map_means": ends, "first_gradient": result["gradient_norms"][0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a YAML file, see modeling_fer/recipes/")
    parser.add_argument("--data", required=True, help="prepared data set with subjects")
    parser.add_argument("--output", required=True, type=Path, help="folder that runs and results are written to")
    parser.add_argument("--folds", type=int, default=2, help="folds on whose inner splits each variant is trained")
    parser.add_argument("--summary", type=Path, help="JSON file for what the table of RESULTS.md shows of each variant")
    parser.add_argument(
        "--figure", type=Path, help="picture of the curves to write; gate.png in the folder of --output if not given"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings instead of the recipe's")
    arguments = parser.parse_args()

    keep_freed_memory()
    overrides = read_overrides(arguments.set)
    arguments.output.mkdir(parents=True, exist_ok=True)
    file = arguments.output / "gate.json"
    results = read_kept(file)
    for name, variant in VARIANTS.items():
        if name not in results:
            try:
                recipe = read_recipe(arguments.recipe, {**overrides, **variant.settings})
                folder = arguments.output / name.replace(" ", "_").replace(",", "")
                results[name] = study(recipe, variant, arguments.data, arguments.folds, folder)
            except (FileNotFoundError, ValueError) as error:
                parser.error(str(error))
            write_json(file, results, indent=None)
    draw_curves(results).savefig(arguments.figure or arguments.output / "gate.png", dpi=110)
    for name, result in results.items():
        summary = summarize(result)
        print(f"{name}: validation accuracy {summary['accuracy']:.1%}")
        if arguments.summary is not None:
            keep_result(arguments.summary, name, summary)


if __name__ == "__main__":
    main()

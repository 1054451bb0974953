"""Measures what networks cost: weights, multiply-adds, images a second in use and in training, and joules where the processor tells.

    python scripts/measure_cost.py --checkpoints fer-base fer-tiny --recipe ckplus48_hybrid --output results/cost.json

With --recipe, the network of a recipe is measured with each of the paper's regularizations. Set OMP_NUM_THREADS to choose how many
cores it may use.
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from modeling_fer import FerForImageClassification
from modeling_fer.configuration_fer import EXPRESSIONS, REGULARIZATIONS
from modeling_fer.data.json_files import keep_result
from modeling_fer.inference.loading import load_checkpoint
from modeling_fer.training.building import build_config
from modeling_fer.training.cost import measure_cost
from modeling_fer.training.recipe import read_recipe
from modeling_fer.training.study import split_name


def networks(checkpoints: list[str], recipe: str | None) -> Iterator[tuple[str, FerForImageClassification]]:
    """The networks to be measured, by name."""
    for source in checkpoints:
        name, given = split_name(source)
        yield name, load_checkpoint(given).model
    if recipe is not None:
        for regularization in REGULARIZATIONS:
            config = build_config(read_recipe(recipe, {"model.regularization": regularization}), list(EXPRESSIONS))
            name = "baseline" if regularization == "none" else regularization
            yield f"{Path(recipe).stem}, {name}", FerForImageClassification(config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", nargs="*", default=[], metavar="CHECKPOINT", help="or NAME=CHECKPOINT")
    parser.add_argument("--recipe", help="recipe whose network is measured with each regularization")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each is timed; %(default)s if not given")
    parser.add_argument("--batch-size", type=int, default=64, help="images at once; %(default)s if not given")
    parser.add_argument("--output", type=Path, required=True, help="JSON file; what it has of other networks is kept")
    arguments = parser.parse_args()
    try:
        for name, model in networks(arguments.checkpoints, arguments.recipe):
            cost = measure_cost(model, arguments.seconds, arguments.batch_size)
            keep_result(arguments.output, name, asdict(cost))
            energy = "no joules are told" if cost.joules_inference is None else f"{cost.joules_inference:.3f} J an image"
            print(
                f"{name}: {cost.parameters / 1e6:.2f} M weights, {cost.multiply_adds / 1e6:.1f} M multiply-adds, "
                f"{cost.images_a_second_inference:.0f} images/s, {cost.images_a_second_training:.0f} in training, {energy}",
                flush=True,
            )
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

"""Trains a model by a recipe.

    accelerate launch scripts/train.py scripts/recipes/ferplus_hybrid.yaml --data fer2013/ --output runs/ferplus_hybrid

On several GPUs or machines the same with a configuration of Accelerate, see scripts/accelerate/:

    accelerate launch --config_file scripts/accelerate/one_machine_8_gpus.yaml scripts/train.py ...

Stop it at any time; the same command with --resume goes on where its state was last written.
"""

import argparse
import sys

from modeling_fer.building import recipe_columns, recipe_stream
from modeling_fer.data import load_splits
from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.prepared import stream_prepared
from modeling_fer.data.stream import FaceStream
from modeling_fer.recipe import Recipe, read_overrides, read_recipe
from modeling_fer.tracking import TRACKERS
from modeling_fer.training import Trainer, keep_freed_memory


def load_sets(recipe: Recipe, data: str) -> tuple[FaceColumns | FaceStream, FaceColumns]:
    """The training set, in memory or streamed, and the validation set."""
    if not recipe.streaming:
        splits = load_splits(recipe.dataset, data)
        return recipe_columns(recipe, splits["train"]), recipe_columns(recipe, splits["validation"])
    if recipe.dataset != "prepared":
        raise ValueError(f"streaming reads a prepared data set, but the recipe's dataset is {recipe.dataset!r}.")
    train, validation = stream_prepared(data)
    return recipe_stream(recipe, train), recipe_columns(recipe, validation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a YAML file, see scripts/recipes/")
    parser.add_argument("--data", required=True, help="folder of the data set, or of a prepared one its repository")
    parser.add_argument("--output", required=True, help="folder that the run is written to")
    parser.add_argument("--resume", action="store_true", help="go on where the run in --output stands")
    parser.add_argument("--save-steps", type=int, default=100, help="write the state after so many steps, and each epoch")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU even where there is an accelerator")
    parser.add_argument("--track", nargs="*", default=[], metavar="TRACKER", help=f"any of {', '.join(TRACKERS)}")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings instead of the recipe's")
    arguments = parser.parse_args()

    keep_freed_memory()
    try:
        recipe = read_recipe(arguments.recipe, read_overrides(arguments.set))
        train, validation = load_sets(recipe, arguments.data)
        trainer = Trainer(
            recipe,
            train,
            validation,
            arguments.output,
            resume=arguments.resume,
            cpu=arguments.cpu,
            save_steps=arguments.save_steps,
            trackers=arguments.track,
        )
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    try:
        best = trainer.fit()
    except (FloatingPointError, OSError) as error:
        sys.exit(f"{parser.prog}: stopped: {error}")
    trainer.accelerator.print(f"best epoch in {arguments.output}/best: {best}")


if __name__ == "__main__":
    main()

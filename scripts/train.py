"""Trains a model by a recipe.

    accelerate launch scripts/train.py scripts/recipes/ferplus_hybrid.yaml --data fer2013/ --output runs/ferplus_hybrid

Stop it at any time; the same command with --resume goes on where its state was last written.
"""

import argparse

from modeling_fer.data import load_splits
from modeling_fer.recipe import read_overrides, read_recipe
from modeling_fer.training import Trainer, keep_freed_memory, recipe_columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a YAML file, see scripts/recipes/")
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--output", required=True, help="folder that the run is written to")
    parser.add_argument("--resume", action="store_true", help="go on where the run in --output stands")
    parser.add_argument("--save-steps", type=int, default=100, help="write the state after so many steps, and each epoch")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU even where there is an accelerator")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings instead of the recipe's")
    arguments = parser.parse_args()

    keep_freed_memory()
    try:
        recipe = read_recipe(arguments.recipe, read_overrides(arguments.set))
        splits = load_splits(recipe.dataset, arguments.data)
        train, validation = (recipe_columns(recipe, splits[split]) for split in ("train", "validation"))
        trainer = Trainer(recipe, train, validation, arguments.output, arguments.resume, arguments.cpu, arguments.save_steps)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    best = trainer.fit()
    trainer.accelerator.print(f"best epoch in {arguments.output}/best: {best}")
    trainer.accelerator.end_training()


if __name__ == "__main__":
    main()

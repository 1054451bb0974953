"""The commands that train by a recipe: `fer train`, `fer cross-validate` and `fer search`."""

from pathlib import Path
from typing import Annotated

import typer

from modeling_fer_cli.errors import explaining_stop, explaining_usage

RECIPES = sorted(file.stem for file in (Path(__file__).parents[1] / "modeling_fer" / "recipes").glob("*.yaml"))
"""Names of the bundled recipes, by their files, as nothing is imported for a help text."""

RecipeArgument = Annotated[
    str,
    typer.Argument(help=f"Name of a bundled recipe ({', '.join(RECIPES)}), or a YAML file.", autocompletion=lambda: RECIPES),
]
DataOption = Annotated[str, typer.Option(help="Folder or Hub repository of a prepared data set, see fer prepare.")]
RunsOption = Annotated[Path, typer.Option(help="Folder that runs and results are written to.", file_okay=False)]
CpuOption = Annotated[bool, typer.Option("--cpu", help="Train on the CPU even where there is an accelerator.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting instead of the recipe's, e.g. model.dropout=0.3; may be repeated."
    ),
]


def train(
    recipe: RecipeArgument,
    data: DataOption,
    output: Annotated[Path, typer.Option(help="Folder that the run is written to.", file_okay=False)],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last saved state of the run in --output; epochs may have grown.")
    ] = False,
    settings: SetOption = None,
    save_steps: Annotated[int, typer.Option(min=1, help="Save the state after so many steps, and after each epoch.")] = 100,
    track: Annotated[
        list[str] | None, typer.Option(help="Send metrics to tensorboard, wandb or trackio; may be repeated.")
    ] = None,
    cpu: CpuOption = False,
) -> None:
    """Train a model by a recipe.

    Example: fer train prepared_hybrid --data prepared/rafdb --output runs/rafdb --set epochs=20

    On several GPUs or machines: accelerate launch -m modeling_fer.commands.train, with the same arguments.

    Stop it at any time: the same command with --resume goes on from the last saved state.
    """
    with explaining_usage():
        from modeling_fer.commands.train import finish_run, start_run

        trainer = start_run(recipe, data, output, resume, save_steps, cpu, track or [], settings or [])
    with explaining_stop("train"):
        finish_run(trainer)


def cross_validate(
    recipe: RecipeArgument,
    data: DataOption,
    output: RunsOption,
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 10,
    nested: Annotated[
        bool, typer.Option("--nested", help="Search settings in each fold, on its inner training and validation images.")
    ] = False,
    grid: Annotated[
        Path | None, typer.Option(help="With --nested: what is searched, see fer search; the paper's grid if not given.")
    ] = None,
    settings: SetOption = None,
    cpu: CpuOption = False,
) -> None:
    """Train and measure a recipe in folds by subject, for a data set without splits of its own.

    Example: fer cross-validate ckplus48_hybrid --data prepared/ckplus48 --output runs/ckplus48_hybrid

    With --nested each fold searches its own settings, as the paper does, and measures the best on its test images.

    Stop it at any time: the same command goes on from the last saved state. Prints mean and deviation over folds; results.json in
    --output has each fold and the confusion matrix of all, which confusion.png shows.
    """
    if grid is not None and not nested:
        raise typer.BadParameter("--grid is what --nested searches; give both, or use fer search.")
    with explaining_usage():
        from modeling_fer.commands.cross_validate import run_folds, start_folds

        started = start_folds(recipe, data, output, folds, settings or [], nested, grid)
    with explaining_stop("cross-validate"):
        run_folds(started, output, cpu)


def search(
    recipe: RecipeArgument,
    data: DataOption,
    output: RunsOption,
    grid: Annotated[
        Path | None, typer.Option(help="YAML file with a list of values for each setting; the paper's grid if not given.")
    ] = None,
    splits: Annotated[
        int | None,
        typer.Option(
            min=1, max=10, help="Folds to validate on, for a data set with subjects and without splits; 1 if not given."
        ),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Where the study is kept: a file or a database; study.log in --output if not given.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Try so many combinations at most.")] = None,
    settings: SetOption = None,
    cpu: CpuOption = False,
) -> None:
    """Search a grid for the settings with the best validation accuracy; no test image is looked at.

    Example: fer search ckplus48_hybrid --data prepared/ckplus48 --output runs/search --splits 3

    Run it on several machines with one --storage, a file that all see or a database (postgresql://...), and they share the work. Stop
    it at any time: the same command goes on. A data set with subjects and without splits is validated on inner splits of the first
    --splits folds of fer cross-validate. trials.csv in --output lists what was tried. Exit status: 1 if nothing could be trained.
    """
    with explaining_usage():
        from modeling_fer.commands.search import run_search, start_search

        started = start_search(recipe, data, grid, splits, settings or [], output, storage)
    with explaining_stop("search"):
        run_search(started, output, trials, cpu)

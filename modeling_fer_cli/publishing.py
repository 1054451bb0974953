"""The command for the Hub: `fer push`."""

from pathlib import Path
from typing import Annotated

import typer

from modeling_fer_cli.errors import explaining_usage, refuse_given


def _list_kinds() -> list[str]:
    from modeling_fer.hub import KINDS

    return list(KINDS)


NOT_USED_BY = {"release": ["results"], "dataset": ["results", "release"], "space": ["results"]}
"""The options of `push` that a kind has no use for."""


def push(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="model: a run or checkpoint, with a card made for it; release: a checkpoint with the card it has; dataset; space.",
            autocompletion=_list_kinds,
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(help="Run folder or checkpoint; folder or bundled name of a release; prepared data set; Space.")
    ],
    repository: Annotated[str, typer.Argument(help="user/name on the Hub.")],
    results: Annotated[
        Path | None, typer.Option(help="Results of the model for its card, which fer evaluate --output writes.")
    ] = None,
    release: Annotated[
        Path | None,
        typer.Option(
            help="Where the repository is written first: a new folder, or that of an earlier release, which is replaced; release/ in "
            "the run, or a folder in build/, if not given."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write and list what would be sent, and send nothing.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[str, typer.Option(help="Branch to commit to.")] = "main",
    tag: Annotated[str | None, typer.Option(help="Name that the commit is given.")] = None,
) -> None:
    """Publish a model, a prepared data set or the Space on the Hub, in one commit.

    Example: fer push model runs/rafdb me/fer-rafdb --results results/rafdb.json --dry-run

    A model's repository is written to --release first: weights, configuration, the code that travels with them, and a card with the
    run's own figures and recipe. So is a bundled checkpoint, and the Space with the package beside its page. A second push of the
    same content sends nothing.
    """
    refuse_given(context, NOT_USED_BY.get(what, []), f"does nothing for a {what}; leave it out.")
    with explaining_usage():
        from modeling_fer.commands.push import push_folder

        push_folder(what, folder, repository, results, release, dry_run, private, revision, tag)

"""The command `fer` and its subcommands, in the order that its help lists them."""

from typing import Annotated

import typer

from modeling_fer_cli.data import prepare
from modeling_fer_cli.measurement import calibrate, compare, evaluate
from modeling_fer_cli.publishing import push
from modeling_fer_cli.training import cross_validate, search, train
from modeling_fer_cli.use import export, predict

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("modeling-fer"))
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Facial expression recognition that shows where on the face it looked."""


for command in (predict, export, prepare, train, evaluate, calibrate, cross_validate, compare, search, push):
    app.command()(command)

"""How a command refuses what it was given, and says why it stopped."""

import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import typer


def refuse_given(context: typer.Context, names: Collection[str], why: str) -> None:
    """Refuses options that would not be looked at beside the others.

    Args:
        context: of the command.
        names: of its parameters.
        why: the sentence, after the option that it is about.

    Raises:
        typer.BadParameter: one of them was given, also where its value is the default.
    """
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        # By its name, as newer versions of typer hold a click of their own, with another class for it.
        if option.name in names and source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"{option.opts[0]} {why}")


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where nothing more can be written, which no other usage helps."""


@contextmanager
def explaining_usage(extra: str = "train") -> Iterator[None]:
    """Makes what cannot be done wrong usage: one sentence, exit status 2. A full disk is none: exit status 1.

    Args:
        extra: of the package, which brings what the command needs.
    """
    from modeling_fer.commands.libraries import import_torch_quietly

    try:
        import_torch_quietly()
        yield
    except ImportError as error:
        missing = f"{error.name} is not installed; run: pip install 'modeling-fer[{extra}]'"
        raise typer.BadParameter(str(error) if error.name is None else missing) from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            file = "" if error.filename is None else f"{error.filename}: "
            typer.echo(f"fer: stopped: {file}{error.strerror}", err=True)
            raise typer.Exit(1) from error
        raise typer.BadParameter(" ".join(str(error).split())) from error


@contextmanager
def explaining_stop(command: str) -> Iterator[None]:
    """Says in one sentence why a run that had begun stopped; exit status 1."""
    try:
        yield
    except (FloatingPointError, OSError) as error:
        typer.echo(f"fer {command}: stopped: {error}", err=True)
        raise typer.Exit(1) from error

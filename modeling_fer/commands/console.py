"""What a command says: results on the standard output, remarks on standard error. Nothing that happens to either ends a run."""

import contextlib
import os
import sys
from typing import TextIO

from modeling_fer.inference.media import readable


class Console:
    """The two outputs of a command.

    Args:
        quiet: say no results, e.g. where the standard output takes rows.

    Attributes:
        failures: how many inputs or outputs were complained of.
    """

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self.failures = 0
        for stream in (sys.stdout, sys.stderr):
            # A console may know few letters.
            with contextlib.suppress(AttributeError, ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    @property
    def on_screen(self) -> bool:
        """Whether somebody sees results as they come."""
        return not self.quiet and sys.stdout.isatty()

    def say(self, *cells: str) -> None:
        """One line of the results: aligned on a screen, else its cells separated by tabs."""
        if self.quiet:
            return
        cells = tuple(printable(cell) for cell in cells)
        line = (
            "  ".join(cell.ljust(width) for cell, width in zip(cells, (32, 9, 22, 0), strict=False)) if self.on_screen else ""
        )
        self.quiet = not _print(line.rstrip() or "\t".join(cells), sys.stdout)

    def note(self, sentence: str) -> None:
        """A remark that is no failure."""
        _print(printable(sentence), sys.stderr)

    def complain(self, name: str, reason: str) -> None:
        """Says in one line what could not be done; the rest goes on."""
        self.failures += 1
        reason = " ".join(reason.split())
        self.note(reason if reason.startswith(name) else f"{name}: {reason}")


def printable(text: str) -> str:
    """Text without what would move the cursor or is no letter."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in readable(text))


def _print(line: str, stream: TextIO) -> bool:
    """Prints a line; False where nobody reads any more."""
    try:
        print(line, file=stream, flush=True)
        return True
    except (OSError, ValueError):
        # Else Python complains when it closes the stream at its end.
        with contextlib.suppress(OSError, ValueError):
            number = stream.fileno()
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        return False

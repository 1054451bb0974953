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
        deserted: whether nobody reads the standard output any more.
    """

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self.failures = 0
        self.deserted = False
        for stream in (sys.stdout, sys.stderr):
            # A console may know few letters.
            with contextlib.suppress(AttributeError, ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    @property
    def on_screen(self) -> bool:
        """Whether somebody sees results as they come."""
        return not self.quiet and is_terminal(sys.stdout)

    def say(self, *cells: str) -> None:
        """One line of the results: aligned on a screen, else its cells separated by tabs."""
        if self.quiet:
            return
        cells = tuple(printable(cell) for cell in cells)
        line = (
            "  ".join(cell.ljust(width) for cell, width in zip(cells, (32, 9, 22, 0), strict=False)) if self.on_screen else ""
        )
        try:
            print(line.rstrip() or "\t".join(cells), flush=True)
        except BrokenPipeError:
            self.desert()
        except (OSError, ValueError) as error:
            self.desert()
            self.complain(
                "the standard output", f"the standard output cannot be written: {getattr(error, 'strerror', None) or error}."
            )

    def desert(self) -> None:
        """Says no more results, as nobody reads them."""
        self.quiet = self.deserted = True
        mute(sys.stdout)

    def note(self, sentence: str) -> None:
        """A remark that is no failure."""
        try:
            print(printable(sentence), file=sys.stderr, flush=True)
        except (OSError, ValueError):
            mute(sys.stderr)

    def complain(self, name: str, reason: str) -> None:
        """Says in one line what could not be done; the rest goes on."""
        self.failures += 1
        reason = " ".join(reason.split())
        self.note(reason if reason.startswith(name) else f"{name}: {reason}")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at a stream. One that was closed before Python started is None."""
    return stream is not None and stream.isatty()


def printable(text: str) -> str:
    """Text without what would move the cursor or is no letter."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in readable(text))


def mute(stream: TextIO) -> None:
    """Sends a stream nowhere; else Python complains when it closes it at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""The command `fer`.

It imports what a command needs when that command is called, as its help must answer at once.
"""

from modeling_fer_cli.application import app

__all__ = ["app"]

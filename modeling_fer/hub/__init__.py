"""Model cards, releases, and their upload to the Hub."""

KINDS = ("model", "release", "dataset", "space")
"""What `fer push` sends. They stand here, where nothing heavy is imported, for the command's completion too."""

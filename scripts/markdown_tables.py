"""A table in Markdown."""

Rows = list[list[str]]


def markdown(header: list[str], rows: Rows) -> str:
    """A table whose first column is of words and whose others are of numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines]).replace("| --- |", "|---|").replace(" ---: |", "---:|")

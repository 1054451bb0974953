"""The rows of csv files as people and spreadsheets write them."""

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path

BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
DELIMITERS = ",;\t"


def find_encoding(path: Path) -> str:
    """The encoding of a text file: UTF-8, what its byte order mark says, or else Latin-1, which every file can be read in."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open(path, "rb") as file:
        start = file.read(4)
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if start.startswith(mark):
                return encoding
        try:
            decoder.decode(start)
            while part := file.read(1 << 20):
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def read_rows(path: Path, *needed: str) -> Iterator[dict[str, str]]:
    """The rows of a csv file in any of these encodings, with commas, semicolons or tabs between its columns.

    Args:
        path: the file; its first line names the columns.
        needed: columns that it must have.

    Yields:
        Each row's values by the names of their columns, without blanks around names and values; a value that is missing is empty.

    Raises:
        ValueError: the file lacks a column, or is not csv.
    """
    csv.field_size_limit(1 << 24)
    with open(path, encoding=find_encoding(path), newline="") as file:
        header = file.readline()
        file.seek(0)
        rows = csv.reader(file, delimiter=max(DELIMITERS, key=header.count))
        try:
            names = [name.strip() for name in next(rows, [])]
            for column in needed:
                if column not in names:
                    raise ValueError(
                        f"{path} has no column {column!r}; its first line, which has to name the columns, is "
                        f"{', '.join(names) or 'missing'}."
                    )
            for row in rows:
                if row:
                    values = [value.strip() for value in row] + [""] * (len(names) - len(row))
                    yield dict(zip(names, values, strict=False))
        except csv.Error as error:
            raise ValueError(f"{path} is not a csv file, in line {rows.line_num}: {error}.") from error

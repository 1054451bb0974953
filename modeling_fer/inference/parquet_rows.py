"""Rows as a parquet file (extra: parquet)."""

import contextlib
import json
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from modeling_fer.inference.tables import Columns, Row, TextRows, as_json

ROW_GROUP = 10_000


class ParquetRows:
    """A parquet file, to be used in a `with` statement. As nobody can read one before it is ended, rows are kept beside it as JSON
    lines, in a file whose name ends in `.unfinished.jsonl`. At the end it is made from them in row groups; where the run is killed,
    or the disk is full, they are still there.

    Args:
        output: the file.
        columns: of the table.
    """

    def __init__(self, output: Path, columns: Columns):
        self.output, self.columns = output, columns
        self.unfinished = output.with_name(f"{output.name}.unfinished.jsonl")
        self.file = open(self.unfinished, "wb", buffering=0)  # noqa: SIM115  (closed by __exit__)
        self.lines = TextRows(self.file, columns, as_json)

    def __enter__(self) -> "ParquetRows":
        return self

    def write(self, rows: Sequence[Row]) -> None:
        self.lines.write(rows)

    def __exit__(self, *error: object) -> None:
        self.file.close()
        types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        schema = pa.schema([(name, types[kind]) for name, kind in self.columns.items()])
        new = self.output.with_name(f"{self.output.name}.new")
        try:
            with open(self.unfinished, encoding="utf-8") as lines, parquet.ParquetWriter(new, schema) as writer:
                while rows := [json.loads(line) for line in islice(lines, ROW_GROUP)]:
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink()
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"{reason}; the rows are in {self.unfinished.name}", str(self.output)) from error
        os.replace(new, self.output)
        self.unfinished.unlink()

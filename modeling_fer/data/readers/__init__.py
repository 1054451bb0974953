"""The readers of data sets in their original layouts, by name."""

from collections.abc import Callable
from pathlib import Path

from modeling_fer.data.readers.affectnet import read_affectnet
from modeling_fer.data.readers.ckplus import read_ckplus
from modeling_fer.data.readers.fer2013 import read_fer2013, read_ferplus
from modeling_fer.data.readers.imagefolder import read_imagefolder
from modeling_fer.data.readers.jaffe import read_jaffe
from modeling_fer.data.readers.rafdb import read_rafdb
from modeling_fer.data.readers.sfew import read_sfew
from modeling_fer.data.readers.table import read_table
from modeling_fer.data.source import Source

READERS: dict[str, Callable[[str | Path], Source]] = {
    "affectnet": read_affectnet,
    "ckplus": read_ckplus,
    "fer2013": read_fer2013,
    "ferplus": read_ferplus,
    "imagefolder": read_imagefolder,
    "jaffe": read_jaffe,
    "rafdb": read_rafdb,
    "sfew": read_sfew,
    "table": read_table,
}


def read_source(name: str, path: str | Path) -> Source:
    """Reads a data set in its original layout.

    Args:
        name: a key of `READERS`.
        path: its folder, or its file for `table`.

    Raises:
        FileNotFoundError: the path or something in it is missing.
        ValueError: there is no such reader, or no image could be read.
    """
    if name not in READERS:
        raise ValueError(f"{name!r} is not a form of data set; give one of {', '.join(READERS)}.")
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist; give the folder that the data set was unpacked to.")
    source = READERS[name](path)
    source.form = name
    return source

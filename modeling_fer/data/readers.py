"""The readers of data sets as they are distributed, by name."""

from collections.abc import Callable
from pathlib import Path

from modeling_fer.data.affectnet import read_affectnet
from modeling_fer.data.ckplus import read_ckplus
from modeling_fer.data.fer2013 import read_fer2013, read_ferplus
from modeling_fer.data.imagefolder import read_imagefolder, read_table
from modeling_fer.data.jaffe import read_jaffe
from modeling_fer.data.rafdb import read_rafdb
from modeling_fer.data.sfew import read_sfew
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
    """Reads a data set as it is distributed.

    Args:
        name: a key of `READERS`.
        path: its folder, or its file for `table`.

    Raises:
        FileNotFoundError: the path or something in it is missing.
        ValueError: no image could be read.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist; give the folder that the data set was unpacked to.")
    return READERS[name](path)

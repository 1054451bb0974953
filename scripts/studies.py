"""The arguments that the scripts which measure checkpoints have in common."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from modeling_fer.training.study import Study, load_study


def study_parser(description: str | None, data: str, figure: str, images: int | None = None) -> argparse.ArgumentParser:
    """A parser for checkpoints, the data they are measured on, and where the results go.

    Args:
        description: of the script.
        data: what the data set needs.
        figure: what the picture shows.
        images: how many of the split's images are taken where nothing is said; all where it is None.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = "all" if images is None else "%(default)s"
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help="or NAME=CHECKPOINT")
    parser.add_argument("--data", required=True, help=f"prepared data set with {data}, or with votes")
    parser.add_argument("--split", default="test")
    parser.add_argument("--images", type=int, default=images, help=f"so many of the split's images; {usual} if not given")
    parser.add_argument("--output", type=Path, required=True, help="JSON file; what it has of other checkpoints is kept")
    parser.add_argument("--figure", type=Path, help=f"picture of the {figure}")
    return parser


def load_studies(parser: argparse.ArgumentParser, arguments: argparse.Namespace, landmarks: bool = False) -> Iterator[Study]:
    """What is to be measured, one checkpoint after the other; one that cannot be is wrong usage.

    Args:
        parser, arguments: from `study_parser`.
        landmarks: whether landmarks are needed.
    """
    for source in arguments.checkpoints:
        try:
            study = load_study(source, arguments.data, arguments.split, arguments.images, landmarks)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        yield study

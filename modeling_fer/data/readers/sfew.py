"""SFEW 2.0, Static Facial Expressions in the Wild (Dhall et al. 2011, 2015): frames of films, `Train/Angry/*.png` and
`Val/Angry/*.png`. It does not say who is on a frame. Its own test set has no labels and is not read: what is published was measured on
Val/, so that becomes the split test, and training holds a part of Train/ out to choose by.
"""

from pathlib import Path

from modeling_fer.data.source import EXPRESSION_NAMES, Source, add_expression_folders, find_folder, ordered_expressions

SFEW_EXPRESSIONS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def read_sfew(folder: str | Path) -> Source:
    """Reads SFEW 2.0.

    Args:
        folder: holds Train/ and Val/, each with a folder for each expression.

    Raises:
        FileNotFoundError: Train/ or Val/ is missing.
        ValueError: there is no image.
    """
    root = Path(folder)
    source = Source(ordered_expressions(EXPRESSION_NAMES[name.lower()] for name in SFEW_EXPRESSIONS))
    for split, name in (("train", "Train"), ("test", "Val")):
        add_expression_folders(source, root, find_folder(root, name, name.lower()), split, SFEW_EXPRESSIONS)
    return source.checked(folder)

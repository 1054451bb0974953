"""SFEW 2.0, Static Facial Expressions in the Wild (Dhall et al. 2011, 2015): frames of films, `Train/Angry/*.png` and
`Val/Angry/*.png`. It does not say who is on a frame. Its test set has no labels and is not read.
"""

from pathlib import Path

from modeling_fer.data.source import (
    EXPRESSION_NAMES,
    Sample,
    Source,
    find_folder,
    list_folders,
    list_images,
    ordered_expressions,
)

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
    for split, name in (("train", "Train"), ("validation", "Val")):
        for expression in list_folders(find_folder(root, name, name.lower())):
            label = EXPRESSION_NAMES.get(expression.name.lower())
            if label not in source.label_names:
                known = ", ".join(SFEW_EXPRESSIONS)
                source.note(str(expression.relative_to(root)), f"The folder is none of {known}; it is left out.")
                continue
            for file in list_images(expression):
                source.samples.append(Sample(str(file.relative_to(root)), label, split, file=file))
    return source.checked()

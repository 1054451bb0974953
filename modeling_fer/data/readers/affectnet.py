"""AffectNet (Mollahosseini et al. 2017), in either of its forms: the full set with `training.csv` and `validation.csv` beside
`Manually_Annotated_Images/`, or the smaller one with `train_set/` and `val_set/`, each with `images/0.jpg`,
`annotations/0_exp.npy` and `annotations/0_lnd.npy`. It does not say who is on an image.
"""

from pathlib import Path

import numpy as np

from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.data.readers.csv_rows import read_rows
from modeling_fer.data.source import Sample, Source, find_folder

AFFECTNET_CODES = {
    0: "neutral",
    1: "happiness",
    2: "sadness",
    3: "surprise",
    4: "fear",
    5: "disgust",
    6: "anger",
    7: "contempt",
}
NO_EXPRESSION = {8: "none", 9: "uncertain", 10: "no face"}
BOX_COLUMNS = ("face_x", "face_y", "face_width", "face_height")


def read_affectnet(folder: str | Path) -> Source:
    """Reads AffectNet. Images that the annotators gave no expression are left out, and their number is noted.

    Args:
        folder: the data set's folder, see above.

    Raises:
        FileNotFoundError: neither form is there.
        ValueError: no image has an expression.
    """
    root = Path(folder)
    source = Source(list(EXPRESSIONS))
    tables = root / "Manually_Annotated_file_lists" if (root / "Manually_Annotated_file_lists").is_dir() else root
    if (tables / "training.csv").is_file():
        images = find_folder(root, "Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
        for split, name in (("train", "training.csv"), ("validation", "validation.csv")):
            _read_table(source, tables / name, images, split)
    else:
        for split, name in (("train", "train_set"), ("validation", "val_set")):
            _read_set(source, find_folder(root, name), split)
    return source.checked(folder)


def _expression(source: Source, name: str, text: str, left_out: dict[str, int]) -> str | None:
    """The expression of a code, None where there is none."""
    code = int(text) if text.strip().isdigit() else -1
    if code in NO_EXPRESSION:
        left_out[NO_EXPRESSION[code]] = left_out.get(NO_EXPRESSION[code], 0) + 1
    elif code not in AFFECTNET_CODES:
        source.note(name, f"{text!r} is not a code of an expression (0 to 10); the image is left out.")
    return AFFECTNET_CODES.get(code)


def _note_left_out(source: Source, name: str, left_out: dict[str, int]) -> None:
    for reason, count in left_out.items():
        source.note(name, f"{count} images labelled {reason} are left out.")


def _points(values: list[float] | np.ndarray) -> np.ndarray | None:
    """(68, 2) from x and y in turn; None where it is not 68 points."""
    points = np.asarray(values, dtype=np.float32)
    return points.reshape(68, 2) if points.size == 136 else None


def _read_table(source: Source, table: Path, images: Path, split: str) -> None:
    left_out: dict[str, int] = {}
    for row in read_rows(table, "subDirectory_filePath", "expression", "facial_landmarks", *BOX_COLUMNS):
        name = row["subDirectory_filePath"]
        label = _expression(source, name, row["expression"], left_out)
        if label is None:
            continue
        try:
            left, top, width, height = (float(row[key]) for key in BOX_COLUMNS)
            numbers = [float(value) for value in row["facial_landmarks"].split(";") if value.strip()]
        except ValueError:
            source.note(name, "The box or the landmarks are not numbers; the image is left out.")
            continue
        box = (left, top, left + width, top + height)
        source.samples.append(Sample(name, label, split, file=images / name, box=box, landmarks=_points(numbers)))
    _note_left_out(source, table.name, left_out)


def _read_set(source: Source, folder: Path, split: str) -> None:
    left_out: dict[str, int] = {}
    for file in source.list_images(folder / "images", folder.parent):
        name = str(file.relative_to(folder.parent))
        code_file = folder / "annotations" / f"{file.stem}_exp.npy"
        if not code_file.is_file():
            source.note(name, f"{code_file.name} is missing; the image is left out.")
            continue
        label = _expression(source, name, str(np.load(code_file).item()), left_out)
        if label is None:
            continue
        landmark_file = folder / "annotations" / f"{file.stem}_lnd.npy"
        points = _points(np.load(landmark_file)) if landmark_file.is_file() else None
        # The smaller form holds crops of the face, 224 pixels wide.
        source.samples.append(Sample(name, label, split, file=file, cropped=True, landmarks=points))
    _note_left_out(source, folder.name, left_out)

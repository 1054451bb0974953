"""CK+48: 48x48 grayscale crops of the last three frames of the labelled sequences of CK+ (Lucey et al. 2010); 981 images,
118 subjects, seven classes, no neutral. Read from `train.parquet` with the columns image, label, subject, landmarks and
face_detected.
"""

from pathlib import Path

from datasets import Dataset, load_dataset

from modeling_fer.data.ferplus import rename_classes

CKPLUS_EXPRESSIONS = {
    "angry": "anger",
    "contempt": "contempt",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
}
"""The classes and the names that FER+ has for them."""


def load_ckplus48(folder: str | Path) -> Dataset:
    """All images of CK+48, its classes under the names that FER+ has for them; the data set has no split of its own.

    Args:
        folder: holds train.parquet.

    Raises:
        FileNotFoundError: the file is missing.
    """
    file = Path(folder) / "train.parquet"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; CK+48 is read from train.parquet.")
    return rename_classes(load_dataset("parquet", data_files={"train": str(file)})["train"], CKPLUS_EXPRESSIONS)

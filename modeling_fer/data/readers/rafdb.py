"""RAF-DB, the Real-world Affective Faces Database (Li et al. 2017), its basic expressions, in either of its forms: the authors', with
`EmoLabel/list_patition_label.txt` (so spelt) and `Image/aligned/train_00001_aligned.jpg` or `Image/original/train_00001.jpg`; or
Kaggle's, with the aligned crops in folders named by their codes, `DATASET/train/4/train_00001_aligned.jpg`. It does not say who is on
an image.
"""

from pathlib import Path

from modeling_fer.data.source import Sample, Source, find_file, find_folder, list_folders, ordered_expressions

RAFDB_CODES = {1: "surprise", 2: "fear", 3: "disgust", 4: "happiness", 5: "sadness", 6: "anger", 7: "neutral"}


def read_rafdb(folder: str | Path) -> Source:
    """Reads RAF-DB; its aligned crops where they are there, else its photos.

    Args:
        folder: holds EmoLabel/ and Image/, or basic/ with these; or train/ and test/, or DATASET/ with these.

    Raises:
        FileNotFoundError: the label file or the images are missing.
        ValueError: no image has a label.
    """
    root = Path(folder)
    root = next((root / name for name in ("basic", "DATASET") if (root / name).is_dir()), root)
    if (root / "train").is_dir():
        return _read_folders(root)
    labels = find_file(root, "EmoLabel/list_patition_label.txt", "EmoLabel/list_partition_label.txt")
    images = find_folder(root, "Image/aligned", "Image/original")
    aligned = images.name == "aligned"
    source = Source(ordered_expressions(RAFDB_CODES.values()))
    for number, line in enumerate(labels.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        code = words[1] if len(words) == 2 else ""
        split = words[0].split("_")[0]
        if not code.isdigit() or int(code) not in RAFDB_CODES or split not in ("train", "test"):
            sentence = f"{line!r} is not the name of a train or test image and a code from 1 to 7; it is left out."
            source.note(f"{labels.name}#{number}", sentence)
            continue
        file = images / (f"{Path(words[0]).stem}_aligned.jpg" if aligned else words[0])
        source.samples.append(Sample(file.name, RAFDB_CODES[int(code)], split, file=file, cropped=aligned))
    return source.checked(folder)


def _read_folders(root: Path) -> Source:
    """Kaggle's form; its tables train_labels.csv and test_labels.csv say the same as its folders."""
    source = Source(ordered_expressions(RAFDB_CODES.values()))
    codes = {str(code): name for code, name in RAFDB_CODES.items()}
    for split in ("train", "test"):
        if not (root / split).is_dir():
            source.note(split, "The folder is missing.")
            continue
        for folder in list_folders(root / split):
            if folder.name not in codes:
                source.note(f"{split}/{folder.name}", "The folder is not a code from 1 to 7; it is left out.")
                continue
            for file in source.list_images(folder, root):
                source.samples.append(Sample(str(file.relative_to(root)), codes[folder.name], split, file=file, cropped=True))
    return source.checked(root)

"""Anybody's own images: a folder for each expression. Usual names of expressions get the package's, others stay as they are."""

from pathlib import Path

from modeling_fer.data.source import SPLIT_NAMES, Sample, Source, list_folders, ordered_expressions, plain_name, unify_names


def read_imagefolder(folder: str | Path) -> Source:
    """Reads `LABEL/*.jpg`, or `train/LABEL/*.jpg` and the like with the splits of `SPLIT_NAMES`. Labels that differ only in case or
    blanks are one.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: it holds no image in a folder named by a label.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder; give one that holds a folder of images for each label.")
    source = Source([])
    labelled = find_label_folders(source, root)
    classes = unify_names(label.name for _, label in labelled)
    source.label_names = ordered_expressions(classes.values())
    for split, label in labelled:
        for file in source.list_images(label, root):
            source.samples.append(Sample(str(file.relative_to(root)), classes[label.name], split, file=file))
    if not labelled:
        raise ValueError(
            f"{root} has no folder of images for a label; it has to hold files like {root / 'happiness' / 'one.jpg'}."
        )
    return source.checked(root)


def find_label_folders(source: Source, root: Path) -> list[tuple[str, Path]]:
    """The folders that are named by a label, each with its split; what lies beside them becomes a problem."""
    note_files(source, root, root)
    folders = list_folders(root)
    splits = [(SPLIT_NAMES[plain_name(part.name)], part) for part in folders if plain_name(part.name) in SPLIT_NAMES]
    if not any(list_folders(part) for _, part in splits):
        return [("train", label) for label in folders]
    for part in folders:
        if plain_name(part.name) not in SPLIT_NAMES:
            source.note(part.name, f"The folder is none of {', '.join(SPLIT_NAMES)}; it is left out.")
    for _, part in splits:
        note_files(source, part, root)
    return [(split, label) for split, part in splits for label in list_folders(part)]


def note_files(source: Source, folder: Path, root: Path) -> None:
    """Notes the files that lie in a folder itself, where folders of images were expected."""
    for file in sorted(folder.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            source.note(str(file.relative_to(root)), "The file lies outside the folders named by a label; it is left out.")

"""A data set in its original layout, as a reader found it: its images, what is known of each, and what was wrong with it."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from modeling_fer.configuration_fer import EXPRESSIONS
from modeling_fer.images_fer import register_heif, to_8_bit
from modeling_fer.names_fer import HEIF_SUFFIXES, PHOTO_SUFFIXES, suffix_of

EXPRESSION_NAMES = {
    **{name: name for name in EXPRESSIONS},
    "happy": "happiness",
    "surprised": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
}
"""The names that data sets have for expressions, in lower case, and the name that this package has for each."""


SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
}
"""The names that data sets have for splits, in lower case, and those of this package."""


def single_blanks(name: str) -> str:
    """A name without the blanks around it and with single ones in it."""
    return " ".join(name.split())


def plain_name(name: str) -> str:
    """A name in lower case, without the blanks around it and with single ones in it."""
    return single_blanks(name).lower()


def usual_name(name: str) -> str:
    """The package's name of an expression; any other name as it is, with single blanks.

    >>> usual_name("Happy"), usual_name("in  doubt")
    ('happiness', 'in doubt')
    """
    return EXPRESSION_NAMES.get(plain_name(name), single_blanks(name))


def unify_names(names: Iterable[str], called: Callable[[str], str] = usual_name) -> dict[str, str]:
    """For each name the one that it gets: names that differ only in case or blanks are one, called as the first of them.

    Args:
        names: of classes or people.
        called: what a name becomes; for classes the package's name, where it has one.
    """
    unified: dict[str, str] = {}
    return {name: unified.setdefault(plain_name(name), called(name)) for name in names}


def unify_subjects(entries: Iterable[Any]) -> list[str | None]:
    """Who each entry of a column subject names; None where it names nobody. Names that differ only in case or blanks are one person.

    >>> unify_subjects(["S010", "s010 ", None, 11])
    ['S010', 'S010', None, '11']
    """
    # Libraries write a missing number as NaN, the only value that is not equal to itself.
    names = ["" if entry is None or entry != entry else str(entry) for entry in entries]
    people = unify_names(names, called=single_blanks)
    return [people[name] or None for name in names]


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    Attributes:
        source: its name within the data set, e.g. `S005/001/S005_001_00000011.png` or `fer2013.csv#12`.
        label: its expression.
        split: the split that the data set puts it in.
        subject: who is on it, where that is known.
        file: where the image lies; None where `content` holds it.
        content: the encoded image, where it lies in a table and not in a file.
        cropped: whether the image is a face crop already, to be taken whole.
        box: (left, top, right, bottom) of the face in pixels, where the data set gives it.
        landmarks: (points, 2), (x, y) in pixels, where the data set gives them.
        face_detected: false where the data set says that no face was found and its landmarks are guesses.
        votes: how many annotators chose each of `modeling_fer.data.targets.VOTES`, where the data set says so.
    """

    source: str
    label: str
    split: str = "train"
    subject: str | None = None
    file: Path | None = None
    content: bytes = b""
    cropped: bool = False
    box: tuple[float, float, float, float] | None = None
    landmarks: np.ndarray | None = None
    face_detected: bool = True
    votes: tuple[int, ...] | None = None

    def open(self) -> Image.Image:
        """The image, mode L or RGB, with the pixels that `open_image` gives of it when a network is used.

        Raises:
            DecompressionBombError: it has too many pixels.
            One of BROKEN_FILE_ERRORS: it cannot be read, or its pixels are of a kind that `to_8_bit` does not know.
        """
        if self.file is None or suffix_of(self.file) in HEIF_SUFFIXES:
            register_heif()
        source = io.BytesIO(self.content) if self.file is None else self.file
        image: Image.Image = Image.open(source)
        if self.box is None and self.landmarks is None:
            # Given coordinates are those of the file as it is; else a camera's note on how it was held is followed.
            image = ImageOps.exif_transpose(image)
        return to_8_bit(image)


@dataclass(frozen=True)
class Problem:
    """Something that was wrong with a data set: where, and one sentence."""

    source: str
    sentence: str


@dataclass
class Source:
    """A data set as a reader found it.

    Attributes:
        label_names: its classes, in their order.
        samples: its images.
        problems: what was left out or is doubtful, and why.
        form: what it was read as, a key of `modeling_fer.data.readers.READERS`; empty where no reader made it.
    """

    label_names: list[str]
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    form: str = ""

    def note(self, source: str, sentence: str) -> None:
        """Records a problem; reading goes on."""
        self.problems.append(Problem(source, sentence))

    def list_images(self, folder: Path, root: Path) -> list[Path]:
        """The image files under a folder, sorted; the other files become problems, named relative to `root`."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        shown = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
        if len(shown) < len(files):
            self.note(str(folder.relative_to(root)), f"{len(files) - len(shown)} hidden files are left out.")
        images = []
        for path in shown:
            reason = why_not_image(path)
            if reason is None:
                images.append(path)
            else:
                self.note(str(path.relative_to(root)), f"{reason}; it is left out.")
        return images

    def checked(self, path: str | Path) -> "Source":
        """The same, with problems noted that only show when everything is read.

        Args:
            path: what was read.

        Raises:
            ValueError: there is no image at all.
        """
        if not self.samples:
            first = f" The first problem was: {self.problems[0].source}: {self.problems[0].sentence}" if self.problems else ""
            raise ValueError(f"{path} has no labelled image.{first}")
        self._note_empty_classes()
        self._note_missing_subjects()
        self._note_shared_subjects()
        return self

    def splits(self) -> list[str]:
        """The splits that have images, in the order of their first image."""
        return list(dict.fromkeys(sample.split for sample in self.samples))

    def _note_empty_classes(self) -> None:
        found = {(sample.split, sample.label) for sample in self.samples}
        for split in self.splits():
            for name in self.label_names:
                if (split, name) not in found:
                    self.note(split, f"The split has no image of the class {name}.")

    def _note_missing_subjects(self) -> None:
        if all(sample.subject is None for sample in self.samples):
            return
        for split in self.splits():
            samples = [sample for sample in self.samples if sample.split == split]
            missing = [sample.source for sample in samples if sample.subject is None]
            if missing:
                self.note(
                    split,
                    f"Images without a subject: {len(missing)} of {len(samples)}, the first is {missing[0]}; each counts as a person "
                    "of its own where images are split by subject, so say who is on them.",
                )

    def _note_shared_subjects(self) -> None:
        people: dict[str, str] = {}
        noted: set[str] = set()
        for sample in self.samples:
            if sample.subject is None:
                continue
            first = people.setdefault(sample.subject, sample.split)
            if first != sample.split and sample.subject not in noted:
                noted.add(sample.subject)
                self.note(sample.source, f"Subject {sample.subject} is in both {first} and {sample.split}; the splits leak.")


def why_not_image(file: Path) -> str | None:
    """Why a file is not an image by its name, a sentence without its stop; None where it is one."""
    suffix = suffix_of(file)
    if suffix in HEIF_SUFFIXES and not register_heif():
        return f"Files of the kind {suffix} are read where pillow-heif is installed (pip install pillow-heif)"
    if suffix not in PHOTO_SUFFIXES:
        return f"The file is not an image by its name (it ends in {suffix})" if suffix else "The file's name has no suffix"
    return None


def find_folder(root: Path, *names: str) -> Path:
    """The first of some folders that exists under a data set's folder.

    Raises:
        FileNotFoundError: none does; the sentence names them.
    """
    return _find(root, names, "folder", Path.is_dir)


def find_file(root: Path, *names: str) -> Path:
    """The first of some files that exists under a data set's folder.

    Raises:
        FileNotFoundError: none does; the sentence names them.
    """
    return _find(root, names, "file", Path.is_file)


def _find(root: Path, names: Sequence[str], kind: str, exists: Callable[[Path], bool]) -> Path:
    for name in names:
        if exists(root / name):
            return root / name
    raise FileNotFoundError(f"{root} holds no {kind} {' or '.join(names)}; give the folder that the data set was unpacked to.")


def list_folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, hidden ones left out."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def add_expression_folders(
    source: Source, root: Path, folder: Path, split: str, known: Iterable[str], cropped: bool = False
) -> None:
    """Adds the images of a split that has a folder for each expression; a folder of another name becomes a problem.

    Args:
        source: what is added to.
        root: the data set's folder, which names are relative to.
        folder: that of the split.
        split: its name.
        known: the names that the data set has for its expressions.
        cropped: whether the images are face crops already.
    """
    for expression in list_folders(folder):
        label = EXPRESSION_NAMES.get(plain_name(expression.name))
        if label not in source.label_names:
            source.note(str(expression.relative_to(root)), f"The folder is none of {', '.join(known)}; it is left out.")
            continue
        for file in source.list_images(expression, root):
            source.samples.append(Sample(str(file.relative_to(root)), label, split, file=file, cropped=cropped))


def ordered_expressions(names: Iterable[str]) -> list[str]:
    """Expressions in the package's order, others after them in alphabetical order."""
    unique = set(names)
    return [name for name in EXPRESSIONS if name in unique] + sorted(unique - set(EXPRESSIONS))

"""JAFFE, the Japanese Female Facial Expression data set (Lyons et al. 1998): 213 tiff files of ten people in one folder.

A file's name says who shows what: `KA.AN1.39.tiff` is subject KA, angry, first picture.
"""

from pathlib import Path

from modeling_fer.data.source import Sample, Source, ordered_expressions

JAFFE_CODES = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}


def read_jaffe(folder: str | Path) -> Source:
    """Reads JAFFE.

    Args:
        folder: holds the image files, in folders of their own or not.

    Raises:
        ValueError: no file has a name of the data set's form.
    """
    root = Path(folder)
    source = Source(ordered_expressions(JAFFE_CODES.values()))
    seen: set[str] = set()
    for file in source.list_images(root, root):
        parts = file.name.upper().split(".")
        name = str(file.relative_to(root))
        if len(parts) < 3 or parts[1][:2] not in JAFFE_CODES:
            codes = ", ".join(JAFFE_CODES)
            source.note(name, f"The name is not SUBJECT.CODE.NUMBER with a code among {codes}; the file is left out.")
            continue
        stem = ".".join(parts[:3])
        if stem in seen:
            source.note(name, f"Subject {parts[0]} has the picture {stem} twice; the second is left out.")
            continue
        seen.add(stem)
        source.samples.append(Sample(name, JAFFE_CODES[parts[1][:2]], subject=parts[0], file=file))
    return source.checked(folder)

"""CK+, the Extended Cohn-Kanade data set (Lucey et al. 2010), in its original layout: `images/S005/001/S005_001_00000011.png`,
`Emotion/S005/001/S005_001_00000011_emotion.txt` and `Landmarks/S005/001/S005_001_00000011_landmarks.txt`.

A sequence goes from a neutral face to the peak of an expression. As in section IV of Ferreira et al. (IEEE Access 6, 2018), the
first frame of each labelled sequence is neutral and its last three have the sequence's label: 1,308 images of 327 sequences.
"""

from pathlib import Path

import numpy as np

from modeling_fer.data.source import Sample, Source, find_folder, list_folders, ordered_expressions

CKPLUS_CODES = {0: "neutral", 1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"}
PEAK_FRAMES = 3


def read_ckplus(folder: str | Path) -> Source:
    """Reads CK+.

    Args:
        folder: holds images/ (or cohn-kanade-images/), Emotion/ and, if there are landmarks, Landmarks/.

    Raises:
        FileNotFoundError: images/ or Emotion/ is missing.
        ValueError: no sequence has a label.
    """
    root = Path(folder)
    images = find_folder(root, "images", "cohn-kanade-images")
    emotions = find_folder(root, "Emotion", "Emotion_labels/Emotion")
    landmarks = next((root / name for name in ("Landmarks/Landmarks", "Landmarks") if (root / name).is_dir()), None)
    source = Source(ordered_expressions(CKPLUS_CODES.values()))
    if landmarks is None:
        source.note("Landmarks", "The folder is missing; the images count as ones without landmarks.")
    unlabelled = 0
    for subject in list_folders(images):
        for sequence in list_folders(subject):
            code_file = next(iter(sorted((emotions / subject.name / sequence.name).glob("*_emotion.txt"))), None)
            if code_file is None:
                unlabelled += 1
                continue
            label = _read_label(code_file, source, root)
            if label is not None:
                _add_sequence(source, images, sequence, label, subject.name.upper(), landmarks)
    if unlabelled:
        source.note("Emotion", f"{unlabelled} sequences have no label file and are left out.")
    return source.checked(folder)


def _read_label(file: Path, source: Source, root: Path) -> str | None:
    """The expression that a label file names by a code such as `3.0000000e+00`."""
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    try:
        return CKPLUS_CODES[int(float(text))]
    except (ValueError, KeyError):
        codes = ", ".join(map(str, CKPLUS_CODES))
        source.note(
            str(file.relative_to(root)), f"{text!r} is not a code of an expression ({codes}); the sequence is left out."
        )
        return None


def _add_sequence(source: Source, images: Path, sequence: Path, label: str, subject: str, landmarks: Path | None) -> None:
    frames = source.list_images(sequence, images)
    name = str(sequence.relative_to(images))
    if len(frames) < PEAK_FRAMES + 1:
        source.note(name, f"The sequence has {len(frames)} frames, but needs {PEAK_FRAMES + 1}; it is left out.")
        return
    for frame, expression in [(frames[0], "neutral"), *((frame, label) for frame in frames[-PEAK_FRAMES:])]:
        points = None
        if landmarks is not None:
            points = _read_landmarks(landmarks / frame.relative_to(images).parent / f"{frame.stem}_landmarks.txt", source)
        source.samples.append(Sample(str(frame.relative_to(images)), expression, subject=subject, file=frame, landmarks=points))


def _read_landmarks(file: Path, source: Source) -> np.ndarray | None:
    """(68, 2), (x, y) in pixels; None where there are none."""
    try:
        points = np.loadtxt(file)
    except (OSError, ValueError):
        points = np.empty(0)
    if points.shape != (68, 2):
        source.note(file.name, "The landmarks are missing or not 68 lines of x and y; the image counts as one without.")
        return None
    return points.astype(np.float32)

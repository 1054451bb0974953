"""Measures how often the packages that are installed instead of this one name the expression of a face: accuracy, unweighted average
recall (UAR) and the recall of each class.

    python scripts/compare_packages.py --data prepared --fer-python /path/to/python --npm-folder /path/to/folder

--fer-python is the Python of an environment with the package fer (`pip install fer "setuptools<81"`, as fer needs pkg_resources), and
--npm-folder a folder in which
`npm install @vladmandic/face-api @vladmandic/human @tensorflow/tfjs @tensorflow/tfjs-backend-wasm @napi-rs/canvas` was run. What is
not installed is left out. Stop it at any time: the same call goes on with what is not measured yet.

The images and classes are those of `fer evaluate --suite`: FER-2013's test split by its own seven labels, and all of CK+48 but
contempt, which the packages do not know. The likeliest of the data set's classes is the answer.

No package searches for a face, as each image is one, 48 pixels wide: the network for expressions is handed the image whole, as it
would be handed what the search cuts out.

    fer       its network for emotions as `FER` loads it, with the image resized to 64 pixels by OpenCV, in [-1, 1], as
              `FER.detect_emotions` does with what its search cuts out.
    face-api  `FaceExpressionNet.predictExpressions`, which resizes the image to 112 pixels and subtracts its mean colour.
    human     its network for emotions, with the image resized to 64 pixels by tfjs, in gray, in [-1, 1], as src/gear/emotion.ts of
              the package does with what its search cuts out.

fer and human round probabilities to hundredths in what they return; here they are those of the network.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.packages import Package, add_arguments, find_packages
from datasets import Dataset
from sklearn.metrics import accuracy_score, recall_score
from tqdm.auto import tqdm

from modeling_fer.data.json_files import keep_result, read_kept
from modeling_fer.data.source import usual_name
from modeling_fer.training.measurement import Measurement
from modeling_fer.training.suite import read_measured

RESULTS = Path(__file__).parents[1] / "results" / "packages.json"
MEASUREMENTS = (Measurement("fer2013", "test"), Measurement("ckplus48", "all", without=["contempt"]))

Answer = Mapping[str, float]
"""Probabilities by the package's own names of the expressions, e.g. happiness for happy."""


def read_images(measurement: Measurement, data: Path) -> tuple[Dataset, list[str]]:
    """The images that are measured, and the names of their labels."""
    dataset = read_measured(measurement, data)
    names = dataset.features["label"].names
    kept = [place for place, label in enumerate(dataset["label"]) if names[label] not in measurement.without]
    dataset = dataset.select(kept)
    return dataset, [names[label] for label in dataset["label"]]


def ask(package: Package, images: Sequence[Any], title: str) -> list[Answer]:
    """What a package answers to each image.

    Args:
        package: is started once for all.
        images: PIL images of faces.
        title: of the progress bar.

    Raises:
        ValueError: it stops before the last image, or answers otherwise than with probabilities.
    """
    with tempfile.TemporaryDirectory() as folder:
        for place, image in enumerate(images):
            image.save(Path(folder) / f"{place:06}.png")
        lines = run(package.command("answer", folder), package.folder)
        answers = [read_answer(line) for line in tqdm(lines, title, total=len(images), unit="image")]
    if len(answers) != len(images):
        raise ValueError(f"{package.name} answered to {len(answers)} of {len(images)} images.")
    return answers


def run(command: Sequence[str], folder: Path) -> Iterator[str]:
    """The lines that a program prints, as they come.

    Raises:
        ValueError: it fails; the sentence ends with the last that it said.
    """
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=said, text=True) as program:
            yield from program.stdout or ()
        if program.returncode:
            said.seek(0)
            last = (said.read().strip().splitlines() or ["nothing"])[-1]
            raise ValueError(f"{' '.join(command)} failed ({program.returncode}) and said: {last}")


def read_answer(line: str) -> Answer:
    """An answer from the line that a program prints.

    Raises:
        ValueError: it is something else.
    """
    try:
        return {usual_name(name): float(value) for name, value in json.loads(line).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{line.strip()!r} is not an answer; a program prints one line of JSON an image.") from error


def score(answers: Sequence[Answer], labels: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """Accuracy, UAR and recall by class.

    Args:
        answers: one an image.
        labels: of the images, each among `classes`.
        classes: among which the likeliest is the answer.

    Raises:
        ValueError: an answer lacks one of the classes.
    """
    for name in classes:
        if any(name not in answer for answer in answers):
            raise ValueError(f"An answer has no class {name!r}.")
    chosen = [max(classes, key=answer.__getitem__) for answer in answers]
    recall = recall_score(labels, chosen, labels=classes, average=None)
    return {
        "images": len(labels),
        "accuracy": float(accuracy_score(labels, chosen)),
        "uar": float(recall.mean()),
        "recall": dict(zip(classes, recall.tolist(), strict=True)),
    }


def measure(package: Package, data: Path, output: Path) -> None:
    """Measures a package on what it is not measured on yet, and keeps each result.

    Raises:
        FileNotFoundError, ValueError: data are missing, or a program does not answer.
    """
    kept = read_kept(output).get(package.name, {})
    if kept.get("version") != package.version:
        kept = {"version": package.version}
    for measurement in MEASUREMENTS:
        images, labels = read_images(measurement, data)
        if kept.get(measurement.dataset, {}).get("images") != len(images):
            answers = ask(package, images["image"], f"{package.name}, {measurement.title}")
            classes = [name for name in images.features["label"].names if name not in measurement.without]
            kept[measurement.dataset] = {"split": measurement.split} | score(answers, labels, classes)
            keep_result(output, package.name, kept)
        scores = kept[measurement.dataset]
        shown = f"accuracy {scores['accuracy']:.1%}, UAR {scores['uar']:.1%}"
        print(f"{package.name} {package.version}, {measurement.title}, {scores['images']:,} images: {shown}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("prepared"), help="folder of fer2013 and ckplus48; %(default)s")
    add_arguments(parser)
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON file; what it has of other packages is kept")
    arguments = parser.parse_args()
    packages = find_packages(arguments.fer_python, arguments.npm_folder)
    if not packages:
        parser.exit(1, "stopped: there is no package to measure.\n")
    try:
        for package in packages:
            measure(package, arguments.data, arguments.output)
    except (OSError, ValueError) as error:
        parser.exit(1, f"stopped: {error}\n")


if __name__ == "__main__":
    main()

"""Measures how fast the package is on this machine, on the processor.

    python scripts/benchmark.py                       what users wait for
    python scripts/benchmark.py --training            images a second of the training recipe, on random images
    python scripts/benchmark.py --preparation         images a second of scripts/prepare_dataset.py, on copies of a 512x512 photo

Prints medians; let nothing else run meanwhile.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from modeling_fer import FacialExpressionPipeline, FerForImageClassification, FerImageProcessor, checkpoint_folder

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "space" / "examples" / "astronaut.jpg"


def median_seconds(call: Callable[[], object], repetitions: int, warmup: int = 3) -> float:
    """The median time of some calls."""
    seconds = []
    for repetition in range(warmup + repetitions):
        start = time.perf_counter()
        call()
        if repetition >= warmup:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@torch.inference_mode()
def measure_use() -> None:
    """From crop to probabilities, from photo file to result, and the command from a cold start."""
    model = FerForImageClassification.from_pretrained(checkpoint_folder()).eval()
    processor = FerImageProcessor.from_pretrained(checkpoint_folder())
    size = model.config.image_size
    crop = torch.rand(1, model.config.num_channels, size, size)
    pipeline = FacialExpressionPipeline(model, image_processor=processor, device="cpu")
    seconds = median_seconds(lambda: pipeline.model(crop).logits.softmax(1), 200)
    print(f"one crop to probabilities, float32: {seconds * 1000:.1f} ms")
    print(f"512x512 photo, from file to result: {median_seconds(lambda: pipeline(PHOTO), 30) * 1000:.0f} ms")
    fer = Path(sys.executable).with_name("fer")
    for name, arguments in (("fer --help", ["--help"]), ("fer predict, one photo", ["predict", str(PHOTO)])):
        seconds = median_seconds(partial(subprocess.run, [fer, *arguments], capture_output=True, check=True), 5, 1)
        print(f"{name}, from a cold start: {seconds:.2f} s")


def measure_training() -> None:
    """One epoch of the bundled checkpoint's recipe on random images."""
    import tempfile

    from modeling_fer.configuration_fer import EXPRESSIONS
    from modeling_fer.data.columns import FaceColumns
    from modeling_fer.recipe import read_recipe
    from modeling_fer.training import Trainer, keep_freed_memory

    keep_freed_memory()
    recipe = read_recipe(ROOT / "scripts" / "recipes" / "ferplus_hybrid.yaml")
    count, size = 40 * recipe.batch_size, recipe.model["image_size"]
    labels = torch.arange(count) % len(EXPRESSIONS)
    images = torch.randint(256, (count, recipe.model["num_channels"], size, size), dtype=torch.uint8)
    landmarks = torch.rand(count, 51, 2) * size
    targets = torch.eye(len(EXPRESSIONS))[labels]
    columns = FaceColumns(images, targets, labels, landmarks, labels > 0, list(EXPRESSIONS))
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe, columns, columns, folder, cpu=True)
        metrics = trainer.train_epoch()
    print(f"training: {metrics['images_per_second']:.0f} images/s ({trainer.accelerator.mixed_precision} precision)")
    print(f"waiting for data: {metrics['data_share']:.2%} of the time")


def measure_preparation(processes: int, count: int = 256) -> None:
    """Faces found by MTCNN, cut, and their heatmaps drawn at its five points, without the start of the processes."""
    import tempfile

    from modeling_fer.data.face_preparer import PrepareSettings
    from modeling_fer.data.prepare import prepare
    from modeling_fer.data.source import Sample, Source

    samples = [Sample(f"{number}.jpg", "happiness", file=PHOTO) for number in range(count + 64 * processes)]
    settings = PrepareSettings(landmarks="mtcnn")
    with tempfile.TemporaryDirectory() as folder:
        prepare(Source(["happiness"], samples[: 64 * processes]), settings, Path(folder) / "start", processes)
        start = time.perf_counter()
        prepare(Source(["happiness"], samples[: 64 * processes]), settings, Path(folder) / "few", processes)
        few = time.perf_counter() - start
        start = time.perf_counter()
        prepare(Source(["happiness"], samples), settings, Path(folder) / "many", processes)
        many = time.perf_counter() - start
    print(
        f"preparing 512x512 photos, {processes} processes: {count / (many - few):.1f} images/s, after a start of about "
        f"{few - 64 * processes * (many - few) / count:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", action="store_true", help="measure training instead of use")
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use")
    parser.add_argument("--preparation", action="store_true", help="measure the preparation of data sets instead of use")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads")
    if arguments.training:
        measure_training()
    elif arguments.preparation:
        measure_preparation(arguments.threads)
    else:
        measure_use()


if __name__ == "__main__":
    main()

"""Measures how fast data sets are prepared and networks trained on this machine, on the processor.

    python scripts/benchmark_training.py                  images a second of the training recipe, on random images
    python scripts/benchmark_training.py --preparation    images a second of fer prepare, on copies of a 512x512 photo

Let nothing else run meanwhile.
"""

import argparse
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "space" / "examples" / "astronaut.jpg"


def measure_training() -> None:
    """One epoch of the bundled checkpoint's recipe on random images."""
    import tempfile

    from modeling_fer.configuration_fer import EXPRESSIONS
    from modeling_fer.data.columns import FaceColumns
    from modeling_fer.training.process import keep_freed_memory
    from modeling_fer.training.recipe import read_recipe
    from modeling_fer.training.trainer import Trainer

    keep_freed_memory()
    recipe = read_recipe("fer_base", {"initial_checkpoint": None})
    count, size = 40 * recipe.batch_size, recipe.model["image_size"]
    labels = torch.arange(count) % len(EXPRESSIONS)
    images = torch.randint(256, (count, recipe.model["num_channels"], size, size), dtype=torch.uint8)
    landmarks = torch.rand(count, 51, 2) * size
    targets = torch.eye(len(EXPRESSIONS))[labels]
    columns = FaceColumns(
        images, targets, labels, landmarks, labels > 0, list(EXPRESSIONS),
        auxiliary_labels=labels % 7, auxiliary_names=list(EXPRESSIONS[:7]),
    )  # fmt: skip
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
    settings = PrepareSettings(landmarks="detector")
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
    parser.add_argument("--threads", type=int, default=2, help="processor cores to use")
    parser.add_argument("--preparation", action="store_true", help="measure the preparation of data sets instead of training")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {arguments.threads} threads")
    if arguments.preparation:
        measure_preparation(arguments.threads)
    else:
        measure_training()


if __name__ == "__main__":
    main()

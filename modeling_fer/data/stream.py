"""A training set that is read while it is trained on, for those that fit neither memory nor disk."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import datasets
from datasets.distributed import split_dataset_by_node
from torch import Tensor

from modeling_fer.data.columns import decode_rows
from modeling_fer.image_processing_fer import FerImageProcessor

SHUFFLE_BUFFER = 2000
"""Images that are held at once to draw the next from, beside the order of the files being drawn."""


@dataclass
class FaceStream:
    """A prepared data set that is streamed.

    Args:
        dataset: from `load_dataset(..., streaming=True)`, with the columns that `decode_columns` takes.
        processor: gives size and number of channels.
        landmark_points: which of the landmarks to keep.

    Raises:
        ValueError: the data set's card does not say how many images it has.
    """

    dataset: datasets.IterableDataset
    processor: FerImageProcessor
    landmark_points: slice

    def __post_init__(self) -> None:
        split = (self.dataset.info.splits or {}).get(str(self.dataset.split))
        if split is None or not split.num_examples:
            raise ValueError(
                "The streamed data set does not say how many images it has; its card (README.md) needs dataset_info with "
                "num_examples, as fer prepare writes it."
            )
        self.images: int = split.num_examples

    @property
    def label_names(self) -> list[str]:
        """Names of the classes."""
        return list(self.dataset.features["label"].names)

    def any_landmarks(self) -> bool:
        """Whether any image has landmarks, or a heatmap, to learn from; reads no further than the first that has."""
        names = [name for name in ("landmarks", "heatmap", "face_detected") if name in self.dataset.features]
        rows = self.dataset.select_columns(names)
        return any(
            row.get("face_detected") is not False and (row.get("landmarks") or row.get("heatmap")) is not None for row in rows
        )

    def batches(self, batch_size: int, seed: int, part: int, parts: int) -> "StreamedBatches":
        """What one of several processes reads.

        Args:
            batch_size: images in a batch of this process.
            seed: of the order.
            part, parts: number of the process, from 0, and of all processes.
        """
        return StreamedBatches(self, batch_size, seed, part, parts)


@dataclass
class StreamedBatches:
    """The batches of one process. Every process has as many, and where a process has too few images it starts over."""

    stream: FaceStream
    batch_size: int
    seed: int
    part: int
    parts: int

    def __len__(self) -> int:
        return max(1, self.stream.images // self.parts // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[dict[str, Tensor]]:
        """The batches of an epoch, in an order of its own.

        Args:
            number: which epoch.
            start: leave out so many batches, which were trained on before a stop.

        Returns:
            What `FaceColumns` gives for a batch.
        """
        own = split_dataset_by_node(self.stream.dataset, rank=self.part, world_size=self.parts)
        shuffled = own.shuffle(seed=self.seed, buffer_size=SHUFFLE_BUFFER)
        shuffled.set_epoch(number)
        endless = itertools.chain.from_iterable(iter(shuffled) for _ in itertools.count())
        rows = itertools.islice(endless, start * self.batch_size, len(self) * self.batch_size)
        while batch := list(itertools.islice(rows, self.batch_size)):
            columns = {name: [row[name] for row in batch] for name in batch[0]}
            decoded = decode_rows(columns, self.stream.label_names, self.stream.processor, self.stream.landmark_points)
            yield decoded.__getitems__(list(range(len(batch))))

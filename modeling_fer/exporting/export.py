"""Writes the model.onnx of a checkpoint, once it has given the same answers as the checkpoint."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from modeling_fer.exporting.comparison import Difference, answer_in_batches, compare
from modeling_fer.exporting.crops import CropSet, example_set, read_set
from modeling_fer.exporting.graph import export_graph
from modeling_fer.exporting.quantization import quantize
from modeling_fer.exporting.shared_weights import link_weights
from modeling_fer.inference.engines import ONNX_FILE
from modeling_fer.inference.loading import Checkpoint, make_pipeline
from modeling_fer.inference.onnx_engine import OnnxNetwork
from modeling_fer.network_fer import Network
from modeling_fer.reading_fer import FaceReader

TOLERANCE = 1e-4
"""How far a float32 network may differ from the checkpoint."""

MIN_AGREEMENT = 0.95
"""Share of the crops that an 8-bit network has to name as the checkpoint does."""

BATCH_SIZES = (1, 32)


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        file: the model.onnx.
        megabytes: its size.
        difference: from the checkpoint, on the crops compared.
        crops: how many there were.
        split: that they are from, see `modeling_fer.exporting.crops.Parts`; None for those of the example photo.
    """

    file: Path
    megabytes: float
    difference: Difference
    crops: int
    split: str | None


def export_checkpoint(checkpoint: Checkpoint, folder: str | Path, quantized: bool = False, data: str | None = None) -> Export:
    """Writes model.onnx, a file that is enough alone.

    Args:
        checkpoint: what to export.
        folder: where it is written; made if need be.
        quantized: whether weights and values become 8-bit whole numbers.
        data: a prepared data set to compare on, and to learn the range of values from; crops of one photo where there is none.

    Raises:
        ValueError: the checkpoint's answers are not numbers, or what was exported differs too much from them, and nothing is written;
            or the data cannot be read.
        OSError: the folder cannot be written.
    """
    reader = make_pipeline(checkpoint, "cpu").reader
    crops = example_set(reader) if data is None else read_set(reader, data)
    check_answers(reader.network, crops)
    graph = export_graph(checkpoint)
    if quantized:
        graph = quantize(graph, crops.calibration)
    return write_checked(graph, folder, reader, crops, quantized)


def export_linked(checkpoint: Checkpoint, folder: str | Path) -> Export:
    """Writes a model.onnx that takes its weights from the model.safetensors beside it.

    Args:
        checkpoint: from `folder`.
        folder: holds model.safetensors.

    Raises:
        OSError, ValueError: as for `export_checkpoint`.
    """
    reader = make_pipeline(checkpoint, "cpu").reader
    graph = link_weights(export_graph(checkpoint, fold=False), Path(folder) / "model.safetensors")
    return write_checked(graph, folder, reader, example_set(reader), quantized=False)


def write_checked(graph: onnx.ModelProto, folder: str | Path, reader: FaceReader, crops: CropSet, quantized: bool) -> Export:
    """Writes a graph as model.onnx if it answers as the reader's network does.

    Raises:
        OSError, ValueError: as for `export_checkpoint`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file, new = folder / ONNX_FILE, folder / f"{ONNX_FILE}.new"
    try:
        new.write_bytes(graph.SerializeToString())
        network = OnnxNetwork(new)
        expected = answer_in_batches(reader.network, crops.compared, BATCH_SIZES[-1])
        answers = [answer_in_batches(network, crops.compared, size) for size in BATCH_SIZES]
        difference = max((compare(expected, found, crops.classes) for found in answers), key=lambda one: one.largest)
        refuse_difference(difference, quantized)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return Export(file, file.stat().st_size / 1e6, difference, len(crops.compared), crops.split)


def check_answers(network: Network, crops: CropSet) -> None:
    """Refuses a network whose training diverged, as nothing differs from what is not a number.

    Raises:
        ValueError: it answers with NaN.
    """
    if not np.isfinite(network(crops.compared[:1]).probabilities).all():
        raise ValueError(
            "The network's answers are not numbers (NaN); nothing was written. Export a checkpoint of before it diverged."
        )


def refuse_difference(difference: Difference, quantized: bool) -> None:
    """Refuses what differs too much from the checkpoint.

    Raises:
        ValueError: it does.
    """
    if quantized and difference.agreement < MIN_AGREEMENT:
        raise ValueError(
            f"The 8-bit network names only {difference.agreement:.0%} of the crops as the checkpoint does, and {MIN_AGREEMENT:.0%} are "
            "needed; calibrate it on faces of your own (--data), or leave --quantize out."
        )
    # A difference that is NaN is not small either.
    if not quantized and not difference.largest <= TOLERANCE:
        raise ValueError(
            f"The exported network differs from the checkpoint by {difference.largest:.2g}, more than {TOLERANCE:g}; nothing was "
            "written. Please report it with the checkpoint's config.json."
        )

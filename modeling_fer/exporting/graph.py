"""From the torch network to an ONNX graph that says of itself all that is needed to use it."""

import warnings
from typing import Any

import onnx
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.inference.loading import Checkpoint
from modeling_fer.inference.onnx_engine import METADATA_KEY, NetworkCard
from modeling_fer.modeling_fer import FerForImageClassification

OPSET = 18
"""ONNX Runtime reads it from 1.14 on, in browsers too."""

MAX_BATCH = 4096


class Outputs(nn.Module):
    """The network as it is exported: (batch, channels, height, width) -> probabilities (batch, classes), and the relevance map
    (batch, 1, height, width) where there is one.
    """

    def __init__(self, model: FerForImageClassification):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model(pixel_values)
        probabilities = outputs.logits.softmax(dim=1)
        return (probabilities,) if outputs.relevance_map is None else (probabilities, outputs.relevance_map)


def export_graph(checkpoint: Checkpoint, fold: bool = True) -> onnx.ModelProto:
    """The network of a checkpoint, float32, for batches of any size.

    Args:
        checkpoint: the network, and how crops are made ready for it. Probabilities have the prior strength of its configuration.
        fold: whether batch normalizations become part of the convolutions before them. Where they do not, the weights are those of
            the checkpoint, and ONNX Runtime does the same when it loads them.
    """
    model = checkpoint.model.float().eval()
    config = model.config
    example = torch.zeros(2, config.num_channels, config.image_size, config.image_size, device=model.device)
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    names = ["probabilities"] if config.regularization == "none" else ["probabilities", "relevance_map"]
    with warnings.catch_warnings():
        # Remarks of the exporter on itself.
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            Outputs(model).eval(),
            (example,),
            dynamo=True,
            verbose=False,
            optimize=fold,
            opset_version=OPSET,
            input_names=["pixel_values"],
            output_names=names,
            dynamic_shapes=({0: batch},),
        )
    if not fold:
        optimizer.fold_constants(program.model)
        optimizer.remove_unused_nodes(program.model)
    graph = without_origin(program.model_proto)
    onnx.helper.set_model_props(graph, {METADATA_KEY: describe(checkpoint).to_json()})
    return graph


def describe(checkpoint: Checkpoint) -> NetworkCard:
    """What the file says of itself."""
    config, processor = checkpoint.model.config, checkpoint.image_processor
    check_processor(processor)
    return NetworkCard(
        tuple(config.id2label[place] for place in range(config.num_labels)),
        processor.pixel_settings(),
        processor.face_detector,
        processor.face_margin,
        processor.face_offset,
        processor.face_alignment,
        float(config.prior_strength),
        None if config.label_shares is None else tuple(config.label_shares),
        config.uncertain_below,
        None
        if config.conformal_thresholds is None
        else {coverage: tuple(values) for coverage, values in config.conformal_thresholds.items()},
    )


def check_processor(processor: FerImageProcessor) -> None:
    """Whether a processor does what is written into the file, and nothing else.

    Raises:
        ValueError: it leaves a step out, or scales otherwise.
    """
    steps = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
    for name, expected in steps.items():
        if getattr(processor, name) != expected:
            raise ValueError(
                f"{name} of the image processor is {getattr(processor, name)}, but only {expected} can be exported; set it so."
            )


def without_origin(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without the exporter's notes on where in which source file each node comes from."""
    del graph.graph.value_info[:]
    del graph.graph.metadata_props[:]
    for part in (*graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    return graph

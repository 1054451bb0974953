"""A graph that reads its weights from the model.safetensors beside it, so that a folder holds them once."""

import json
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper

SMALL = 1024
"""Tensors of fewer bytes stay in the graph."""


def link_weights(graph: onnx.ModelProto, weights: Path) -> onnx.ModelProto:
    """Takes the weights that a safetensors file holds out of a graph, and names their place in the file instead.

    Args:
        graph: a network that is to lie in the folder of `weights`.
        weights: model.safetensors.
    """
    places = tensor_places(weights)
    for tensor in graph.graph.initializer:
        content = numpy_helper.to_array(tensor).tobytes()
        if len(content) >= SMALL and content in places:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            place = {"location": weights.name, "offset": str(places[content]), "length": str(len(content))}
            del tensor.external_data[:]
            tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=value) for key, value in place.items())
    return graph


def tensor_places(weights: Path) -> dict[bytes, int]:
    """For the content of each tensor of a safetensors file the byte that it starts at.

    The file is the length of its header (8 bytes), the header as JSON, and the tensors.
    """
    content = weights.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    offsets = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    return {content[start + first : start + last]: start + first for first, last in offsets}

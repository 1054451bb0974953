"""A network of 8-bit whole numbers, a quarter as large, by ONNX Runtime's own quantizer."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

QUANTIZED = ["Conv", "Gemm"]
"""The layers that hold nearly all weights."""


class CropReader(CalibrationDataReader):
    """Hands the quantizer crops, by which it learns how large the values between the layers are.

    Args:
        pixel_values: (crops, channels, height, width), float32.
    """

    def __init__(self, pixel_values: np.ndarray):
        self.batches: Iterator[dict[str, np.ndarray]] = iter({"pixel_values": crop[None]} for crop in pixel_values)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next crop; None at the end."""
        return next(self.batches, None)


def quantize(graph: onnx.ModelProto, pixel_values: np.ndarray) -> onnx.ModelProto:
    """The network with 8-bit weights and values.

    Args:
        graph: float32.
        pixel_values: (crops, channels, height, width), float32; crops like those that it is to read.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole, prepared, quantized = (Path(folder) / f"{name}.onnx" for name in ("whole", "prepared", "quantized"))
        onnx.save(graph, whole)
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantized,
            CropReader(pixel_values),
            QuantFormat.QDQ,
            QUANTIZED,
            per_channel=True,
            # Processors without 8-bit dot products add in 16 bits, which 8-bit weights overflow.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        found = onnx.load(quantized)
    onnx.helper.set_model_props(found, {entry.key: entry.value for entry in graph.metadata_props})
    return found

"""The ONNX files compute what facenet-pytorch's networks do."""

import convert_mtcnn
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from facenet_pytorch import MTCNN

from modeling_fer.detector_files_fer import PACKAGED
from modeling_fer.mtcnn_fer import NETWORKS

SHAPES = {
    "pnet": [(1, 3, 77, 103), (1, 3, 12, 12), (1, 3, 13, 40)],
    "rnet": [(1, 3, 24, 24), (70, 3, 24, 24)],
    "onet": [(5, 3, 48, 48)],
}


def run_original(name: str, pixels: torch.Tensor) -> list[np.ndarray]:
    """The face's probability, offsets and points by facenet-pytorch."""
    with torch.inference_mode():
        outputs = getattr(MTCNN(), name)((pixels - 127.5) / 128)
    *rest, probabilities = outputs
    return [values.numpy() for values in (probabilities[:, 1], *rest)]


@pytest.mark.parametrize("name", SHAPES)
def test_networks_compute_the_same(name):
    session = onnxruntime.InferenceSession(PACKAGED / "mtcnn" / f"{name}.onnx", providers=["CPUExecutionProvider"])
    for shape in SHAPES[name]:
        pixels = torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).float()
        outputs = session.run(None, {"pixels": pixels.numpy()})
        if name == "pnet":
            (windows,) = outputs
            outputs = [1 / (1 + np.exp(-windows[:, 0])), windows[:, 1:]]
        for output, original in zip(outputs, run_original(name, pixels), strict=True):
            np.testing.assert_allclose(output, original, atol=1e-5)


def test_the_script_writes_the_packages_files(tmp_path):
    convert_mtcnn.convert(tmp_path)
    for name in NETWORKS:
        new, packaged = onnx.load(tmp_path / name), onnx.load(PACKAGED / "mtcnn" / name)
        assert [node.op_type for node in new.graph.node] == [node.op_type for node in packaged.graph.node]
        for one, other in zip(new.graph.initializer, packaged.graph.initializer, strict=True):
            np.testing.assert_array_equal(onnx.numpy_helper.to_array(one), onnx.numpy_helper.to_array(other))
        assert b"site-packages" not in (tmp_path / name).read_bytes()

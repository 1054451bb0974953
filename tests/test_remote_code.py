"""Checkpoints load with `trust_remote_code` where this package is not installed.

The clean environment is an import path that the test makes: links to the packages that torch, transformers and pillow need, by
their own metadata, and nothing else.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from clean_process import make_import_path, run_cleanly
from transformers import pipeline
from transformers.dynamic_module_utils import get_relative_import_files

from modeling_fer import FerForImageClassification, FerImageProcessor, checkpoint_folder, modeling_fer
from modeling_fer.detector_files_fer import PACKAGED
from modeling_fer.hub.release import complete_checkpoint


def test_transformers_keeps_all_code_with_that_of_a_model():
    code = Path(modeling_fer.__file__)
    kept = {code.name, *(Path(file).name for file in get_relative_import_files(code))}
    assert kept == {file.name for file in code.parent.glob("*_fer.py")}


@pytest.mark.slow
@pytest.mark.parametrize("bundled", [True, False], ids=["bundled", "saved"])
def test_checkpoint_loads_without_the_package(bundled, tiny_checkpoint, photo_path, tmp_path):
    checkpoint = tmp_path / "copy"
    if bundled:
        complete_checkpoint(checkpoint_folder(), checkpoint)
    else:
        checkpoint = tiny_checkpoint
    path = make_import_path(tmp_path / "packages", ["torch", "transformers", "accelerate", "pillow", "numpy"])
    assert not (path / "onnxruntime").exists()
    result = run_cleanly(checkpoint, photo_path, path, tmp_path)
    model = FerForImageClassification.from_pretrained(checkpoint).eval()
    pixel_values = FerImageProcessor.from_pretrained(checkpoint)(photo_path, return_tensors="pt").pixel_values
    with torch.inference_mode():
        # Another process may use another number of threads, and then sums in another order.
        np.testing.assert_allclose(np.array(result["logits"]), model(pixel_values).logits.numpy(), rtol=1e-5, atol=1e-5)
    assert result["type"] == "fer"
    assert result["module"].startswith("transformers_modules")
    assert "Finding faces needs onnxruntime; install it (pip install onnxruntime)" in result["found"]
    assert result["saved"] == dict.fromkeys(("again", "trained", "piped"), result["found"])
    again = tmp_path / "again"
    assert json.loads((again / "config.json").read_text())["auto_map"]["AutoModel"] == "modeling_fer.FerModel"
    if bundled:
        assert result["boxed"]["label"] == "happiness"


@pytest.mark.slow
def test_pipeline_finds_faces_by_the_networks_beside_the_checkpoint(photo_path, tmp_path):
    path = make_import_path(tmp_path / "packages", ["torch", "transformers", "accelerate", "pillow", "onnxruntime"])
    complete_checkpoint(checkpoint_folder(), tmp_path / "copy")
    result = run_cleanly(tmp_path / "copy", photo_path, path, tmp_path)
    [face] = pipeline("facial-expression-recognition", model=str(checkpoint_folder()), device="cpu")(photo_path)
    assert result["found"] == [face["box"]["xmin"]] == [181]
    assert result["saved"] == dict.fromkeys(("again", "trained", "piped"), [181])
    for saved in (tmp_path / name / "detectors" for name in result["saved"]):
        assert {file.name: file.read_bytes() for file in saved.iterdir()} == {
            file.name: file.read_bytes() for file in (PACKAGED / "mtcnn").iterdir()
        }

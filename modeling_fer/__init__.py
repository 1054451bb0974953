"""Facial expression recognition that shows where on the face it looked.

Importing the package registers its classes with transformers, so that `AutoModelForImageClassification.from_pretrained` and
`pipeline("facial-expression-recognition")` load its checkpoints without `trust_remote_code`.
"""

from importlib import import_module
from typing import Any

from modeling_fer import registration as _registration  # noqa: F401  (for its effect)
from modeling_fer.checkpoints import checkpoint_folder
from modeling_fer.configuration_fer import FerConfig
from modeling_fer.faces_fer import Face, FaceCropper, FaceDetector, MtcnnDetector
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification, FerModel
from modeling_fer.pipeline_fer import FacialExpressionPipeline

__version__ = "0.1.0"

# These need the extra `train`, and are imported when they are asked for.
_LAZY = {
    "ExpressionMetrics": "modeling_fer.evaluation",
    "Recipe": "modeling_fer.recipe",
    "Trainer": "modeling_fer.training",
    "read_recipe": "modeling_fer.recipe",
}

__all__ = [
    "ExpressionMetrics",
    "Face",
    "FaceCropper",
    "FaceDetector",
    "FacialExpressionPipeline",
    "FerConfig",
    "FerForImageClassification",
    "FerImageProcessor",
    "FerModel",
    "MtcnnDetector",
    "Recipe",
    "Trainer",
    "checkpoint_folder",
    "read_recipe",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'modeling_fer' has no attribute {name!r}")

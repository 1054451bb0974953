"""Facial expression recognition that shows where on the face it looked.

`load` gives a reader of faces, which needs neither torch nor transformers. Where those are installed, importing the package registers
its classes with transformers, so that `AutoModelForImageClassification.from_pretrained` and `pipeline("facial-expression-recognition")`
load its checkpoints without `trust_remote_code`.

Always there: Crop, Face, FaceCropper, FaceDetector, FaceReader, MtcnnDetector, ReadFace, checkpoint_folder, load, make_detector.
With the extra `torch`: FacialExpressionPipeline, FerConfig, FerForImageClassification, FerImageProcessor, FerModel.
With the extra `train`: ExpressionMetrics, Recipe, Trainer, read_recipe.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from modeling_fer.registration_hook import register_with_transformers

if TYPE_CHECKING:
    from modeling_fer.answers_fer import Crop, ReadFace
    from modeling_fer.checkpoints import checkpoint_folder
    from modeling_fer.configuration_fer import FerConfig
    from modeling_fer.faces_fer import Face, FaceCropper, FaceDetector, MtcnnDetector, make_detector
    from modeling_fer.image_processing_fer import FerImageProcessor
    from modeling_fer.inference.engines import load
    from modeling_fer.modeling_fer import FerForImageClassification, FerModel
    from modeling_fer.pipeline_fer import FacialExpressionPipeline
    from modeling_fer.reading_fer import FaceReader
    from modeling_fer.training.evaluation import ExpressionMetrics
    from modeling_fer.training.recipe import Recipe, read_recipe
    from modeling_fer.training.trainer import Trainer

__version__ = "0.3.0.dev0"

# Names are imported when they are asked for: a command, a page or a script pays for what it uses.
_LIGHT = {
    "Crop": "answers_fer",
    "Face": "faces_fer",
    "FaceCropper": "faces_fer",
    "FaceDetector": "faces_fer",
    "FaceReader": "reading_fer",
    "MtcnnDetector": "faces_fer",
    "ReadFace": "answers_fer",
    "checkpoint_folder": "checkpoints",
    "load": "inference.engines",
    "make_detector": "faces_fer",
}
_TORCH = {
    "FacialExpressionPipeline": "pipeline_fer",
    "FerConfig": "configuration_fer",
    "FerForImageClassification": "modeling_fer",
    "FerImageProcessor": "image_processing_fer",
    "FerModel": "modeling_fer",
}
_TRAIN = {
    "ExpressionMetrics": "training.evaluation",
    "Recipe": "training.recipe",
    "Trainer": "training.trainer",
    "read_recipe": "training.recipe",
}
_EXTRAS = {"torch": _TORCH, "train": _TRAIN}
_PACKAGES = {
    "torch": ("torch", "transformers"),
    "train": ("torch", "transformers", "accelerate", "datasets", "evaluate", "sklearn"),
}
"""What the names of an extra import."""

__all__ = [
    "Crop",
    "ExpressionMetrics",
    "Face",
    "FaceCropper",
    "FaceDetector",
    "FaceReader",
    "FacialExpressionPipeline",
    "FerConfig",
    "FerForImageClassification",
    "FerImageProcessor",
    "FerModel",
    "MtcnnDetector",
    "ReadFace",
    "Recipe",
    "Trainer",
    "checkpoint_folder",
    "load",
    "make_detector",
    "read_recipe",
]

if not TYPE_CHECKING:
    # `import *`, `dir` and `help` ask for every name that is listed, and are to work without the extras.
    _LACKING = [extra for extra, packages in _PACKAGES.items() if not all(map(find_spec, packages))]
    __all__ = [name for name in __all__ if not any(name in _EXTRAS[extra] for extra in _LACKING)]

register_with_transformers()


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name in _LIGHT:
        return getattr(import_module(f"modeling_fer.{_LIGHT[name]}"), name)
    for extra, names in _EXTRAS.items():
        if name in names:
            return _import_from_extra(name, names[name], extra)
    raise AttributeError(f"module 'modeling_fer' has no attribute {name!r}")


def _import_from_extra(name: str, module: str, extra: str) -> Any:
    """What needs packages that are not installed with the package alone."""
    try:
        # First, as it is what imports transformers and needs the package's files whole.
        import_module("modeling_fer.registration")
        return getattr(import_module(f"modeling_fer.{module}"), name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"modeling_fer.{name} needs {error.name}, which is not installed; run: pip install 'modeling-fer[{extra}]'"
        ) from error

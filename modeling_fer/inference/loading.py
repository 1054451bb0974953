"""From the name of a checkpoint to a pipeline, with one sentence where that is not possible."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig

from modeling_fer import registration  # noqa: F401  (so that AutoConfig knows checkpoints of this package)
from modeling_fer.checkpoints import find_checkpoint
from modeling_fer.configuration_fer import FerConfig
from modeling_fer.faces_fer import FaceDetector
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.inference.engines import ONNX_FILE
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.pipeline_fer import FacialExpressionPipeline


@dataclass(frozen=True)
class Checkpoint:
    """A network with the image processor that it was trained with."""

    model: FerForImageClassification
    image_processor: FerImageProcessor


def load_checkpoint(source: str | Path | None = None) -> Checkpoint:
    """Loads a checkpoint with the code of this package, whatever code lies beside it.

    Args:
        source: a folder, a bundled checkpoint's name, or a repository of the Hub; the default bundled one if not given.

    Raises:
        ValueError: it is missing, broken, or holds another kind of model.
    """
    source = find_checkpoint(source)
    refuse_export(Path(source))
    try:
        kind = AutoConfig.from_pretrained(source).model_type
        if kind != FerConfig.model_type:
            raise ValueError(f"it holds a model of type {kind!r}, not 'fer'.")
        return Checkpoint(FerForImageClassification.from_pretrained(source), FerImageProcessor.from_pretrained(source))
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{source} cannot be loaded: {reason}") from error


def refuse_export(path: Path) -> None:
    """Refuses what `fer export` wrote, a network for ONNX Runtime without the checkpoint's files.

    Raises:
        ValueError: it is that.
    """
    is_file = path.suffix == ".onnx" and path.is_file()
    if is_file or ((path / ONNX_FILE).is_file() and not (path / "config.json").is_file()):
        raise ValueError(
            f"{path} holds an ONNX export, which fer predict and modeling_fer.load read by ONNX Runtime; give the checkpoint that it "
            "was exported from."
        )


def make_pipeline(
    checkpoint: Checkpoint, device: str | None = None, detector: FaceDetector | None = None, prior: float | None = None
) -> FacialExpressionPipeline:
    """A pipeline on a checkpoint, which other pipelines may share.

    Args:
        checkpoint: from `load_checkpoint`.
        device: `cpu`, `cuda:1` and so on; the first accelerator if not given.
        detector: finds the faces; the one that the checkpoint's image processor names if not given.
        prior: prior strength, in [0, 1]; the checkpoint's if not given.

    Raises:
        ValueError: the device cannot be used here, or the checkpoint knows no prior.
    """
    if prior is not None:
        checkpoint.model.check_prior(prior)
    try:
        where = None if device is None else torch.device(device)
        return FacialExpressionPipeline(
            checkpoint.model, image_processor=checkpoint.image_processor, device=where, detector=detector, prior=prior
        )
    except (RuntimeError, AssertionError, ValueError) as error:
        chosen = device or first_accelerator()
        # Torch explains a full memory in many sentences.
        reason = str(error).strip().splitlines()[0].split(". ")[0].rstrip(".")
        raise ValueError(f"{chosen} cannot be used here ({reason}){'' if chosen == 'cpu' else '; try cpu'}.") from error


def first_accelerator() -> str:
    """What a pipeline without a device of its own runs on: the first accelerator where there is one, else `cpu`."""
    return str(torch.accelerator.current_accelerator()) if torch.accelerator.is_available() else "cpu"

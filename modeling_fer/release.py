"""From a run to a folder that is laid out as a Hub repository."""

import shutil
from pathlib import Path

from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.modeling_fer import FerForImageClassification


def write_release(checkpoint: str | Path, model_card: str | Path, folder: str | Path) -> None:
    """Writes config.json, model.safetensors, preprocessor_config.json, the code that travels, and the model card as README.md.

    Args:
        checkpoint: what to release, e.g. `best` of a run folder; may be `folder` itself, whose code and card are then renewed.
        model_card: a Markdown file.
        folder: where the release is written; it is made, or its files replaced.

    Raises:
        OSError: `checkpoint` holds no weights or no configuration.
    """
    model = FerForImageClassification.from_pretrained(checkpoint)
    processor = FerImageProcessor.from_pretrained(checkpoint)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    shutil.copyfile(model_card, Path(folder) / "README.md")

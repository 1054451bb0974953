import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modeling_fer import FerConfig, FerForImageClassification, FerImageProcessor

ROOT = Path(__file__).parents[1]
torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def photo_path() -> Path:
    """A photo of one person, in the public domain."""
    return ROOT / "space" / "examples" / "astronaut.jpg"


@pytest.fixture
def photo(photo_path) -> Image.Image:
    return Image.open(photo_path).convert("RGB")


@pytest.fixture(scope="session")
def fer_data() -> Path:
    """The data sets that may not be committed."""
    if "FER_DATA" not in os.environ:
        pytest.skip("FER_DATA does not name the folder of the data sets")
    return Path(os.environ["FER_DATA"])


def tiny_config(**changes) -> FerConfig:
    values = {
        "image_size": 24,
        "num_channels": 1,
        "facial_parts_depth": 2,
        "facial_parts_filters": 4,
        "representation_depth": 2,
        "representation_filters": 4,
        "hidden_sizes": [16, 16],
        "heatmap_sigma": 2.0,
    }
    return FerConfig(**{**values, **changes})


def tiny_batch(config: FerConfig, size: int = 6) -> dict[str, torch.Tensor]:
    shape = (config.image_size, config.image_size)
    return {
        "pixel_values": torch.randn(size, config.num_channels, *shape),
        "labels": torch.arange(size) % config.num_labels,
        "heatmaps": torch.rand(size, 1, *shape),
    }


@pytest.fixture
def tiny_checkpoint(tmp_path) -> Path:
    folder = tmp_path / "checkpoint"
    FerForImageClassification(tiny_config()).save_pretrained(folder)
    FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1).save_pretrained(folder)
    return folder


@pytest.fixture
def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))

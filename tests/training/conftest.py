import datasets
import numpy as np
import pytest
from helpers import tiny_config
from PIL import Image

from modeling_fer import FerForImageClassification, FerImageProcessor


@pytest.fixture
def two_headed(tmp_path):
    """A checkpoint with two output layers and a prior."""
    config = tiny_config(
        auxiliary_labels=["anger", "happiness"], label_shares=[0.3, 0.2, *[0.5 / 6] * 6], prior_strength=0.5, temperature=2.0
    )
    FerForImageClassification(config).save_pretrained(tmp_path / "model")
    FerImageProcessor(size={"height": 24, "width": 24}, num_channels=1).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def prepared(tmp_path):
    """A prepared data set of 20 drawn images, with a test split."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["happy", "angry"])})
    rows = [{"image": Image.fromarray(np.full((24, 24), 10 * place, np.uint8)), "label": place % 2} for place in range(20)]
    split = datasets.Dataset.from_list(rows, features=features)
    (tmp_path / "prepared").mkdir()
    for name in ("train", "test"):
        split.to_parquet(tmp_path / "prepared" / f"{name}.parquet")
    return tmp_path / "prepared"

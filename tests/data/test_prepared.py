"""Prepared data is loaded as it was written, and what is not prepared is named."""

import pytest
from datasets import load_dataset
from helpers import OFFLINE, fer, save, write, write_prepared
from PIL import Image

from modeling_fer.data.prepare import prepare
from modeling_fer.data.prepared import load_whole
from modeling_fer.data.readers import read_source


def test_another_data_set_of_the_same_name_and_size_is_not_taken_from_the_cache(tmp_path):
    for place, shade in (("one", 10), ("two", 20)):
        folder = tmp_path / place
        (folder / "raw/smile").mkdir(parents=True)
        Image.new("L", (32, 32), shade).save(folder / "raw/smile/a.png")
        options = ["--cropped", "--image-size", "32", "--landmarks", "none", "--output", folder / "prepared"]
        assert fer("prepare", "imagefolder", folder / "raw", *options).returncode == 0
        for loaded in (load_whole(folder / "prepared"), load_dataset(str(folder / "prepared"))):
            assert loaded["train"]["image"][0].getpixel((0, 0)) == shade


def test_data_that_is_not_prepared_is_named(tmp_path):
    save(tmp_path / "raw/smile/a.png")
    with pytest.raises(ValueError, match="holds images, not a prepared data set; prepare it first: fer prepare imagefolder"):
        load_whole(tmp_path / "raw")
    write(tmp_path / "faces.csv", "image,label\n")
    with pytest.raises(ValueError, match="prepare it first: fer prepare table"):
        load_whole(tmp_path / "faces.csv")
    for name in ("one", "two"):
        write_prepared(tmp_path / "sets" / name, 4)
    with pytest.raises(ValueError, match="holds several data sets; give the folder of one of them: one, two"):
        load_whole(tmp_path / "sets")
    source = read_source("imagefolder", tmp_path / "raw")
    prepare(source, OFFLINE, tmp_path / "begun")
    with pytest.raises(ValueError, match="has not ended; run the same fer prepare again"):
        load_whole(tmp_path / "begun")

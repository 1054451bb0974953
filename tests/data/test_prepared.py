"""Prepared data is loaded as it was written, and what is not prepared is named."""

import pytest
from datasets import Dataset, load_dataset
from helpers import OFFLINE, fer, save, write, write_prepared
from PIL import Image

from modeling_fer import FerImageProcessor
from modeling_fer.data.columns import decode_columns, read_labels
from modeling_fer.data.prepare import prepare
from modeling_fer.data.prepared import load_prepared, load_whole, stream_prepared
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


PROCESSOR = FerImageProcessor(size={"height": 16, "width": 16}, num_channels=1)
NO_LABEL = r"has no label for 2 of 4 images \(null or -1\); leave those rows out: dataset.filter"


def change_column(folder, split, column, values):
    """Writes a split of a prepared data set again with other values in one column."""
    dataset = Dataset.from_parquet(str(folder / f"{split}.parquet"))
    features = dataset.features
    rows = {name: list(dataset[name]) for name in dataset.column_names} | {column: values}
    Dataset.from_dict(rows, features=features).to_parquet(str(folder / f"{split}.parquet"))


@pytest.mark.parametrize("nothing", [None, -1])
def test_images_without_a_label_are_counted(nothing, tmp_path):
    folder = write_prepared(tmp_path / "data", 4)
    change_column(folder, "validation", "label", [0, nothing, 1, nothing])
    for read in (load_whole, load_prepared, stream_prepared):
        with pytest.raises(ValueError, match=rf"data \(validation\) {NO_LABEL}"):
            read(folder)
    rest = Dataset.from_parquet(str(folder / "validation.parquet")).filter(lambda row: row["label"] not in (None, -1))
    rest.to_parquet(str(folder / "validation.parquet"))
    assert len(load_whole(folder)["validation"]) == 2


@pytest.mark.parametrize("nothing", [None, -1])
def test_a_test_split_whose_labels_were_kept_back_is_refused_only_where_it_is_used(nothing, tmp_path):
    folder = write_prepared(tmp_path / "data", 4)
    change_column(folder, "test", "label", [nothing] * 4)
    splits = load_prepared(folder)
    assert len(decode_columns(splits["train"], PROCESSOR, slice(0, 68))) == 4
    for use in (read_labels, lambda dataset: decode_columns(dataset, PROCESSOR, slice(0, 68))):
        with pytest.raises(ValueError, match="The data set has no label for 4 of 4 images"):
            use(splits["test"])
    change_column(folder, "train", "label", [nothing] * 4)
    with pytest.raises(ValueError, match=r"data \(train\) has no label for 4 of 4 images"):
        load_prepared(folder)


def test_a_face_of_which_nothing_is_said_counts_as_found(tmp_path):
    folder = write_prepared(tmp_path / "data", 4)
    change_column(folder, "train", "face_detected", [True, None, False, None])
    columns = decode_columns(load_whole(folder)["train"], PROCESSOR, slice(0, 68))
    assert columns.has_landmarks.tolist() == [True, True, False, True]

"""The reader of tables, as spreadsheets and the library datasets write them."""

import io

import pyarrow as pa
import pyarrow.parquet
import pytest
from datasets import Array2D, ClassLabel, Dataset, Features, List, Value
from datasets import Image as ImageFeature
from helpers import draw_face, save, write
from problems import noted

from modeling_fer.data.readers import read_source


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "utf-8"), (";", "latin-1"), ("\t", "utf-16")])
def test_csv_as_spreadsheets_write_it(tmp_path, delimiter, encoding):
    save(tmp_path / "é.png")
    rows = [("image", "label", "subject"), ("é.png", "Glück", "007"), ("é.png", "Happy", "")]
    text = "\r\n".join(delimiter.join(row) for row in rows) + "\r\n\r\n"
    (tmp_path / "faces.csv").write_bytes(text.encode(encoding))
    source = read_source("table", tmp_path / "faces.csv")
    assert [(s.source, s.label, s.subject) for s in source.samples] == [("é.png", "Glück", "007"), ("é.png", "happiness", None)]
    assert source.samples[0].open().size == (48, 48)


def test_a_folder_of_tables_has_their_splits_with_all_that_they_say(tmp_path):
    features = Features(
        image=ImageFeature(), label=ClassLabel(names=["sad", "happy", "rage"]), votes=List(Value("uint8"), length=10),
        landmarks=Array2D((2, 2), "float32"), face_detected=Value("bool"), subject=Value("string"),
    )  # fmt: skip
    for number, split in enumerate(("train", "validation", "test-00000-of-00001")):
        rows = {
            "image": [draw_face()], "label": [1], "votes": [[number, 9, 0, 0, 0, 0, 0, 0, 0, 0]],
            "landmarks": [[[1, 2], [3, 4]]], "face_detected": [number == 0], "subject": [f"S{number}"],
        }  # fmt: skip
        Dataset.from_dict(rows, features=features).to_parquet(tmp_path / f"{split}.parquet")
    write(tmp_path / "extra.csv", "image,label\n")
    source = read_source("table", tmp_path)
    assert source.label_names == ["sadness", "happiness", "rage"]
    found = {s.split: (s.label, s.votes[:2], s.face_detected, s.subject) for s in source.samples}
    assert found == {
        "train": ("happiness", (0, 9), True, "S0"),
        "validation": ("happiness", (1, 9), False, "S1"),
        "test": ("happiness", (2, 9), False, "S2"),
    }
    assert source.samples[0].landmarks.tolist() == [[1, 2], [3, 4]]
    assert noted(source, "extra.csv", "not a table named by a split")
    with pytest.raises(FileNotFoundError, match="holds no table named by a split"):
        read_source("table", save(tmp_path / "other/a.png").parent)


def test_votes_of_a_csv_table(tmp_path):
    write(
        tmp_path / "faces.csv",
        'image;label;votes;face_detected\na.png;happy;"[0, 9, 1, 0, 0, 0, 0, 0, 0, 0]";False\nb.png;sad;"[1, 2]";\nc.png;sad;;1\n',
    )
    source = read_source("table", tmp_path / "faces.csv")
    assert [(s.votes, s.face_detected) for s in source.samples] == [
        ((0, 9, 1, 0, 0, 0, 0, 0, 0, 0), False), (None, True), (None, True),
    ]  # fmt: skip
    assert noted(source, "b.png", "votes are not 10 whole numbers")


def test_csv_table(tmp_path):
    write(
        tmp_path / "faces.csv",
        "image,label,subject,split,landmarks\n"
        'a.png,smile,007,train,"[[1, 2], [3, 4]]"\n'
        "b.png,frown,008,val,\n"
        "a.png,smile,008,train,\n"
        "c.png,,009,train,\n"
        "d.png,frown,007,val,nonsense\n",
    )
    source = read_source("table", tmp_path / "faces.csv")
    assert [(s.source, s.label, s.subject, s.split) for s in source.samples] == [
        ("a.png", "smile", "007", "train"),
        ("b.png", "frown", "008", "validation"),
        ("d.png", "frown", "007", "validation"),
    ]
    assert source.samples[0].landmarks.tolist() == [[1, 2], [3, 4]]
    assert noted(source, "a.png", "two subjects, 007 and 008")
    assert noted(source, "c.png", "has no label") and noted(source, "d.png", "not pairs of x and y")
    assert noted(source, "d.png", "Subject 007 is in both train and validation")


def test_parquet_tables_as_datasets_writes_them_and_plain(tmp_path):
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["smile", "frown"]), "subject": Value("int64")})
    rows = {"image": [draw_face(), draw_face()], "label": [1, 0], "subject": [3, 4]}
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "hf.parquet")
    source = read_source("table", tmp_path / "hf.parquet")
    assert [(s.label, s.subject) for s in source.samples] == [("frown", "3"), ("smile", "4")]
    assert source.samples[0].open().size == (48, 48)

    buffer = io.BytesIO()
    draw_face(20).save(buffer, "png")
    pa.parquet.write_table(pa.table({"image": [buffer.getvalue()], "label": ["smile"]}), tmp_path / "plain.parquet")
    assert read_source("table", tmp_path / "plain.parquet").samples[0].open().size == (20, 20)


def test_tables_without_a_column_or_of_another_kind_are_refused(tmp_path):
    write(tmp_path / "a.csv", "picture,label\na.png,smile\n")
    with pytest.raises(
        ValueError, match="has no column 'image'; its first line, which has to name the columns, is picture, label"
    ):
        read_source("table", tmp_path / "a.csv")
    write(tmp_path / "broken.parquet", "not parquet")
    with pytest.raises(ValueError, match="broken.parquet cannot be read as a parquet table"):
        read_source("table", tmp_path / "broken.parquet")
    write(tmp_path / "a.txt", "")
    with pytest.raises(ValueError, match="neither .csv nor .parquet"):
        read_source("table", tmp_path / "a.txt")

"""Readers of data sets in their original layouts, on small trees."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from datasets import Array2D, ClassLabel, Dataset, Features, List, Value
from datasets import Image as ImageFeature
from helpers import draw_face, save, write, write_csv
from PIL import Image

import modeling_fer_cli
from modeling_fer.data.readers import READERS, read_source


def sentences(source) -> list[str]:
    return [f"{problem.source}: {problem.sentence}" for problem in source.problems]


def noted(source, *words: str) -> bool:
    return any(all(word in sentence for word in words) for sentence in sentences(source))


# CK+


def add_sequence(root: Path, subject: str, sequence: str, code: str | None, frames: int = 6, landmarks: bool = True) -> None:
    for number in range(1, frames + 1):
        name = f"{subject}_{sequence}_{number:08d}"
        save(root / "images" / subject / sequence / f"{name}.png")
        if landmarks:
            points = "\n".join(f"   {10 + i * 0.4:.7e}   {12 + i * 0.3:.7e}" for i in range(68))
            write(root / "Landmarks" / subject / sequence / f"{name}_landmarks.txt", points)
    if code is not None:
        write(root / "Emotion" / subject / sequence / f"{subject}_{sequence}_{frames:08d}_emotion.txt", f"   {code}\n")


@pytest.fixture
def ckplus(tmp_path) -> Path:
    add_sequence(tmp_path, "S005", "001", "3.0000000e+00")
    add_sequence(tmp_path, "S010", "002", "5.0000000e+00", frames=4)
    add_sequence(tmp_path, "S010", "003", None)
    return tmp_path


def test_ckplus_takes_the_first_and_the_last_three_frames_with_their_landmarks(ckplus):
    source = read_source("ckplus", ckplus)
    found = [(sample.source, sample.label, sample.subject) for sample in source.samples]
    assert found == [
        ("S005/001/S005_001_00000001.png", "neutral", "S005"),
        ("S005/001/S005_001_00000004.png", "disgust", "S005"),
        ("S005/001/S005_001_00000005.png", "disgust", "S005"),
        ("S005/001/S005_001_00000006.png", "disgust", "S005"),
        ("S010/002/S010_002_00000001.png", "neutral", "S010"),
        ("S010/002/S010_002_00000002.png", "happiness", "S010"),
        ("S010/002/S010_002_00000003.png", "happiness", "S010"),
        ("S010/002/S010_002_00000004.png", "happiness", "S010"),
    ]
    assert len(source.label_names) == 8
    assert source.samples[0].landmarks[1] == pytest.approx([10.4, 12.3])
    assert noted(source, "Emotion", "1 sequences have no label file")
    assert noted(source, "train", "no image of the class anger")


def test_ckplus_notes_what_is_malformed_and_reads_the_rest(ckplus):
    add_sequence(ckplus, "S011", "001", "9.0000000e+00")
    add_sequence(ckplus, "S011", "002", "nonsense")
    add_sequence(ckplus, "S012", "001", "7.0000000e+00", frames=3)
    # The same person under two spellings of the name is one subject.
    add_sequence(ckplus, "s005", "004", "1.0000000e+00")
    write(ckplus / "Landmarks/S005/001/S005_001_00000006_landmarks.txt", "1.0 2.0\n3.0")
    source = read_source("ckplus", ckplus)
    assert noted(source, "S011_001", "9.0000000e+00", "is not a code of an expression")
    assert noted(source, "S011_002", "nonsense")
    assert noted(source, "S012/001", "has 3 frames, but needs 4")
    assert noted(source, "S005_001_00000006_landmarks.txt", "not 68 lines")
    assert {sample.subject for sample in source.samples} == {"S005", "S010"}
    assert len(source.samples) == 12
    assert source.samples[3].landmarks is None


@pytest.mark.parametrize("missing", ["images", "Emotion"])
def test_ckplus_without_a_folder_is_refused(ckplus, missing):
    (ckplus / missing).rename(ckplus / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"holds no folder {missing}"):
        read_source("ckplus", ckplus)


def test_ckplus_without_landmarks_goes_on(ckplus):
    (ckplus / "Landmarks").rename(ckplus / "elsewhere")
    source = read_source("ckplus", ckplus)
    assert len(source.samples) == 8 and source.samples[0].landmarks is None
    assert noted(source, "Landmarks", "The folder is missing")


# JAFFE


def test_jaffe_reads_subject_and_label_from_names(tmp_path):
    for name in ("KA.AN1.39.tiff", "KA.NE2.27.tiff", "YM.SU3.60.tiff", "copies/YM.SU3.60.tiff", "KM.XX1.1.tiff", "cover.tiff"):
        save(tmp_path / name)
    source = read_source("jaffe", tmp_path)
    assert [(s.subject, s.label) for s in source.samples] == [("KA", "anger"), ("KA", "neutral"), ("YM", "surprise")]
    assert noted(source, "copies/YM.SU3.60.tiff", "twice") or noted(source, "YM.SU3.60.tiff", "twice")
    assert noted(source, "KM.XX1.1.tiff", "with a code among AN")
    assert noted(source, "cover.tiff", "left out")
    assert noted(source, "no image of the class fear")


def test_sixteen_bit_images_keep_their_grays(tmp_path):
    Image.fromarray(np.full((8, 8), 200 * 257, dtype=np.uint16)).save(tmp_path / "KA.AN1.39.tiff")
    image = read_source("jaffe", tmp_path).samples[0].open()
    assert image.mode == "L" and image.getpixel((3, 3)) == 200


# SFEW


def test_sfew_is_tested_on_what_it_calls_validation(tmp_path):
    for name in ("Train/Angry/a_1.png", "Train/Happy/b_1.png", "Val/Sad/c_1.png", "Val/Unknown/d.png", "Test/e.png"):
        save(tmp_path / name, size=64, mode="RGB")
    source = read_source("sfew", tmp_path)
    assert [(s.split, s.label) for s in source.samples] == [
        ("train", "anger"),
        ("train", "happiness"),
        ("test", "sadness"),
    ]
    assert noted(source, "Val/Unknown", "none of Angry")
    (tmp_path / "Val").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="holds no folder Val"):
        read_source("sfew", tmp_path)


# FER-2013 and FER+

PIXELS = " ".join(str(i % 256) for i in range(48 * 48))


@pytest.fixture
def fer2013(tmp_path) -> Path:
    rows = [("0", PIXELS, "Training"), ("3", PIXELS, "PublicTest"), ("6", PIXELS, "PrivateTest"), ("4", PIXELS, "Training")]
    write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], rows)
    return tmp_path


def test_fer2013_table(fer2013):
    source = read_source("fer2013", fer2013)
    assert [(s.split, s.label) for s in source.samples] == [
        ("train", "anger"),
        ("validation", "happiness"),
        ("test", "neutral"),
        ("train", "sadness"),
    ]
    pixels = np.asarray(source.samples[0].open())
    assert pixels.ravel().tolist() == [i % 256 for i in range(48 * 48)]


def test_fer2013_table_with_blanks_in_its_header_and_bad_rows(tmp_path):
    rows = [
        ("0", "Training", PIXELS),
        ("7", "Training", PIXELS),
        ("1", "Training", "1 2 3"),
        ("1", "Training", PIXELS.replace("255", "300")),
        ("1", "Nowhere", PIXELS),
        ("1",),
    ]
    write_csv(tmp_path / "icml_face_data.csv", ["emotion", " Usage", " pixels"], rows)
    source = read_source("fer2013", tmp_path)
    assert [s.source for s in source.samples] == ["fer2013.csv#0"]
    assert (
        noted(source, "#1", "'7' is not a code") and noted(source, "#2", "2304 pixels") and noted(source, "#3", "2304 pixels")
    )
    assert noted(source, "#4", "'Nowhere' is none of Training") and noted(source, "#5", "left out")


def test_fer2013_folders(tmp_path):
    for name in ("train/angry/1.png", "train/happy/2.png", "test/sad/3.png", "test/bored/4.png"):
        save(tmp_path / name)
    source = read_source("fer2013", tmp_path)
    assert [(s.split, s.label, s.cropped) for s in source.samples] == [
        ("train", "anger", True),
        ("train", "happiness", True),
        ("test", "sadness", True),
    ]
    assert noted(source, "test/bored", "none of angry")


def test_fer2013_without_usage_is_one_split_and_folders_may_be_written_in_any_way(tmp_path):
    write_csv(tmp_path / "kaggle/train.csv", ["emotion", "pixels"], [("0", PIXELS), ("3", PIXELS)])
    source = read_source("fer2013", tmp_path / "kaggle")
    assert [(s.split, s.label) for s in source.samples] == [("train", "anger"), ("train", "happiness")]
    for name in ("train/Angry/1.png", "train/ happy /2.png"):
        save(tmp_path / "folders" / name)
    assert {s.label for s in read_source("fer2013", tmp_path / "folders").samples} == {"anger", "happiness"}
    write_csv(tmp_path / "bad/fer2013.csv", ["emotion", "picture"], [("0", PIXELS)])
    with pytest.raises(
        ValueError,
        match="fer2013.csv has no column 'pixels'; its first line, which has to name the columns, is emotion, picture",
    ):
        read_source("fer2013", tmp_path / "bad")


def test_ferplus_says_the_usage_where_the_table_does_not(tmp_path):
    write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels"], [("0", PIXELS), ("3", PIXELS)])
    row = ("fer.png", 0, 10, 0, 0, 0, 0, 0, 0, 0, 0)
    write_votes(tmp_path, [("Training", *row), ("PublicTest", *row)])
    assert [s.split for s in read_source("ferplus", tmp_path).samples] == ["train", "validation"]


VOTES = ["Usage", "Image name", "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]


def write_votes(folder: Path, rows) -> None:
    write_csv(folder / "fer2013new.csv", [*VOTES, "unknown", "NF"], rows)


def test_ferplus_joins_votes_by_row(fer2013):
    write_votes(
        fer2013,
        [
            ("Training", "fer0000000.png", 4, 0, 0, 1, 5, 0, 0, 0, 0, 0),
            ("PublicTest", "fer0000001.png", 0, 10, 0, 0, 0, 0, 0, 0, 0, 0),
            ("PrivateTest", "", 0, 0, 0, 0, 0, 0, 0, 0, 0, 10),
            ("Training", "fer0000003.png", 0, 0, 0, "x", 5, 0, 0, 0, 0, 0),
        ],
    )
    source = read_source("ferplus", fer2013)
    # The label is that of FER-2013; what is learned of it and the votes is for a recipe to say.
    assert [(s.source, s.split, s.label) for s in source.samples] == [
        ("fer2013.csv#0", "train", "anger"),
        ("fer2013.csv#1", "validation", "happiness"),
        ("fer2013.csv#2", "test", "neutral"),
        ("fer2013.csv#3", "train", "sadness"),
    ]
    assert source.samples[0].votes == (4, 0, 0, 1, 5, 0, 0, 0, 0, 0)
    assert source.samples[2].votes == (0, 0, 0, 0, 0, 0, 0, 0, 0, 10)
    assert source.samples[3].votes is None and noted(source, "#3", "votes are not whole numbers")
    assert "contempt" not in source.label_names


def test_ferplus_refuses_tables_of_different_length_and_a_missing_one(fer2013):
    with pytest.raises(FileNotFoundError, match="holds no file fer2013new.csv"):
        read_source("ferplus", fer2013)
    write_votes(fer2013, [("Training", "fer0000000.png", 4, 0, 0, 1, 5, 0, 0, 0, 0, 0)])
    with pytest.raises(ValueError, match="has 1 rows and the table of FER-2013 4"):
        read_source("ferplus", fer2013)


# RAF-DB


def test_rafdb_takes_the_aligned_crops(tmp_path):
    lines = ["train_00001.jpg 5", "test_0001.jpg 1", "train_00002.jpg 8", "train_00003.jpg", "", "other.jpg 1"]
    write(tmp_path / "basic/EmoLabel/list_patition_label.txt", "\n".join(lines))
    save(tmp_path / "basic/Image/aligned/train_00001_aligned.jpg")
    save(tmp_path / "basic/Image/aligned/test_0001_aligned.jpg")
    source = read_source("rafdb", tmp_path)
    assert [(s.file.name, s.split, s.label, s.cropped) for s in source.samples] == [
        ("train_00001_aligned.jpg", "train", "sadness", True),
        ("test_0001_aligned.jpg", "test", "surprise", True),
    ]
    assert noted(source, "#3", "train_00002.jpg 8") and noted(source, "#4") and noted(source, "#6")
    (tmp_path / "basic/EmoLabel/list_patition_label.txt").unlink()
    with pytest.raises(FileNotFoundError, match="EmoLabel/list_patition_label.txt"):
        read_source("rafdb", tmp_path)


def test_rafdb_in_kaggles_form(tmp_path):
    names = ("train/4/train_1_aligned.jpg", "train/7/train_2_aligned.jpg", "test/1/test_1_aligned.jpg", "test/9/a.jpg")
    for name in names:
        save(tmp_path / "DATASET" / name)
    write(tmp_path / "train_labels.csv", "image,label\n")
    for root in (tmp_path, tmp_path / "DATASET"):
        source = read_source("rafdb", root)
        assert [(s.source, s.split, s.label, s.cropped) for s in source.samples] == [
            (names[0], "train", "happiness", True),
            (names[1], "train", "neutral", True),
            (names[2], "test", "surprise", True),
        ]
        assert noted(source, "test/9", "not a code from 1 to 7")


# AffectNet


def test_affectnet_table_gives_boxes_and_landmarks(tmp_path):
    header = ["subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression"]
    points = ";".join(f"{i}.5;{i + 1}" for i in range(68))
    rows = [("1/a.jpg", 4, 5, 30, 31, points, 1), ("1/b.jpg", 4, 5, 30, 31, "", 10), ("1/c.jpg", 4, 5, 30, 31, "", 42)]
    for name in ("training.csv", "validation.csv"):
        write_csv(tmp_path / "Manually_Annotated_file_lists" / name, header, rows)
    save(tmp_path / "Manually_Annotated_Images/1/a.jpg")
    source = read_source("affectnet", tmp_path)
    assert [(s.split, s.label) for s in source.samples] == [("train", "happiness"), ("validation", "happiness")]
    sample = source.samples[0]
    assert sample.box == (4, 5, 34, 36) and sample.landmarks[2].tolist() == [2.5, 3]
    assert noted(source, "training.csv", "1 images labelled no face") and noted(source, "1/c.jpg", "'42' is not a code")


def test_affectnet_annotations(tmp_path):
    for split in ("train_set", "val_set"):
        for number, code in enumerate(["3", "8", "7"]):
            save(tmp_path / split / "images" / f"{number}.jpg")
            annotations = tmp_path / split / "annotations"
            annotations.mkdir(exist_ok=True)
            np.save(annotations / f"{number}_exp.npy", np.array(code))
            np.save(annotations / f"{number}_lnd.npy", np.arange(136.0))
    (tmp_path / "val_set/annotations/2_exp.npy").unlink()
    source = read_source("affectnet", tmp_path)
    found = [(s.split, s.label) for s in source.samples]
    assert found == [("train", "surprise"), ("train", "contempt"), ("validation", "surprise")]
    assert source.samples[0].landmarks[1].tolist() == [2, 3]
    assert noted(source, "val_set/images/2.jpg", "2_exp.npy is missing")


def test_affectnet_in_neither_form_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no folder train_set"):
        read_source("affectnet", tmp_path)


# own images


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["smile/a.png", "frown/b.png"], [("train", "frown"), ("train", "smile")]),
        (["train/smile/a.png", "val/frown/b.png"], [("train", "smile"), ("validation", "frown")]),
    ],
)
def test_image_folder_keeps_label_names(tmp_path, files, expected):
    for name in files:
        save(tmp_path / name)
    source = read_source("imagefolder", tmp_path)
    assert [(s.split, s.label) for s in source.samples] == expected
    assert source.label_names == ["frown", "smile"]


def test_image_folder_notes_an_empty_class_and_refuses_an_empty_folder(tmp_path):
    (tmp_path / "anger").mkdir()
    with pytest.raises(ValueError, match="no labelled image"):
        read_source("imagefolder", tmp_path)
    save(tmp_path / "happiness/a.png")
    assert noted(read_source("imagefolder", tmp_path), "no image of the class anger")


def test_labels_that_differ_in_case_or_blanks_are_one_class(tmp_path):
    for name in ("Happy/a.png", "happy /b.png", "HAPPINESS/c.png", "Big  Smile/d.png", "big smile/e.png", "Train/f.png"):
        save(tmp_path / name)
    source = read_source("imagefolder", tmp_path)
    assert source.label_names == ["happiness", "Big Smile", "Train"] or source.label_names == [
        "happiness",
        "Big Smile",
        "Train",
    ]
    assert sorted(s.source[-5] for s in source.samples if s.label == "happiness") == ["a", "b", "c"]
    assert len({s.label for s in source.samples}) == 3


def test_every_kind_of_image_that_predict_reads_is_read_and_the_rest_is_noted(tmp_path):
    image = draw_face(32, "RGB")
    (tmp_path / "smile").mkdir()
    for suffix in ("jfif", "gif", "avif", "jp2", "PNG", "webp", "bmp", "tiff"):
        image.save(tmp_path / "smile" / f"a.{suffix}", {"jfif": "jpeg", "jp2": "jpeg2000"}.get(suffix.lower(), suffix.lower()))
    for name in ("smile/notes.txt", "smile/clip.mp4", "smile/._a.png", "readme.md", "smile/bare"):
        write(tmp_path / name, "not an image")
    source = read_source("imagefolder", tmp_path)
    assert len(source.samples) == 8 and all(sample.open().size == (32, 32) for sample in source.samples)
    assert noted(source, "smile/notes.txt", "ends in .txt") and noted(source, "smile/clip.mp4", "left out")
    assert noted(source, "smile", "1 hidden files") and noted(source, "readme.md", "outside the folders")
    assert noted(source, "smile/bare", "no suffix")


def test_heic_is_read_where_it_can_be_and_else_noted(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    (tmp_path / "smile").mkdir()
    pillow_heif.from_pillow(draw_face(64, "RGB")).save(tmp_path / "smile/a.HEIC")
    save(tmp_path / "smile/b.png")
    assert [s.open().width for s in read_source("imagefolder", tmp_path).samples] == [64, 48]
    monkeypatch.setattr("modeling_fer.data.source.register_heif", lambda: False)
    source = read_source("imagefolder", tmp_path)
    assert len(source.samples) == 1 and noted(source, "a.HEIC", "pip install pillow-heif")


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


def test_the_command_names_the_readers_that_there_are():
    assert sorted(READERS) == list(modeling_fer_cli.FORMS)
    with pytest.raises(ValueError, match="'zip' is not a form of data set; give one of affectnet, ckplus"):
        read_source("zip", ".")


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_path_that_does_not_exist_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        read_source(name, tmp_path / "nowhere")

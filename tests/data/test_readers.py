"""Readers of published data sets in their original layouts, on small trees."""

from pathlib import Path

import numpy as np
import pytest
from helpers import save, write, write_csv
from PIL import Image
from problems import noted

from modeling_fer.data.readers import READERS, read_source
from modeling_fer_cli.data import FORMS

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


# All of them


def test_the_command_names_the_readers_that_there_are():
    assert sorted(READERS) == list(FORMS)
    with pytest.raises(ValueError, match="'zip' is not a form of data set; give one of affectnet, ckplus"):
        read_source("zip", ".")


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_path_that_does_not_exist_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        read_source(name, tmp_path / "nowhere")

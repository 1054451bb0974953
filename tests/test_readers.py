"""Readers of data sets as they are distributed, on small trees in their true layouts."""

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from datasets import Image as ImageFeature
from PIL import Image, ImageDraw

from modeling_fer.data.readers import READERS, read_source


def draw_face(size: int = 48, mode: str = "L") -> Image.Image:
    image = Image.new(mode, (size, size), "gray")
    draw = ImageDraw.Draw(image)
    draw.ellipse((size // 8, 2, size * 7 // 8, size - 2), fill="white")
    for x in (size // 3, size * 2 // 3):
        draw.ellipse((x - 2, size // 3, x + 2, size // 3 + 4), fill="black")
    draw.arc((size // 3, size // 2, size * 2 // 3, size * 3 // 4), 0, 180, fill="black")
    return image


def save(path: Path, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_face(**options).save(path)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


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
    assert noted(source, "S011_001", "9.0000000e+00", "is no code of an expression")
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
    Image.fromarray(np.full((8, 8), 200 << 8, dtype=np.uint16)).save(tmp_path / "KA.AN1.39.tiff")
    image = read_source("jaffe", tmp_path).samples[0].open()
    assert image.mode == "L" and image.getpixel((3, 3)) == 200


# SFEW


def test_sfew_reads_train_and_validation(tmp_path):
    for name in ("Train/Angry/a_1.png", "Train/Happy/b_1.png", "Val/Sad/c_1.png", "Val/Unknown/d.png", "Test/e.png"):
        save(tmp_path / name, size=64, mode="RGB")
    source = read_source("sfew", tmp_path)
    assert [(s.split, s.label) for s in source.samples] == [
        ("train", "anger"),
        ("train", "happiness"),
        ("validation", "sadness"),
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


def write_csv(path: Path, header: list[str], rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


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
    assert noted(source, "#1", "'7' is no code") and noted(source, "#2", "2304 pixels") and noted(source, "#3", "2304 pixels")
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
    assert [(s.source, s.split, s.label) for s in source.samples] == [
        ("fer2013.csv#0", "train", "anger"),
        ("fer2013.csv#1", "validation", "happiness"),
    ]
    # The single vote for sadness is an outlier: 4 for neutral and 5 for anger remain.
    assert source.samples[0].distribution == pytest.approx([4 / 9, 0, 0, 0, 5 / 9, 0, 0, 0])
    assert noted(source, "fer2013new.csv", "1 images that most annotators called unknown")
    assert noted(source, "#3", "no whole votes")


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
    assert noted(source, "training.csv", "1 images labelled no face") and noted(source, "1/c.jpg", "'42' is no code")


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
    with pytest.raises(ValueError, match="has no column 'image'; it has picture, label"):
        read_source("table", tmp_path / "a.csv")
    write(tmp_path / "a.txt", "")
    with pytest.raises(ValueError, match="neither .csv nor .parquet"):
        read_source("table", tmp_path / "a.txt")


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_path_that_does_not_exist_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        read_source(name, tmp_path / "nowhere")

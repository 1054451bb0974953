"""Who is on the images: people whose name is written in several ways, and images that do not say."""

import csv

import pytest
from datasets import Dataset, Value
from helpers import MODEL, fer, plain, write, write_people, write_table
from problems import noted, sentences

from modeling_fer.commands.cross_validate import start_folds
from modeling_fer.commands.search import choose_validation
from modeling_fer.data import load_splits
from modeling_fer.data.prepared import known_subjects, load_whole
from modeling_fer.data.readers import read_source
from modeling_fer.training.recipe import Recipe, write_recipe

CROPS = ("--cropped", "--image-size", "24", "--landmarks", "none")
WEAKLY = Recipe(model={**MODEL, "regularization": "weakly"}, mixed_precision="no")


@pytest.fixture
def one_missing(tmp_path):
    """60 crops of 30 people, two of each, prepared from a table in which one cell of the column subject is empty."""
    table = write_table(tmp_path, ["" if number == 7 else f"S{number // 2}" for number in range(60)])
    done = fer("prepare", "table", table, "--output", tmp_path / "data", *CROPS)
    assert done.returncode == 0, done.stderr
    return tmp_path / "data"


def people(dataset) -> set[str]:
    """The people of a data set that are known."""
    return set(dataset["subject"]) - {None}


def test_an_image_without_a_subject_is_a_person_of_its_own(one_missing):
    subjects = known_subjects(load_whole(one_missing)["train"])
    assert len(set(subjects)) == 31 and subjects.count(subjects[7]) == 1
    splits = load_splits(one_missing)
    assert len(splits["validation"]) >= 12 and not people(splits["train"]) & people(splits["validation"])


def test_images_without_a_subject_are_noted(one_missing, tmp_path):
    sentence = "Images without a subject: 1 of 60, the first is 7.png; each counts as a person of its own"
    with open(one_missing / "report/problems.csv", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["source"] == "train" and row["problem"].startswith(sentence)
    assert sentence in (one_missing / "README.md").read_text()
    write(tmp_path / "nobody.csv", "image,label,subject\n0.png,smile,\n1.png,frown,\n")
    assert not sentences(read_source("table", tmp_path / "nobody.csv"))


def test_folds_are_of_people_where_an_image_has_none(one_missing, tmp_path):
    write_recipe(WEAKLY, tmp_path / "recipe.yaml")
    started = start_folds(str(tmp_path / "recipe.yaml"), str(one_missing), tmp_path / "run", 3, [])
    subjects = load_whole(one_missing)["train"].select_columns("subject")
    for fold in started.folds:
        train, validation, test = (people(subjects.select(part)) for part in (fold.train, fold.validation, fold.test))
        assert not train & validation and not train & test and not validation & test
    # A tenth of the people is kept for the test of each fold that is searched on.
    pairs = choose_validation(WEAKLY, str(one_missing), 2).pairs_of(WEAKLY)
    assert len(pairs) == 2 and all(53 <= len(train) + len(validation) <= 55 for train, validation in pairs)


def test_a_data_set_that_names_nobody_has_no_folds(tmp_path):
    dataset = load_whole(write_people(tmp_path / "people", 40))["train"]
    nobody = (
        dataset.remove_columns("subject").add_column("subject", [None] * len(dataset)).cast_column("subject", Value("string"))
    )
    assert known_subjects(nobody) is None and known_subjects(dataset.remove_columns("subject")) is None
    (tmp_path / "nobody").mkdir()
    nobody.to_parquet(tmp_path / "nobody/train.parquet")
    done = fer("cross-validate", "ckplus48_hybrid", "--data", tmp_path / "nobody", "--output", tmp_path / "run")
    assert done.returncode == 2 and "does not say who is on its images" in plain(done.stderr)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["S010", "s010", " S010 ", "S011"], ["S010", "S010", "S010", "S011"]),
        (["Ann  Lee", "ann lee", "Happy", "happy"], ["Ann Lee", "Ann Lee", "Happy", "Happy"]),
        ([3, None, 4, 3], ["3", None, "4", "3"]),
        ([3.0, float("nan"), float("nan"), 3.0], ["3.0", None, None, "3.0"]),
        (["S1", "", " ", None], ["S1", None, None, None]),
    ],
)
def test_subjects_that_differ_only_in_case_or_blanks_are_one_person(tmp_path, written, expected):
    file = tmp_path / "faces.parquet"
    rows = {"image": [f"{number}.png" for number in range(4)], "label": ["smile"] * 4, "subject": written}
    Dataset.from_dict(rows).to_parquet(file)
    assert [sample.subject for sample in read_source("table", file).samples] == expected
    # So they are in a data set that another version, or another program, prepared.
    known = known_subjects(Dataset.from_dict(rows))
    assert [name if name in expected else None for name in known] == expected
    assert len(set(known)) == len(set(expected) - {None}) + expected.count(None)


def test_one_person_is_seen_in_two_splits_and_keeps_an_image_however_the_name_is_written(tmp_path):
    text = "image,label,subject,split\na.png,smile,S010,train\na.png,smile,s010,train\nb.png,smile,s010 ,test\n"
    source = read_source("table", write(tmp_path / "faces.csv", text))
    assert len(source.samples) == 3 and noted(source, "b.png", "Subject S010 is in both train and test")

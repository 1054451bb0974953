"""The numbers in the texts are those of results/."""

import json

import pytest
from check_results import differences, fill, show, unmarked_rows
from helpers import run_script

TEXT = """# Title

Accuracy is **{accuracy}<!-- = mine/0/accuracy .1% -->** of all.

<!-- results: sets -->
{table}
<!-- /results -->

| by hand | 12 |
"""


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "mine.json").write_text(json.dumps([{"accuracy": 0.8223}]))
    expressions = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
    sets = {"coverage": 0.91, "coverage_by_class": dict.fromkeys(expressions, 0.9), "size": 1.5, "single": 0.6}
    (folder / "probabilities.json").write_text(json.dumps({"mine": {"sets": {"0.9": sets}}}))
    return folder


def test_texts_of_the_repository_say_what_the_results_say():
    done = run_script("check_results.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_measurement_is_named_by_its_title_and_split(results):
    scores = {"images": 3, "accuracy": 0.25}
    measured = [{"dataset": "ferplus", "split": "test", "prior_strength": prior, **scores} for prior in (0.5, 0.0)]
    (results / "own.json").write_text(json.dumps(measured[:1] + [{**measured[1], "accuracy": 0.75}]))
    assert fill("1%<!-- = own/FER+, test/accuracy .0% -->", results).startswith("75%")
    assert fill("1%<!-- = own/FER+, prior strength 0.5, test/accuracy .0% -->", results).startswith("25%")


def test_a_number_that_differs_is_named_and_put_right(results, tmp_path):
    text = tmp_path / "text.md"
    text.write_text(TEXT.format(accuracy="99.9%", table="| old |"))
    arguments = (text, "--results", results)
    failed = run_script("check_results.py", *arguments)
    assert failed.returncode == 1
    assert "99.9%" in failed.stdout and "82.2%" in failed.stdout
    assert run_script("check_results.py", *arguments, "--write").returncode == 0
    assert "**82.2%<!--" in text.read_text() and "| mine | 90% | 91.0% | 1.50 | 60% | 90% |" in text.read_text()
    assert run_script("check_results.py", *arguments).returncode == 0
    (results / "mine.json").write_text(json.dumps([{"accuracy": 0.8235}]))
    assert run_script("check_results.py", *arguments).returncode == 1


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("mine/3/accuracy", "no '3'"), ("mine/0/speed", "no 'speed'"), ("other/0", r"other.json does not exist.*reproduce.py")],
)
def test_marks_name_what_is_there(results, place, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        fill(f"5%<!-- = {place} .1% -->", results)
    with pytest.raises(ValueError, match="no table 'nothing'"):
        fill("<!-- results: nothing -->\n<!-- /results -->", results)


def test_numbers_have_the_form_that_is_asked_for():
    assert [show(0.82234, form) for form in (".1%", ".1p", ".3f")] == ["82.2%", "82.2", "0.822"]


def test_a_place_may_hold_words(results):
    (results / "maps.json").write_text(json.dumps({"relevance map": {"area": 0.28}}))
    text = "areas of 5%<!-- = maps/relevance map/area .0% --> and 1<!-- = maps/relevance map/area .2f -->"
    filled = "areas of 28%<!-- = maps/relevance map/area .0% --> and 0.28<!-- = maps/relevance map/area .2f -->"
    assert fill(text, results) == filled


def test_rows_that_nothing_checks_are_listed(results):
    assert unmarked_rows(TEXT.format(accuracy="1%", table="| in | 5 |")) == ["| by hand | 12 |"]
    assert differences("a\nb", "a\nc") == ["- b", "+ c"]

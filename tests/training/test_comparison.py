import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from helpers import RECIPE, columns, write_people
from scipy import stats
from sklearn.metrics import accuracy_score, recall_score

from modeling_fer.data import load_labelled
from modeling_fer.data.prepared import known_subjects
from modeling_fer.data.splits import subject_folds
from modeling_fer.training.comparison import (
    compare_answers,
    corrected_t_test,
    count_right,
    draw_scores,
    mcnemar_test,
    score_counts,
)
from modeling_fer.training.cross_validation import describe_folds, draw_folds, write_summary
from modeling_fer.training.evaluation import ExpressionMetrics
from modeling_fer.training.paired_answers import PairedAnswers, pair_answers, read_run, same_content, write_answers
from modeling_fer.training.recipe import Recipe, write_recipe

NAMES = ["sadness", "happiness"]


def drawn_answers(images: int = 300, people: int = 30, skill: tuple[float, float] = (0.6, 0.8)) -> PairedAnswers:
    """Answers to images of four classes, the last one rare; each method is right about as often as told."""
    rng = np.random.default_rng(0)
    labels = rng.choice(4, images, p=[0.4, 0.3, 0.28, 0.02])
    a, b = (np.where(rng.random(images) < share, labels, (labels + 1) % 4) for share in skill)
    subjects = [f"S{number}" for number in rng.integers(0, people, images)]
    return PairedAnswers(labels, a, b, np.arange(images) % 5 + 1, subjects, ["low", "middle", "high", "top"])


def write_run(folder, data, seed=0, folds=3, wrong=(), subjects=None, selection="best"):
    """A finished cross-validation on a data set of two classes whose answers are right but for some images; gives its folder."""
    recipe = Recipe(**{**vars(RECIPE), "seed": seed, "selection": selection})
    dataset = load_labelled(data, "train")
    labels = np.array(dataset["label"])
    answers = labels.copy()
    answers[list(wrong)] = 1 - labels[list(wrong)]
    split = draw_folds(recipe, labels, subjects or known_subjects(dataset), folds)
    results = []
    for number, fold in enumerate(split, start=1):
        part = folder / f"fold-{number}"
        part.mkdir(parents=True)
        metrics = ExpressionMetrics().compute(predictions=np.eye(2)[answers[fold.test]], references=labels[fold.test])
        results.append(
            {**metrics, "seconds": 1.0, "labels": labels[fold.test].tolist(), "answers": answers[fold.test].tolist()}
        )
        (part / "result.json").write_text(json.dumps(results[-1]))
    write_summary(results, NAMES, folder)
    write_recipe(recipe, folder / "recipe.yaml")
    (folder / "folds.json").write_text(json.dumps(describe_folds(columns(len(labels)), split)))
    return folder


@pytest.fixture
def data(tmp_path):
    return str(write_people(tmp_path / "data", 60))


def test_scores_are_those_of_scikit_learn():
    answers = drawn_answers()
    compared = compare_answers(answers, draws=200)
    for metric, score in (("accuracy", accuracy_score), ("uar", lambda *both: recall_score(*both, average="macro"))):
        pair = compared.scores[metric]
        assert pair.a.value == pytest.approx(score(answers.labels, answers.a))
        assert pair.b.value == pytest.approx(score(answers.labels, answers.b))
        assert pair.difference.value == pytest.approx(pair.b.value - pair.a.value)
        for estimate in vars(pair).values():
            assert estimate.low < estimate.value < estimate.high
    assert (compared.images, compared.people) == (300, 30)


def test_a_fold_without_a_class_has_the_recall_of_the_others():
    answers = drawn_answers(40)
    for number, score in enumerate(compare_answers(answers, draws=10).folds["uar"].b, start=1):
        part = answers.folds == number
        present = np.unique(answers.labels[part])
        expected = recall_score(answers.labels[part], answers.b[part], labels=present, average="macro")
        assert score == pytest.approx(expected)


def test_drawn_people_bring_all_their_images():
    answers = drawn_answers(60, people=8)
    _, people = np.unique(answers.subjects, return_inverse=True)
    drawn = draw_scores(count_right(answers, people), 3, seed=5)
    often = np.random.default_rng(5).multinomial(8, np.full(8, 1 / 8), size=3)
    for draw, times in enumerate(often):
        images = np.repeat(np.arange(60), times[people])
        for method, given in enumerate((answers.a, answers.b)):
            labels = answers.labels[images]
            expected = recall_score(labels, given[images], labels=np.unique(labels), average="macro")
            assert drawn[0, method, draw] == pytest.approx(accuracy_score(labels, given[images]))
            assert drawn[1, method, draw] == pytest.approx(expected)


def test_parts_of_the_drawing_are_as_many_draws_as_asked_for(monkeypatch):
    counts = count_right(drawn_answers(), np.arange(300) % 10)
    whole = draw_scores(counts, 101, seed=0)
    monkeypatch.setattr("modeling_fer.training.comparison.DRAWN_AT_ONCE", 70)
    np.testing.assert_array_equal(draw_scores(counts, 101, seed=0), whole)
    assert whole.shape == (2, 2, 101)


def test_intervals_over_images_are_those_of_a_proportion():
    answers = replace(drawn_answers(2000), subjects=None)
    interval = compare_answers(answers).scores["accuracy"].a
    margin = 1.96 * np.sqrt(interval.value * (1 - interval.value) / 2000)
    assert (interval.low, interval.high) == pytest.approx((interval.value - margin, interval.value + margin), abs=0.003)


def test_images_of_one_person_count_once():
    """Ten equal images of everybody say no more than one does, and the interval does not become narrower by them."""
    one = replace(drawn_answers(100), subjects=[f"S{number}" for number in range(100)])
    columns_of = {name: np.repeat(getattr(one, name), 10) for name in ("labels", "a", "b", "folds")}
    ten = replace(one, **columns_of, subjects=np.repeat(one.subjects, 10).tolist())
    once, people, images = (compare_answers(answers) for answers in (one, ten, replace(ten, subjects=None)))
    widths = [vars(compared.scores["accuracy"].difference) for compared in (once, people, images)]
    once_wide, people_wide, images_wide = (width["high"] - width["low"] for width in widths)
    assert once_wide == pytest.approx(people_wide)
    assert images_wide == pytest.approx(people_wide / np.sqrt(10), rel=0.1)
    assert people.people == 100 and images.people is None


def test_intervals_hold_the_true_difference_about_as_often_as_they_say():
    """Both methods are equally good; everybody's ten images are alike easy for a method, so that they are not independent."""
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        labels, people = np.zeros(600, dtype=int), np.repeat(np.arange(60), 10)
        a, b = ((rng.random(600) > rng.beta(1, 1, 60)[people]).astype(int) for _ in "ab")
        answers = PairedAnswers(labels, a, b, np.arange(600) % 2 + 1, [f"S{number}" for number in people], ["low", "high"])
        interval = compare_answers(answers, draws=400).scores["accuracy"].difference
        held.append(interval.low <= 0 <= interval.high)
    assert 0.9 <= np.mean(held) <= 0.98


def test_the_same_seed_gives_the_same_intervals():
    answers = drawn_answers()
    first, again, other = (compare_answers(answers, draws=500, seed=seed) for seed in (3, 3, 4))
    assert first == again and first.scores != other.scores


def test_mcnemar_is_the_sign_test_of_the_images_that_the_methods_differ_on():
    right_a, right_b = np.zeros(50, dtype=bool), np.zeros(50, dtype=bool)
    right_a[:22], right_b[20:29] = True, True
    test = mcnemar_test(right_a, right_b)
    assert (test.only_a, test.only_b) == (20, 7)
    assert test.p == pytest.approx(2 * stats.binom.cdf(7, 27, 0.5))
    assert mcnemar_test(right_a, right_a).p == 1


def test_the_corrected_t_test_is_wider_than_the_plain_one():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.7, 0.05, 10), rng.normal(0.74, 0.05, 10)
    test, plain = corrected_t_test(a, b), stats.ttest_rel(b, a)
    # The variance is (1 / 10 + 1 / 9) instead of 1 / 10 of that of the differences.
    assert test.t == pytest.approx(plain.statistic / np.sqrt(1 + 10 / 9))
    assert test.p == pytest.approx(2 * stats.t.sf(abs(test.t), 9)) and test.p > plain.pvalue
    assert test.degrees == 9 and test.difference.value == pytest.approx((b - a).mean())
    margin = stats.t.ppf(0.975, 9) * test.difference.value / test.t
    assert test.difference.high - test.difference.value == pytest.approx(margin)


def test_a_method_does_not_differ_from_itself():
    answers = drawn_answers(skill=(0.7, 0.7))
    compared = compare_answers(replace(answers, b=answers.a), draws=100)
    for metric in ("accuracy", "uar"):
        assert set(vars(compared.scores[metric].difference).values()) == {0}
        assert compared.folds[metric].t is None and compared.folds[metric].p == 1
    assert compared.mcnemar.p == 1
    json.dumps(asdict(compared), allow_nan=False)


def test_answers_are_brought_into_the_order_of_the_data_set(tmp_path, data):
    a, b = write_run(tmp_path / "a", data, wrong=[0, 7, 40]), write_run(tmp_path / "b", data, wrong=[7, 11])
    paired = pair_answers(read_run(a), read_run(b), data)
    assert np.flatnonzero(paired.a != paired.labels).tolist() == [0, 7, 40]
    assert np.flatnonzero(paired.b != paired.labels).tolist() == [7, 11]
    assert paired.subjects[:3] == ["S0", "S0", "S1"]
    for number, fold in enumerate(subject_folds(paired.labels, paired.subjects, 3), start=1):
        assert np.flatnonzero(paired.folds == number).tolist() == fold.test.tolist()
    summary = json.loads((a / "results.json").read_text())
    compared = compare_answers(paired, draws=10)
    assert compared.folds["uar"].a == pytest.approx([fold["uar"] for fold in summary["folds"]])
    assert compared.scores["accuracy"].a.value == pytest.approx(summary["pooled_accuracy"])
    assert (compared.mcnemar.only_a, compared.mcnemar.only_b) == (1, 2)


def test_runs_that_leave_out_one_person_each_are_compared(tmp_path):
    data = str(write_people(tmp_path / "data", 60, people=4))
    people = known_subjects(load_labelled(data, "train"))
    settings = {"folds": len(set(people)), "selection": "last"}
    one, other = (write_run(tmp_path / name, data, wrong=wrong, **settings) for name, wrong in (("a", ()), ("b", (4,))))
    paired = pair_answers(read_run(one), read_run(other), data)
    assert paired.subjects == people and len(set(paired.folds)) == len(set(people))
    assert np.flatnonzero(paired.a != paired.b).tolist() == [4]


def test_images_of_nobody_known_stand_for_themselves(tmp_path, data):
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    load_labelled(data, "train").remove_columns("subject").to_parquet(nobody / "train.parquet")
    people = [str(number) for number in range(48)]
    a, b = (write_run(tmp_path / name, nobody, wrong=[place], subjects=people) for place, name in enumerate("ab"))
    paired = pair_answers(read_run(a), read_run(b), str(nobody))
    assert paired.subjects is None and compare_answers(paired, draws=10).people is None


def test_runs_of_other_folds_or_data_are_refused(tmp_path, data):
    a = read_run(write_run(tmp_path / "a", data))
    seed = read_run(write_run(tmp_path / "seed", data, seed=1))
    five = read_run(write_run(tmp_path / "five", data, folds=5))
    with pytest.raises(ValueError, match="other folds: the seed is 0 in one and 1 in the other; compare runs that"):
        pair_answers(a, seed, data)
    with pytest.raises(ValueError, match="other folds: the number of folds is 3 in one and 5 in the other"):
        pair_answers(a, five, data)
    fewer = str(write_people(tmp_path / "fewer", 60, people=20))
    with pytest.raises(ValueError, match="a has other images, labels or people in its folds than .*fewer; compare runs on the"):
        pair_answers(a, a, fewer)
    couples = [f"S{number // 4}" for number in range(48)]
    others = read_run(write_run(tmp_path / "others", data, subjects=couples))
    with pytest.raises(ValueError, match="others has other images, labels or people in its folds than"):
        pair_answers(a, others, data)
    with pytest.raises(ValueError, match="a has other classes than"):
        pair_answers(replace(a, label_names=["frown", "smile"]), a, data)


def test_runs_that_are_not_done_are_named(tmp_path, data):
    with pytest.raises(FileNotFoundError, match="nothing holds no finished cross-validation; run fer cross-validate with"):
        read_run(tmp_path / "nothing")
    (write_run(tmp_path / "a", data) / "fold-2/result.json").unlink()
    with pytest.raises(FileNotFoundError, match="a holds no finished cross-validation"):
        read_run(tmp_path / "a")


def test_other_pixels_of_the_same_images_are_told_apart(tmp_path, data):
    a, b = (read_run(write_run(tmp_path / name, data)) for name in "ab")
    assert same_content(a, b) is True
    assert same_content(a, replace(b, drawn={**b.drawn, "content": "0"})) is False
    assert same_content(a, replace(b, drawn={})) is None
    # A run of an earlier version says no more than its labels.
    assert pair_answers(a, replace(b, drawn={}), data).labels.tolist() == [0, 1] * 24


def test_the_table_of_answers_has_a_row_for_each_image(tmp_path):
    answers = drawn_answers(20)
    write_answers(answers, tmp_path / "new/answers.csv")
    table = pd.read_csv(tmp_path / "new/answers.csv")
    assert table.columns.tolist() == ["image", "subject", "fold", "label", "answer_a", "answer_b"]
    assert table["image"].tolist() == list(range(20)) and table["subject"].tolist() == answers.subjects
    assert table["fold"].tolist() == answers.folds.tolist()
    assert table["answer_b"].tolist() == [answers.label_names[answer] for answer in answers.b]
    write_answers(replace(answers, subjects=None), tmp_path / "answers.csv")
    assert pd.read_csv(tmp_path / "answers.csv")["subject"].isna().all()


def test_groups_are_scored_apart():
    counts = np.array([[[2, 2], [4, 0]], [[1, 2], [3, 0]], [[0, 0], [4, 0]]], dtype=float)
    accuracy, uar = score_counts(counts)
    assert accuracy.tolist() == [[0.75, 0.75], [0, 1]]
    assert uar.tolist() == [[0.75, 0.75], [0, 1]]

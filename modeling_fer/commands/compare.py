"""`fer compare`: whether two methods differ that were cross-validated on the same folds."""

from dataclasses import asdict
from pathlib import Path

from datasets import disable_progress_bars
from rich.console import Console
from rich.table import Table

from modeling_fer.data.json_files import write_json
from modeling_fer.training.comparison import LEVEL, Comparison, Estimate, FoldsTest, PairedScores, compare_answers
from modeling_fer.training.paired_answers import pair_answers, read_run, same_content, write_answers

TITLES = {"accuracy": "accuracy", "uar": "UAR"}

FEW_PEOPLE = 30
"""People under whom a cluster bootstrap's intervals are too narrow (Cameron, Gelbach and Miller, Review of Economics and Statistics 90,
2008).
"""

UNFOLDED = 1000
"""Letters of a line that no screen shows."""


def compare_runs(a: Path, b: Path, data: str, seed: int, output: Path | None, answers: Path | None) -> None:
    """Compares two cross-validations and prints what was found.

    Args:
        a, b: their folders.
        data: folder or repository of the prepared data set that both ran on.
        seed: of the bootstrap.
        output: JSON file for the comparison.
        answers: csv file for the answers to each image.

    Raises:
        OSError, ValueError: runs or data cannot be read, the runs have other folds or data, or something cannot be written.
    """
    disable_progress_bars()
    run_a, run_b = read_run(a), read_run(b)
    paired = pair_answers(run_a, run_b, data)
    compared, content = compare_answers(paired, seed=seed), same_content(run_a, run_b)
    show_comparison(compared, a, b, content)
    if output is not None:
        runs = {"a": str(a), "b": str(b), "data": data, "same_content": content, "level": LEVEL}
        write_json(output, runs | asdict(compared))
    if answers is not None:
        write_answers(paired, answers)


def show_comparison(compared: Comparison, a: Path, b: Path, content: bool | None) -> None:
    """Prints scores, tests, and what they do and do not say.

    Args:
        compared: what was found.
        a, b: folders of the runs.
        content: from `same_content`.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = UNFOLDED
    console.print(f"A is {a}, B is {b}; differences are B minus A, and all scores are percent.")
    if content is False:
        console.print(
            "A and B were given other pixels, landmarks or soft labels of the same images, which may be why they differ."
        )
    console.print(tabulate_scores(compared.scores))
    console.print(describe_bootstrap(compared))
    for name, scores in compared.scores.items():
        console.print(conclude(TITLES[name], scores.difference))
    exact = compared.mcnemar
    console.print()
    console.print(
        f"McNemar's exact test: only A is right about {exact.only_a} images, only B about {exact.only_b}; {show_p(exact.p)}. It takes "
        f"images as independent{', which those of one person are not' if compared.people is not None else ''}."
    )
    console.print()
    console.print(tabulate_folds(compared.folds))
    for name, test in compared.folds.items():
        console.print(
            f"Corrected resampled t-test over folds, {TITLES[name]}: {show_difference(test.difference)}, {test.degrees} degrees of "
            f"freedom, {show_p(test.p)}."
        )
    console.print(
        "It counts in that other training images make other networks; with few folds it finds only large differences."
    )


def describe_bootstrap(compared: Comparison) -> str:
    """What the intervals were made of, and what they leave out."""
    unit = "images" if compared.people is None else "people"
    people = "" if compared.people is None else f" of {compared.people} people"
    said = (
        f"{compared.images:,} images{people}, all folds together. Intervals hold {LEVEL:.0%}: a paired bootstrap over {unit}, "
        f"{compared.draws:,} draws, seed {compared.seed}. They are about other {unit}, not about networks trained again from another "
        "seed."
    )
    few = compared.people is not None and compared.people < FEW_PEOPLE
    return said + (" Of so few people they come out too narrow." if few else "")


def conclude(title: str, difference: Estimate) -> str:
    """What the interval of a difference says of a metric."""
    if difference.low <= 0 <= difference.high:
        return f"By {title} no difference is shown: its interval holds 0."
    better = "B" if difference.value > 0 else "A"
    return f"By {title} the networks of {better} are better: the interval of the difference leaves 0 out."


def tabulate_scores(scores: dict[str, PairedScores]) -> Table:
    """A row for each metric: both methods and their difference, with intervals."""
    table = Table("", "A", "B", "difference")
    for name, pair in scores.items():
        table.add_row(TITLES[name], show_share(pair.a), show_share(pair.b), show_difference(pair.difference))
    return table


def tabulate_folds(tests: dict[str, FoldsTest]) -> Table:
    """A row for each fold: both methods and their difference, by each metric."""
    table = Table("fold")
    for title in (TITLES[name] for name in tests):
        for column in (f"{title} A", "B", "difference"):
            table.add_column(column, justify="right")
    folds = zip(*(zip(test.a, test.b, strict=True) for test in tests.values()), strict=True)
    for number, pairs in enumerate(folds, start=1):
        cells = (cell for a, b in pairs for cell in (f"{100 * a:.1f}", f"{100 * b:.1f}", f"{100 * (b - a):+.1f}"))
        table.add_row(str(number), *cells)
    return table


def show_share(estimate: Estimate) -> str:
    """A share and its interval, in percent.

    >>> show_share(Estimate(0.75, 0.7, 0.8))
    '75.0 (70.0 to 80.0)'
    """
    return f"{100 * estimate.value:.1f} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def show_difference(estimate: Estimate) -> str:
    """A difference and its interval, in points of percent, with signs.

    >>> show_difference(Estimate(0.05, -0.01, 0.11))
    '+5.0 (-1.0 to +11.0)'
    """
    return f"{100 * estimate.value:+.1f} ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"


def show_p(p: float) -> str:
    """A p-value as papers print it.

    >>> show_p(0.0421), show_p(0.0000421)
    ('p = 0.042', 'p < 0.001')
    """
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"

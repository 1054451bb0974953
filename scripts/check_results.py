"""Checks that the numbers in the texts are those of results/, or writes them.

    python scripts/check_results.py              # fails, and names each difference
    python scripts/check_results.py --write      # puts the numbers of results/ into the texts
    python scripts/check_results.py --unmarked   # lists the rows of tables that nothing checks

Two kinds of marks stand in the texts, as comments that Markdown does not show. A table between

    <!-- results: NAME -->
    <!-- /results -->

is one of scripts/result_tables.py. A single number is followed by its place, FILE/KEY/KEY, and its format in Python's form, where
`p` means in points of a hundred:

    82.2%<!-- = fer-base/FER+, test/accuracy .1% -->

In what `fer evaluate` wrote, a measurement is named by its title and its split.
"""

import argparse
import difflib
import re
from pathlib import Path
from typing import Any

from result_files import read
from result_tables import TABLES

from modeling_fer.training.measurement import Result

ROOT = Path(__file__).parents[1]
TEXTS = ("README.md", "RESULTS.md", "model_card.md", "docs/benchmark.md")
TABLE = re.compile(r"(<!-- results: (?P<name>\S+) -->\n)(?P<text>.*?)(<!-- /results -->)", re.DOTALL)
NUMBER = re.compile(r"(?P<text>[^\s|*()]+)(?P<mark><!-- = (?P<place>[^>]+) (?P<form>\S+) -->)")
ROW = re.compile(r"^\|.*\d.*\|$", re.MULTILINE)


def look_up(results: Path, place: str) -> Any:
    """The value at FILE/KEY/KEY.

    Raises:
        ValueError: there is none.
    """
    name, *keys = place.split("/")
    value = read(results, name)
    for key in keys:
        try:
            value = (name_entries(value) if isinstance(value, list) else value)[key]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{place} is not in the results: there is no {key!r}.") from error
    return value


def name_entries(values: list[Any]) -> dict[str, Any]:
    """The entries of a list by their keys: what `fer evaluate` wrote by the name of each measurement, others by their number."""
    if all(isinstance(one, dict) and "dataset" in one for one in values):
        return {Result.from_dict(one).measurement.name: one for one in values}
    return {str(number): one for number, one in enumerate(values)}


def show(value: float, form: str) -> str:
    """A number in a form of Python's, or with `p` for the last letter in points of a hundred."""
    return format(100 * value, form[:-1] + "f") if form.endswith("p") else format(value, form)


def fill(text: str, results: Path) -> str:
    """A text with the numbers of results at its marks.

    Raises:
        FileNotFoundError, ValueError: a mark names what is not there.
    """

    def table(match: re.Match[str]) -> str:
        if match["name"] not in TABLES:
            raise ValueError(f"There is no table {match['name']!r}; there are {', '.join(TABLES)}.")
        return f"{match[1]}{TABLES[match['name']](results)}\n{match[4]}"

    def number(match: re.Match[str]) -> str:
        return show(look_up(results, match["place"]), match["form"]) + match["mark"]

    return NUMBER.sub(number, TABLE.sub(table, text))


def differences(before: str, after: str) -> list[str]:
    """The lines that differ: those of the text begin with `-`, those of the results with `+`."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line.startswith(("- ", "+ "))]


def unmarked_rows(text: str) -> list[str]:
    """The rows of tables with a number, outside of marks."""
    return ROW.findall(NUMBER.sub("", TABLE.sub("", text)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", type=Path, help=f"{', '.join(TEXTS)} if not given")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder of the results")
    parser.add_argument("--write", action="store_true", help="put the numbers into the texts")
    parser.add_argument("--unmarked", action="store_true", help="list the rows of tables that nothing checks")
    arguments = parser.parse_args()
    wrong: list[str] = []
    for file in arguments.texts or [ROOT / name for name in TEXTS]:
        before = file.read_text(encoding="utf-8")
        if arguments.unmarked:
            print(*(f"{file.name}: {row}" for row in unmarked_rows(before)), sep="\n")
            continue
        try:
            after = fill(before, arguments.results)
        except (FileNotFoundError, ValueError) as error:
            parser.error(f"{file.name}: {error}")
        if arguments.write:
            file.write_text(after, encoding="utf-8")
            continue
        differing = differences(before, after)
        if differing:
            wrong.append(file.name)
            print(f"{file.name}, - as it is and + by the results:", *differing, sep="\n")
    if wrong:
        parser.exit(1, f"{', '.join(wrong)} differ from results/; python scripts/check_results.py --write puts them right.\n")


if __name__ == "__main__":
    main()

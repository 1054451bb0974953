"""What was found in photos and videos as rows of a table, written to a file as they come."""

import contextlib
import csv
import io
import json
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from modeling_fer.answers_fer import EDGES, Answer, Faces, ReadFace

if TYPE_CHECKING:
    from modeling_fer.inference.tracking import TrackSummary

Row = dict[str, Any]
Columns = dict[str, type]
"""The names of a table's columns, and what each holds: str, int, float or bool."""

OUTPUT_SUFFIXES = (".jsonl", ".csv", ".parquet")
DECIMALS = 6

ANSWERS: Columns = {"expression": str, "probability": float}
DOUBT: Columns = {"uncertain": bool, "expression_set": str}
TIMES: Columns = {"frame": int, "time": float, "track": int}
FACE: Columns = {"face": int, **dict.fromkeys(EDGES, int), "detection_score": float}
SEEN: Columns = {"track": int, "first": float, "last": float, "frames": int}
OWN_NAMES = {"file", *TIMES, *FACE, *SEEN, *ANSWERS, *DOUBT}
"""The names of all columns but those of expressions."""


def probability_columns(labels: Collection[str]) -> dict[str, str]:
    """For each expression the name of the column with its probability: its own, or `probability_uncertain` and so on for one that is
    called as another column is, in tables of faces and of tracks alike.

    >>> probability_columns(["fear", "uncertain"])
    {'fear': 'fear', 'uncertain': 'probability_uncertain'}
    """
    taken = set(labels)
    names: dict[str, str] = {}
    for label in labels:
        name = label
        while name in OWN_NAMES or (name != label and name in taken):
            name = f"probability_{name}"
        names[label] = name
    return names


def face_columns(labels: Sequence[str], timed: bool, sets: bool = False) -> Columns:
    """The columns of a table of faces.

    Args:
        labels: all expressions; each has a column for its probability, see `probability_columns`.
        timed: whether there are videos, whose rows have the frame's number, its time in seconds, and the face's track.
        sets: whether the sets of expressions are told.
    """
    return {"file": str, **(TIMES if timed else {}), **FACE, **_answer_columns(labels, sets)}


def track_columns(labels: Sequence[str], sets: bool = False) -> Columns:
    """The columns of a table of the faces that were followed through videos; `labels` and `sets` as for `face_columns`."""
    return {"file": str, **SEEN, **_answer_columns(labels, sets)}


def _answer_columns(labels: Sequence[str], sets: bool) -> Columns:
    doubt = DOUBT if sets else {"uncertain": bool}
    return {**ANSWERS, **dict.fromkeys(probability_columns(labels).values(), float), **doubt}


def face_rows(
    name: str,
    faces: Faces,
    frame: int | None = None,
    time: float | None = None,
    empty: bool = True,
    sets: float | None = None,
) -> list[Row]:
    """The rows of one photo or frame.

    Args:
        name: of the photo or video.
        faces: what was found in it.
        frame: number of the frame in its video, from 0.
        time: its time in seconds.
        empty: whether a picture without a face has a row, whose face is 0; else it has none.
        sets: coverage of the sets of expressions, joined by " | "; they are left out where it is None.
    """
    stamp = {"file": name} | ({} if frame is None else {"frame": frame, "time": _short(time)})
    if not faces:
        return [stamp | {"face": 0}] if empty else []
    return [stamp | _face_row(number, face, sets) for number, face in enumerate(faces, start=1)]


def _face_row(number: int, face: ReadFace, sets: float | None) -> Row:
    where = {"face": number, **dict(zip(EDGES, face.box, strict=True)), "detection_score": _short(face.detection_score)}
    return where | ({} if face.track is None else {"track": face.track}) | _answer_row(face, sets)


def track_row(name: str, track: "TrackSummary", sets: float | None = None) -> Row:
    """The row of one face that was followed through a video; `sets` as for `face_rows`."""
    seen = {"first": _short(track.first), "last": _short(track.last), "frames": track.frames}
    return {"file": name, "track": track.track, **seen, **_answer_row(track, sets)}


def _answer_row(answer: Answer, sets: float | None) -> Row:
    names = probability_columns(answer.scores)
    shortened = {names[label]: _short(score) for label, score in answer.scores.items()}
    chosen = {} if sets is None else {"expression_set": " | ".join(answer.expression_set(sets))}
    best = answer.expression
    return {"expression": best, "probability": shortened[names[best]], **shortened, "uncertain": answer.uncertain, **chosen}


def _short(number: float | None) -> float | None:
    return None if number is None else round(number, DECIMALS)


class RowFile(Protocol):
    """A file that rows are added to."""

    def write(self, rows: Sequence[Row]) -> None:
        """Adds rows; they are in the file when this returns.

        Raises:
            OSError: they cannot be written. The file then ends with the rows of before.
        """
        ...


@contextlib.contextmanager
def open_rows(output: Path | str, columns: Columns) -> Iterator[RowFile]:
    """A file for rows in the form that its suffix names: .jsonl, .csv or .parquet; `-` is JSON lines on the standard output.

    Args:
        output: the file, which is replaced.
        columns: of the table; what a row does not have is null.

    Raises:
        ImportError: parquet is asked for, and pyarrow is not installed.
        OSError: it cannot be written.
    """
    if str(output) == "-":
        yield TextRows(sys.stdout.buffer, columns, as_json)
    elif Path(output).suffix.lower() == ".parquet":
        # Only here, as pyarrow is large, and takes as long to import as a photo to read.
        from modeling_fer.inference.parquet_rows import ParquetRows

        with ParquetRows(Path(output), columns) as rows:
            yield rows
    else:
        with open(output, "wb", buffering=0) as file:
            yield TextRows(file, columns, as_csv if Path(output).suffix.lower() == ".csv" else as_json)


class TextRows:
    """A file with a line for each row.

    Args:
        file: opened for bytes.
        columns: of the table.
        form: one row as text; the row None is the head of the table.
    """

    def __init__(self, file: IO[bytes], columns: Columns, form: Any):
        self.file, self.columns, self.form = file, columns, form
        self._add(form(None, columns))

    def write(self, rows: Sequence[Row]) -> None:
        self._add("".join(self.form(row, self.columns) for row in rows))

    def _add(self, text: str) -> None:
        """Adds text whole, or not at all where the file allows that."""
        start = self.file.tell() if self.file.seekable() else None
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while left:
                left = left[self.file.write(left) or 0 :]
            self.file.flush()
        except OSError:
            if start is not None:
                with contextlib.suppress(OSError):
                    self.file.truncate(start)
                    self.file.seek(start)
            raise


def as_json(row: Row | None, columns: Columns) -> str:
    """A row as a line of JSON."""
    return "" if row is None else json.dumps({name: row.get(name) for name in columns}, ensure_ascii=False) + "\n"


def as_csv(row: Row | None, columns: Columns) -> str:
    """A row as a line of csv; the names of the columns for None."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(columns if row is None else [row.get(name) for name in columns])
    return line.getvalue()

"""What was found in photos and videos as a table, a row for each face."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv, parquet

if TYPE_CHECKING:
    from modeling_fer.video import TrackSummary

Faces = list[dict[str, Any]]
"""The faces of one picture, as the pipeline gives them."""


def faces_table(
    photos: Iterable[tuple[str, Faces]], videos: Iterable[tuple[str, list[tuple[float, Faces]]]], labels: list[str]
) -> pa.Table:
    """Where each face is, its likeliest expression, and the probability of every expression.

    Args:
        photos: name and faces of each photo.
        videos: name of each video, and time in seconds and faces of each of its frames.
        labels: all expressions.

    Returns:
        A row for each face, in the order that they were found. With videos also the time and the number of the face's track, which
        are null for photos.
    """
    rows = [face_row(name, number, face) for name, faces in photos for number, face in enumerate(faces, start=1)]
    videos = list(videos)
    for name, frames in videos:
        for time, faces in frames:
            for number, face in enumerate(faces, start=1):
                rows.append(face_row(name, number, face) | {"time": time, "track": face["track"]})
    boxes = [(edge, pa.int32()) for edge in ("xmin", "ymin", "xmax", "ymax")]
    times = [("time", pa.float32()), ("track", pa.int32())] if videos else []
    found = [("file", pa.string()), *times, ("face", pa.int32()), *boxes, ("detection_score", pa.float32())]
    return pa.Table.from_pylist(rows, schema=pa.schema([*found, *answer_columns(labels)]))


def face_row(name: str, number: int, face: dict[str, Any]) -> dict[str, Any]:
    """One face as a flat row."""
    return {"file": name, "face": number, **face["box"], "detection_score": face["score"], **answer(face["expressions"])}


def tracks_table(videos: Iterable[tuple[str, list["TrackSummary"]]], labels: list[str]) -> pa.Table:
    """A row for each face that was followed through a video.

    Args:
        videos: name and tracks of each video.
        labels: all expressions.
    """
    rows = [
        {
            "file": name,
            "track": one.track,
            "first": one.first,
            "last": one.last,
            "frames": one.frames,
            **answer(one.expressions),
        }
        for name, summaries in videos
        for one in summaries
    ]
    times = [("first", pa.float32()), ("last", pa.float32()), ("frames", pa.int32())]
    schema = pa.schema([("file", pa.string()), ("track", pa.int32()), *times, *answer_columns(labels)])
    return pa.Table.from_pylist(rows, schema=schema)


def answer(expressions: list[dict[str, Any]]) -> dict[str, Any]:
    """Ranked expressions as columns of a row."""
    best = expressions[0]
    return {"expression": best["label"], "probability": best["score"]} | {one["label"]: one["score"] for one in expressions}


def answer_columns(labels: list[str]) -> list[tuple[str, pa.DataType]]:
    """Names and types of the columns that `answer` fills."""
    return [("expression", pa.string()), *((name, pa.float32()) for name in ("probability", *labels))]


def write_table(table: pa.Table, output: Path) -> None:
    """Writes a table in the form that the file's suffix names: .parquet, .csv or .jsonl."""
    if output.suffix == ".parquet":
        parquet.write_table(table, output)
    elif output.suffix == ".csv":
        csv.write_csv(table, output)
    else:
        output.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()))

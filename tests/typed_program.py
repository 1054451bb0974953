"""A program that uses the package, for the type checker alone: `make lint` checks it, and nothing runs it."""

# mypy: warn-unreachable

import io
from collections.abc import Iterator
from typing import assert_type

import modeling_fer
from modeling_fer import ReadFace

fer = modeling_fer.load("fer-tiny")
assert_type(fer("photo.jpg"), list[ReadFace])
assert_type(fer(io.BytesIO(b"")), list[ReadFace])
assert_type(fer({"bytes": b""}, prior=0.5), list[ReadFace])
with open("photo.jpg", "rb") as file:
    for face in fer(file):
        print(face.box, face.expression)
assert_type(fer(["a.jpg", "b.jpg"], batch_size=3), list[list[ReadFace]])
assert_type(fer(iter(["a.jpg"])), Iterator[list[ReadFace]])
assert_type(fer("photo.jpg", on_error="skip"), list[ReadFace] | None)
for found in fer(["a.jpg"], on_error="skip"):
    if found is None:
        print("a.jpg cannot be read")
for one in fer(iter(["a.jpg"]), on_error=lambda photo, error: print(photo, error)):
    if one is None:
        continue

"""A search for the faces of a video that mostly looks where they were in the frame before."""

from dataclasses import replace

import numpy as np
from PIL import Image

from modeling_fer.faces_fer import DETECTORS, Face, FaceDetector
from modeling_fer.reading_fer import FaceReader

REACH = 2.0
"""Height and width of the surroundings that a face is looked for in, as a share of its longer side."""

SMALLEST, SEARCH_SIZE = 0.3, 192
"""Least face as a share of its surroundings, and their size in pixels when they are searched: MTCNN looks at 48 pixels of a face."""

MOST_FACES = 8
"""With more faces, the whole frame is searched as fast."""


class NearSearch:
    """Finds the faces of the frames of one video, which are to be given in their order by one thread.

    The whole frame is searched every so many frames, and where no face is known, or one is not found near its place. A face that comes
    new beside others is found when the whole frame is searched next.

    Args:
        whole: finds the faces of a frame.
        near: finds the faces in the surroundings of one.
        frames: from one search of a whole frame to the next, 1 or more.
    """

    def __init__(self, whole: FaceDetector, near: FaceDetector, frames: int):
        self.whole, self.near, self.frames = whole, near, frames
        self.known: list[Face] = []
        self.since = 0

    def __call__(self, image: Image.Image) -> list[Face]:
        self.since += 1
        found = self.look_again(image) if 0 < len(self.known) <= MOST_FACES and self.since < self.frames else None
        if found is None:
            found, self.since = self.whole(image), 0
        self.known = found
        return found

    def wanted(self, face: Face, image: Image.Image) -> bool:
        """Whether a face that has become smaller is as large as those that are asked for in whole frames."""
        least = getattr(self.whole, "least", None)
        return least is None or face.size >= least(max(image.size))

    def look_again(self, image: Image.Image) -> list[Face] | None:
        """The faces of the frame before in this one, largest first; None where one of them is not found, or two have become one."""
        found: list[Face] = []
        for face in self.known:
            again = self.find_near(image, face)
            if again is None or any(distance(again, other) < other.size / 2 for other in found):
                return None
            found.append(again)
        return sorted((face for face in found if self.wanted(face, image)), key=lambda face: face.size, reverse=True)

    def find_near(self, image: Image.Image, face: Face) -> Face | None:
        """The face nearest to where one was, not farther from it than half its size; None where there is none."""
        size = face.size
        reach = REACH / 2 * size
        x, y = face.centre
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        right, bottom = min(image.width, int(x + reach)), min(image.height, int(y + reach))
        if right <= left or bottom <= top:
            return None
        faces = [one.moved(left, top) for one in self.near(image.crop((left, top, right, bottom)))]
        nearest = min(faces, key=lambda one: distance(one, face), default=None)
        return nearest if nearest is not None and distance(nearest, face) < size / 2 else None


def distance(first: Face, second: Face) -> float:
    """Between the middles of two faces, in pixels."""
    return float(np.linalg.norm(first.centre - second.centre))


def searching_near(reader: FaceReader, frames: int) -> FaceReader:
    """A reader of the frames of one video, that shares another one's network.

    Args:
        reader: the other; its detector searches whole frames.
        frames: see `NearSearch`.
    """
    whole = reader.ready_detector()
    # One of the user's own has to find what it finds in whole frames.
    known = type(whole) in DETECTORS.values()
    near = reader.make_detector(min_face=SMALLEST, search_size=SEARCH_SIZE) if known else whole
    return replace(reader, detector=NearSearch(whole, near, frames))

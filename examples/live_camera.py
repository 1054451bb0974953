"""A window with what a camera sees: each face in a box with its expression and, over it, where it was read.

    python examples/live_camera.py                       the first camera of this machine
    python examples/live_camera.py 1 --model fer-tiny    the second one, by the small network
    python examples/live_camera.py rtsp://...            a stream

Q or Esc closes the window. Needs pip install "modeling-fer[video]".
"""

import argparse
from collections.abc import Iterator

import cv2
import numpy as np

import modeling_fer
from modeling_fer.inference.video import analyse_video
from modeling_fer.inference.visualization import draw_faces
from modeling_fer.reading_fer import FaceReader

TITLE = "modeling-fer"
Q, ESCAPE = ord("q"), 27


def drawn_frames(fer: FaceReader, source: str, fps: float) -> Iterator[np.ndarray]:
    """The frames of a camera or stream as they come, with their faces drawn on them.

    Args:
        fer: reads the faces.
        source: number of a camera, or address of a stream.
        fps: frames a second to look at, at most.

    Returns:
        (height, width, 3), uint8, blue first, as OpenCV shows it.
    """
    for frame, faces in analyse_video(fer, source, fps=fps, live=True):
        yield np.asarray(draw_faces(frame.image, faces))[:, :, ::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default="0", help="number of a camera, or address of a stream")
    parser.add_argument("--model", default="fer-base", help="name, folder or repository of a checkpoint")
    parser.add_argument("--fps", type=float, default=15.0, help="frames a second to look at, at most")
    arguments = parser.parse_args()
    fer = modeling_fer.load(arguments.model).searching(search_size=640)
    for picture in drawn_frames(fer, arguments.source, arguments.fps):
        cv2.imshow(TITLE, picture)
        if cv2.waitKey(1) & 0xFF in (Q, ESCAPE):
            break
    cv2.destroyAllWindows()


if __name__ == "__main__":
    main()

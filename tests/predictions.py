"""What `fer predict` wrote, read back."""

import json
from pathlib import Path

import av


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shown_times(path: Path) -> tuple[list[float], float]:
    """When each frame of a video is shown, and how long it is."""
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)], container.duration / av.time_base

"""Where a run's metrics are sent beside its own folder."""

import importlib.util
from collections.abc import Sequence
from typing import Any

TRACKERS = ("tensorboard", "wandb", "trackio")


def check_trackers(trackers: Sequence[str]) -> list[str]:
    """The trackers, if they are known and installed.

    Raises:
        ValueError: one is not; the sentence says which.
    """
    for name in trackers:
        if name not in TRACKERS:
            raise ValueError(f"{name!r} is not a tracker; choose among {', '.join(TRACKERS)}.")
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"The tracker {name} is not installed; install it: pip install {name}")
    return list(trackers)


def flatten_settings(settings: dict[str, Any], prefix: str = "") -> dict[str, str | float]:
    """Nested settings as the flat ones that trackers take: `model.image_size`, other values than numbers as text."""
    flat: dict[str, str | float] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= flatten_settings(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, (bool, int, float)) else str(value)
    return flat

"""Libraries that say nothing by themselves."""

import warnings


def quiet_pillow() -> None:
    """Leaves out Pillow's remarks on odd files; those that cannot be read are reported by themselves."""
    warnings.filterwarnings("ignore", module="PIL")

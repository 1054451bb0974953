"""Libraries that say nothing by themselves."""

import gc
import warnings


def quiet_pillow() -> None:
    """Leaves out Pillow's remarks on odd files; those that cannot be read are reported by themselves."""
    warnings.filterwarnings("ignore", module="PIL")


def import_torch_quietly() -> None:
    """Imports torch and transformers, which takes seconds, and has them say nothing.

    Raises:
        ImportError: they are not installed.
    """
    # The imports make a million objects that stay: looking through them for garbage takes half a second.
    gc.disable()
    import huggingface_hub
    import transformers

    import modeling_fer.registration  # noqa: F401  (the slowest of them)

    gc.freeze()
    gc.enable()
    quiet_pillow()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    huggingface_hub.logging.set_verbosity_error()

"""Libraries that say nothing by themselves."""

import gc

from modeling_fer.inference.quiet import quiet_pillow


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

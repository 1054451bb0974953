"""Registers the package with transformers as soon as both are imported, in whichever order.

Importing transformers takes seconds that users of the ONNX engine need not wait for, so `import modeling_fer` does not. Only files of
this package that are imported by themselves (`import modeling_fer.configuration_fer`) leave the registration to who asks for it, by
`import modeling_fer.registration`: it needs them whole.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

REGISTRATION = "modeling_fer.registration"
REGISTERED = tuple(f"modeling_fer.{name}_fer" for name in ("configuration", "image_processing", "modeling", "pipeline"))


def register_with_transformers() -> None:
    """Registers now where transformers is imported already, else when it is; never where torch is not installed."""
    if "transformers" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterTransformers())


def _register() -> None:
    if find_spec("torch") is not None and not any(name in sys.modules for name in REGISTERED):
        import_module(REGISTRATION)


class _AfterTransformers(MetaPathFinder):
    """Finds nothing itself, but has the registration follow the import of transformers."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "transformers":
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((one for one in found if one is not None), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        # Only then is it imported: to look for transformers is not to import it.
        def execute_and_register(module: ModuleType) -> None:
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            execute(module)
            _register()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec

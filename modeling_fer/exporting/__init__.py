"""A checkpoint as an ONNX network, for programs without torch (extra: export)."""

# Its files import onnxruntime themselves, which must find it kept on this machine.
import modeling_fer.onnx_runtime_fer  # noqa: F401

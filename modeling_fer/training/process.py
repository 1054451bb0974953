"""What a process computes on and in, and what it keeps from one run to the next."""

import ctypes
import sys

import torch
from accelerate.state import AcceleratorState
from torch import nn

from modeling_fer.modeling_fer import FerForImageClassification


def default_device() -> str:
    """The kind of device that a run takes where it may: `cuda`, `mps`, ..., or `cpu`."""
    found = torch.accelerator.current_accelerator(check_available=True)
    return "cpu" if found is None else found.type


def choose_precision(setting: str, device: str) -> str:
    """`auto` becomes bf16 where the device itself computes in bfloat16, else no.

    Args:
        setting: of a recipe, `auto`, `no`, `fp16` or `bf16`.
        device: the kind of device, as `torch.device` names it.

    Raises:
        ValueError: fp16 on the CPU, which does not train in it.
    """
    if setting == "fp16" and device == "cpu":
        raise ValueError("mixed_precision is fp16, in which a CPU does not train; give auto, bf16 or no.")
    if setting != "auto":
        return setting
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if device == "cpu" and torch.cpu._is_avx512_bf16_supported() else "no"


def share_batch_statistics(model: FerForImageClassification) -> nn.Module:
    """A model whose batch normalization takes mean and variance over the batches of all processes. timm's own way keeps the activations
    that its normalization layers hold."""
    shared: nn.Module
    if model.config.backbone is None:
        shared = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    else:
        from timm.layers.norm_act import convert_sync_batchnorm

        shared = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return shared


def keep_freed_memory() -> None:
    """Has this process keep the memory that a training step frees for the next step.

    The C library of Linux gives large blocks back to the system and gets them again page by page, which slows steps on the CPU.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4
        library.mallopt(trim_threshold, -1)
        library.mallopt(mmap_max, 0)


def forget_other_runs(precision: str, cpu: bool) -> None:
    """Lets a process train by one recipe after another: Accelerate holds it to the precision and the device of its first run."""
    kept = AcceleratorState._shared_state
    if kept and (kept["_mixed_precision"] != precision or (cpu and kept["device"].type != "cpu")):
        AcceleratorState._reset_state(reset_partial_state=kept["num_processes"] == 1)

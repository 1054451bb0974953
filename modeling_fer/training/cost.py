"""What a network costs: weights, multiply-adds, images a second, and joules where the processor tells."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.study import reduced_precision

COUNTER = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
"""The energy in microjoules that the first processor package has used (RAPL, of Intel and AMD); it wraps round after hours."""


@dataclass(frozen=True)
class Cost:
    """What a network costs here.

    Attributes:
        parameters: weights, in use.
        multiply_adds: of one image in use.
        images_a_second_inference, images_a_second_training: in batches, on `threads` threads.
        joules_inference, joules_training: an image, of the whole processor package; None where the processor does not tell.
        threads: of PyTorch.
        precision: `bfloat16` or `float32`.
    """

    parameters: int
    multiply_adds: int
    images_a_second_inference: float
    images_a_second_training: float
    joules_inference: float | None
    joules_training: float | None
    threads: int
    precision: str


def measure_cost(model: FerForImageClassification, seconds: float = 10.0, batch_size: int = 64) -> Cost:
    """Measures a network on random images.

    Args:
        model: the network; its weights are changed.
        seconds: how long inference is timed, and training.
        batch_size: images at once.
    """
    config = model.config
    shape = (config.num_channels, config.image_size, config.image_size)
    pixel_values = torch.randn(batch_size, *shape)
    labels = torch.randint(config.num_labels, (batch_size,))
    others = len(config.auxiliary_labels or ())
    second = {"auxiliary_targets": torch.randint(others, (batch_size,))} if others else {}
    targets = {"labels": labels, "heatmaps": torch.rand(batch_size, 1, *shape[1:]), **second}
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())

    @torch.inference_mode()
    def use() -> None:
        with reduced_precision():
            model(pixel_values)

    def learn() -> None:
        with reduced_precision():
            loss = model(pixel_values, **targets).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    model.eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(pixel_values[:1])
    inference, joules_inference = time_calls(use, seconds)
    model.train()
    training, joules_training = time_calls(learn, seconds)
    return Cost(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        # The counter counts a multiply-add as two operations.
        multiply_adds=counter.get_total_flops() // 2,
        images_a_second_inference=batch_size / inference,
        images_a_second_training=batch_size / training,
        joules_inference=None if joules_inference is None else joules_inference / batch_size,
        joules_training=None if joules_training is None else joules_training / batch_size,
        threads=torch.get_num_threads(),
        precision="bfloat16" if reduced_precision()._enabled else "float32",
    )


def time_calls(call: Callable[[], None], seconds: float) -> tuple[float, float | None]:
    """The mean seconds and joules of a call, repeated for some seconds after two that do not count."""
    call()
    call()
    before, start, calls = read_energy(), time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        call()
        calls += 1
    took, used = time.perf_counter() - start, energy_since(before)
    return took / calls, None if used is None else used / calls


def energy_since(before: float | None, counter: Path = COUNTER) -> float | None:
    """Joules that the processor has used since a reading; None where it does not tell.

    Args:
        before: from `read_energy`; since then the counter may have started again once.
        counter: its file, with max_energy_range_uj beside it, the highest count.
    """
    now = read_energy(counter)
    if before is None or now is None:
        return None
    if now >= before:
        return now - before
    highest = read_energy(counter.with_name("max_energy_range_uj"))
    return None if highest is None else highest - before + now


def read_energy(file: Path = COUNTER) -> float | None:
    """Joules that a file of microjoules tells; None where the processor does not tell, or not to this user."""
    try:
        return int(file.read_text()) / 1e6
    except OSError:
        return None

"""What a run was made by: versions, processor, precision. Runs that differ in these differ in more than their recipes."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
import transformers
from accelerate import Accelerator

import modeling_fer

FILE = "environment.jsonl"
"""In a run folder: a line for each environment that the run was started or resumed in."""


@dataclass(frozen=True)
class Environment:
    """What a run was made by.

    Attributes:
        version: of this package.
        commit: of the checkout that it was run from, with a + where files differ from it; None where it was installed.
        python, torch, transformers: versions.
        device: name of the processor or accelerator.
        precision: of the arithmetic: no (float32), bf16 or fp16.
        processes: how many trained together.
    """

    version: str
    commit: str | None
    python: str
    torch: str
    transformers: str
    device: str
    precision: str
    processes: int

    @property
    def code(self) -> str:
        """Version and commit."""
        return self.version if self.commit is None else f"{self.version} ({self.commit})"


def describe_environment(accelerator: Accelerator) -> Environment:
    """What trains now."""
    device = torch.cuda.get_device_name() if accelerator.device.type == "cuda" else processor_name()
    return Environment(
        modeling_fer.__version__, find_commit(), platform.python_version(), torch.__version__, transformers.__version__,
        device, str(accelerator.mixed_precision), accelerator.num_processes,
    )  # fmt: skip


def processor_name() -> str:
    """The name of the processor."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@cache
def find_commit() -> str | None:
    """The commit of the checkout that this package lies in; None where it lies in none, or git is not installed."""
    root = Path(modeling_fer.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", os.fspath(root), "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def note_environment(folder: Path, environment: Environment) -> None:
    """Adds an environment to those of a run, where it is another than the last."""
    if read_environments(folder)[-1:] != [environment]:
        with open(folder / FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(environment)) + "\n")


def read_environments(folder: Path) -> list[Environment]:
    """Those of a run, in order; none where none were noted."""
    file = folder / FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Environment(**json.loads(line)) for line in lines]

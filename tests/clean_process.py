"""A process that sees chosen packages only, loads a checkpoint with `trust_remote_code`, saves it in three ways, and loads those.

Its import path holds links to what those packages need, by their own metadata, and nothing else.
"""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

SCRIPT = """
import importlib.util, json, sys
import numpy as np, torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageClassification, pipeline
from transformers import Trainer, TrainingArguments

folder, photo = sys.argv[1:3]
assert importlib.util.find_spec("modeling_fer") is None, "the package must not be importable here"
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True)
base = AutoModel.from_pretrained(folder, trust_remote_code=True)
processor = AutoImageProcessor.from_pretrained(folder, trust_remote_code=True)
pixel_values = processor(photo, return_tensors="pt").pixel_values
with torch.inference_mode():
    outputs = model(pixel_values)
    relevance_map = base(pixel_values).relevance_map
assert torch.equal(outputs.relevance_map, relevance_map)
fer = pipeline("facial-expression-recognition", model=folder, trust_remote_code=True, device="cpu")
given = fer(photo, boxes=[(182, 62, 267, 175)])
def find(pipe):
    try:
        return [face["box"]["xmin"] for face in pipe(photo)]
    except ImportError as error:
        return str(error)
found = find(fer)
model.save_pretrained("again")
processor.save_pretrained("again")
trained = AutoModelForImageClassification.from_pretrained(folder, trust_remote_code=True)
Trainer(trained, TrainingArguments("run", report_to="none", use_cpu=True), processing_class=processor).save_model("trained")
fer.save_pretrained("piped")
saved = {}
for name in ("again", "trained", "piped"):
    pipe = pipeline("facial-expression-recognition", model=name, trust_remote_code=True, device="cpu")
    assert type(pipe.model).__module__.split(".")[1] == name, type(pipe.model).__module__
    saved[name] = find(pipe)
print(json.dumps({"type": config.model_type, "module": type(model).__module__, "logits": outputs.logits.tolist(),
    "boxed": given[0]["expressions"][0], "found": found, "saved": saved}))
"""


def needed_distributions(names: list[str]) -> set[str]:
    """The names of installed distributions that some distributions need, themselves included."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        if name not in seen:
            seen.add(name)
            requirements = [Requirement(need) for need in needs]
            waiting += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return seen


def make_import_path(folder: Path, names: list[str]) -> Path:
    """Links everything that some distributions and their needs installed into one folder."""
    folder.mkdir()
    for name in needed_distributions(names):
        for file in distribution(name).files or []:
            top = file.parts[0]
            source = Path(distribution(name).locate_file(top)).resolve()
            if top not in ("..", "__pycache__") and source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)
    return folder


def run_cleanly(checkpoint: Path | str, photo: Path, path: Path, home: Path, **more: str) -> dict:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "HF_HOME": str(home), "PYTHONPATH": str(path), **more}
    command = [sys.executable, "-S", "-c", SCRIPT, str(checkpoint), str(photo)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])

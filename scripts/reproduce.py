"""Runs the commands that the files of results come from, or lists them with the time that each took.

    python scripts/reproduce.py                                              # lists tables, commands and times
    python scripts/reproduce.py robustness cost --data prepared              # runs what these tables need
    python scripts/reproduce.py all --data prepared --dlib dlib_face_recognition_resnet_model_v1.dat
    python scripts/reproduce.py all --data prepared --quick                  # all of it on a small share, in minutes

--data holds the prepared data sets fer2013 and ckplus48, and jaffe and sfew if these are to be measured. Stop it at any time: the same
call goes on, and leaves out what is finished by RUNS/reproduce.json. --quick writes into a folder of its own and leaves results/ and
docs/ as they are. It measures no other packages, which have to be installed first, as scripts/compare_packages.py and
scripts/compare_detectors.py say, and no times. results/page.json alone is made elsewhere: scripts/benchmark_space.py needs a browser.
"""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from reproduce_scale import Scale, quick_scale
from reproduce_steps import ROOT, Step, list_steps
from small_share import share_data

from modeling_fer.data.json_files import keep_result, read_kept
from modeling_fer.training.run_folder import holds_run


def in_order(wanted: list[str], steps: dict[str, Step]) -> list[str]:
    """The steps wanted and those that they come after, in their order."""
    needed: set[str] = set()

    def need(name: str) -> None:
        needed.add(name)
        for before in steps[name].after:
            need(before)

    for name in wanted:
        need(name)
    return [name for name in steps if name in needed]


def run(command: str, log: Path) -> None:
    """Runs a command, or goes on with it, and keeps how long it took in all.

    Raises:
        CalledProcessError: it failed.
    """
    words = shlex.split(command)
    programs = {"fer": [sys.executable, "-m", "modeling_fer_cli"], "python": [sys.executable]}
    if words[:2] == ["fer", "train"] and holds_run(Path(words[words.index("--output") + 1])):
        words.append("--resume")
    before = read_kept(log).get(command, {}).get("seconds", 0.0)
    start, done = time.perf_counter(), False
    try:
        subprocess.run([*programs[words[0]], *words[1:]], check=True, cwd=ROOT)
        done = True
    finally:
        keep_result(log, command, {"seconds": before + time.perf_counter() - start, "done": done})


def show(steps: dict[str, Step], log: Path) -> Iterator[str]:
    """Each table with its commands, and how long each took where it was run."""
    times = read_kept(log)
    for name, step in steps.items():
        yield f"{name}{' after ' + ', '.join(step.after) if step.after else ''}"
        for command in step.commands:
            one = times.get(command)
            took = "-" if one is None else f"{one['seconds'] / 60:.1f} min{'' if one['done'] else ', not finished'}"
            yield f"  [{took}] {command}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help="which to make, or all; they are listed if none is given")
    parser.add_argument("--data", type=Path, default=Path("prepared"), help="folder of the prepared data sets; %(default)s")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of runs and times; %(default)s")
    parser.add_argument("--dlib", default=Scale.dlib, help="file of dlib's face recognition network; %(default)s")
    parser.add_argument("--fer-python", default=Scale.fer_python, help="Python with the package fer; %(default)s")
    parser.add_argument("--npm-folder", default=Scale.npm_folder, help="folder with face-api and human; %(default)s")
    parser.add_argument("--quick", action="store_true", help="a small share of everything, in RUNS/quick")
    arguments = parser.parse_args()
    data, runs = arguments.data.resolve(), arguments.runs.resolve()
    if arguments.quick:
        runs = runs / "quick"
        scale = quick_scale(runs / "data", runs)
    else:
        scale = Scale(
            arguments.data, arguments.runs, Path("results"), Path("docs"), arguments.dlib,
            fer_python=arguments.fer_python, npm_folder=arguments.npm_folder,
        )  # fmt: skip
    steps, log = list_steps(scale), runs / "reproduce.json"
    if not arguments.tables:
        print(*show(steps, log), sep="\n")
        return
    wanted = list(steps) if arguments.tables == ["all"] else arguments.tables
    if unknown := [name for name in wanted if name not in steps]:
        parser.error(f"there is no table {unknown[0]!r}; there are {', '.join(steps)}.")
    try:
        if arguments.quick and not scale.data.is_dir():
            share_data(data, scale.data)
        for folder in (scale.results, scale.docs):
            (ROOT / folder).mkdir(parents=True, exist_ok=True)
        for command in [command for name in in_order(wanted, steps) for command in steps[name].commands]:
            if not read_kept(log).get(command, {}).get("done", False):
                print(command, flush=True)
                run(command, log)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        parser.exit(1, f"stopped: {error}\n")


if __name__ == "__main__":
    main()

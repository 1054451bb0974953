"""The packages that are installed instead of this one, where they are on this machine, and their programs."""

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Package:
    """A package that is installed.

    Attributes:
        name: in tables.
        version: of the package.
        program: the words that start a program of it; TASK stands for what the program does.
        folder: where its programs run.
        installed: holds the package and all that it needs.
    """

    name: str
    version: str
    program: tuple[str, ...]
    folder: Path
    installed: Path

    def command(self, task: str, *arguments: str) -> list[str]:
        """What starts the program for a task: `measure` or `answer`."""
        *words, program = self.program
        return [*words, program.replace("TASK", task), *arguments]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say where packages are installed."""
    parser.add_argument("--fer-python", type=Path, help="Python of an environment with the package fer")
    parser.add_argument("--npm-folder", type=Path, help="folder with face-api and human in node_modules")


def find_packages(python: Path | None, npm: Path | None) -> list[Package]:
    """The packages that are installed; a sentence is printed for each that is not.

    Args:
        python: of an environment with fer.
        npm: folder with face-api and human in node_modules.
    """
    found = []
    version = None if python is None else version_of_fer(python)
    if python is None or version is None:
        print("fer is left out; give the Python of an environment in which it was installed, as --help says, by --fer-python.")
    else:
        python = python.absolute()
        words = (str(python), "-m", "benchmarks.TASK_fer")
        found.append(Package("fer (PyPI)", version, words, PROGRAMS.parent, python.parents[1]))
    for name in ("face-api", "human"):
        if npm is None or not (npm / "node_modules" / "@vladmandic" / name).is_dir():
            print(f"{name} is left out; give a folder in which it was installed, as --help says, by --npm-folder.")
            continue
        description = (npm / "node_modules" / "@vladmandic" / name / "package.json").read_text(encoding="utf-8")
        program = ("node", str(PROGRAMS / f"TASK_{name.replace('-', '_')}.mjs"))
        found.append(Package(f"{name} (npm)", json.loads(description)["version"], program, npm, npm / "node_modules"))
    return found


def version_of_fer(python: Path) -> str | None:
    """The version of fer that a Python has; None where it has none, or there is no such Python."""
    command = [str(python.absolute()), "-c", "from importlib.metadata import version; print(version('fer'))"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None

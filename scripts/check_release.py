"""Checks that the package can be released: builds wheel and sdist, looks at their contents and metadata, installs the wheel in a fresh
environment and runs the demo there.

    python scripts/check_release.py                               everything
    python scripts/check_release.py --output dist                 and keep the archives
    python scripts/check_release.py --tag vX.Y.Z                  the version must be that of the tag
    python scripts/check_release.py --packages FOLDER             the fresh environment takes what the package needs from there

Needs build and twine (pip install ".[release]"). The commit is what git has, so that nothing that lies about gets in.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "space" / "examples" / "astronaut.jpg"
PACKAGES = ("modeling_fer", "modeling_fer_cli")
"""What the wheel holds."""

MAX_MEGABYTES = 60
"""The package index takes files of up to 100 MB; larger wheels than this were made by mistake."""

BESIDE_THE_PACKAGES = ("CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml")
"""What the sdist holds too."""

DEVELOPMENT = ".dev"
"""Part of a version that is not released (PEP 440)."""

FOREIGN = (".pyc", ".parquet", ".ipynb", ".npz", ".tiff")
"""No file with such an ending belongs into the wheel."""


@dataclass(frozen=True)
class Archives:
    """What is uploaded."""

    wheel: Path
    sdist: Path


def build_archives(source: Path, folder: Path) -> Archives:
    """Builds wheel and sdist of a source tree into a folder."""
    run([sys.executable, "-m", "build", "--outdir", str(folder), str(source)])
    return Archives(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


def export_commit(folder: Path) -> Path:
    """The files of the commit that is checked out, and nothing else."""
    archive = folder / "commit.tar"
    run(["git", "-C", str(ROOT), "archive", "--output", str(archive), "HEAD"])
    with tarfile.open(archive) as files:
        files.extractall(folder / "source", filter="data")
    return folder / "source"


def find_faults(archives: Archives, source: Path) -> list[str]:
    """What is wrong with the archives, a sentence each.

    Args:
        archives: wheel and sdist.
        source: the tree that they were built from.
    """
    with zipfile.ZipFile(archives.wheel) as wheel:
        names = set(wheel.namelist())
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        header = Parser().parsestr(wheel.read(metadata).decode())
    with tarfile.open(archives.sdist) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = wheel_files(source)
    faults = [f"The wheel lacks {name}." for name in sorted(wanted - names)]
    faults += [f"The wheel holds {name}, which does not belong there." for name in sorted(names) if is_foreign(name)]
    faults += [f"The sdist lacks {name}." for name in sorted({*wanted, *BESIDE_THE_PACKAGES} - inside)]
    if any(name.startswith("tests/") for name in inside):
        faults.append("The sdist holds tests, which need the whole repository; MANIFEST.in is to leave them out.")
    faults += [
        f"{file.name} has {file.stat().st_size / 1e6:.0f} MB, more than {MAX_MEGABYTES}."
        for file in (archives.wheel, archives.sdist)
        if file.stat().st_size > MAX_MEGABYTES * 1e6
    ]
    faults += version_faults(source, header["Version"])
    links = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", str(header.get_payload()))
    broken = [link for pair in links for link in pair if link and not link.startswith(("https://", "#"))]
    return faults + [f"README links to {link}, which the package index does not know; make it absolute." for link in broken]


def wheel_files(source: Path) -> set[str]:
    """The files of the packages in a source tree, as a wheel names them: code, recipes, templates, checkpoints."""
    paths = (path for package in PACKAGES for path in (source / package).rglob("*"))
    return {path.relative_to(source).as_posix() for path in paths if path.is_file()}


def is_foreign(name: str) -> bool:
    """Whether a file of the wheel should not be there."""
    inside = name.startswith(tuple(f"{package}/" for package in PACKAGES)) or ".dist-info/" in name
    return not inside or name.endswith(FOREIGN)


def version_faults(source: Path, version: str) -> list[str]:
    """Where another version stands than that of the wheel. Between two releases that is a development version, which no text names; it
    cannot be released, as its tag would have another name.
    """
    if DEVELOPMENT in version:
        return []
    changelog = (source / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (source / "CITATION.cff").read_text(encoding="utf-8")
    faults = []
    if not re.search(rf"^## \[?{re.escape(version)}\]? - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        faults.append(f"CHANGELOG.md has no dated section for {version}.")
    if f"version: {version}\n" not in citation:
        faults.append(f"CITATION.cff does not name the version {version}.")
    return faults


def try_wheel(wheel: Path, folder: Path, packages: Path | None) -> str:
    """Installs a wheel in a fresh environment and runs the demo in an empty folder.

    Args:
        wheel: the archive.
        folder: an empty folder.
        packages: site-packages that hold what the package needs; it is installed from the package index where this is None.

    Returns:
        What the demo printed.
    """
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run([str(python), "-m", "pip", "install", "--quiet", *(["--no-deps"] if packages else []), str(wheel)])
    environment = folder / "demo"
    environment.mkdir()
    # The environment's own packages come first, so that the wheel is what runs.
    code = f"import sys; sys.path.append({str(packages)!r}); " if packages else ""
    code += "import modeling_fer, modeling_fer_cli; print(modeling_fer.__file__); modeling_fer_cli.app()"
    shown = run([str(python), "-c", code, "predict", str(PHOTO), "--overlay", "out"], environment)
    if not (environment / "out").is_dir() or not any((environment / "out").iterdir()):
        raise SystemExit("The demo drew no picture.")
    if str(folder) not in shown:
        raise SystemExit(f"The demo ran another package than the wheel: {shown}")
    return shown


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """Runs a command, and ends this program where it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:4])} ... failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="folder that wheel and sdist are kept in")
    parser.add_argument("--tag", help="tag of the release, v and the version")
    parser.add_argument("--packages", type=Path, help="site-packages with what the package needs, instead of the package index")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = export_commit(folder)
        archives = build_archives(source, arguments.output or folder / "dist")
        print(f"built {archives.wheel.name} ({archives.wheel.stat().st_size / 1e6:.1f} MB) and {archives.sdist.name}")
        faults = find_faults(archives, source)
        if arguments.tag is not None and f"-{arguments.tag.removeprefix('v')}-" not in archives.wheel.name:
            faults.append(f"The tag is {arguments.tag}, but the wheel is {archives.wheel.name}.")
        if faults:
            raise SystemExit("\n".join(faults))
        print(run([sys.executable, "-m", "twine", "check", "--strict", str(archives.wheel), str(archives.sdist)]).strip())
        print(try_wheel(archives.wheel, folder, arguments.packages).strip())
        requires = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
        print(f"the release is ready (Python {requires})")


if __name__ == "__main__":
    main()

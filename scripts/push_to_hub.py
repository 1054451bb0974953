"""Publishes a model, a prepared data set or the Space on the Hub, in one commit.

    python scripts/push_to_hub.py model runs/rafdb me/fer-rafdb --results results/rafdb.json --dry-run
    python scripts/push_to_hub.py model runs/rafdb me/fer-rafdb --results results/rafdb.json --private --tag v1
    python scripts/push_to_hub.py dataset prepared/mine me/my-faces
    python scripts/push_to_hub.py space space me/expressions

A model's repository is written to --release first: weights, configuration, the code that travels with them, and a card with the run's
own figures (scripts/evaluate_checkpoint.py --output writes them) and recipe. So is the Space, with the package beside its page. A
second push of the same content sends nothing. With --dry-run nothing is sent at all. The bundled checkpoint is released already:
python scripts/push_to_hub.py release modeling_fer/checkpoints/fer-plus-48 me/fer-plus-48.
"""

import argparse
from fnmatch import fnmatch
from pathlib import Path

from modeling_fer.card import read_results
from modeling_fer.push import Push, upload

PICTURE = Path(__file__).parents[1] / "space" / "examples" / "astronaut.jpg"


def list_files(push: Push) -> list[Path]:
    """What would be sent, relative to the folder."""
    files = (file.relative_to(push.folder) for file in sorted(push.folder.rglob("*")) if file.is_file())
    return [file for file in files if not any(fnmatch(str(file), pattern) for pattern in push.ignored)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("model", "release", "dataset", "space"), help="release: a model's folder as it is")
    parser.add_argument(
        "folder", type=Path, help="run folder or checkpoint; folder of the release, the prepared data set or the Space"
    )
    parser.add_argument("repository", help="user/name")
    parser.add_argument("--results", type=Path, help="results file of the model, for its card")
    parser.add_argument(
        "--release",
        type=Path,
        help="folder that a model's or Space's repository is written to; release/ in the run or build/space if not given",
    )
    parser.add_argument("--dry-run", action="store_true", help="write and list what would be sent, and send nothing")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--revision", default="main", help="branch to commit to")
    parser.add_argument("--tag", help="name that the commit is given")
    arguments = parser.parse_args()

    folder = arguments.folder
    try:
        if arguments.what == "model":
            # Only what is written here needs torch.
            from modeling_fer.release import release_run

            folder = arguments.release or arguments.folder / "release"
            results = read_results(arguments.results) if arguments.results is not None else []
            release_run(arguments.folder, arguments.repository, folder, results, PICTURE)
        elif arguments.what == "space":
            from modeling_fer.release import release_space

            folder = arguments.release or Path("build/space")
            release_space(arguments.folder, folder)
        kind = "model" if arguments.what == "release" else arguments.what
        push = Push(folder, arguments.repository, kind, arguments.private, arguments.revision, arguments.tag)
        if arguments.dry_run:
            for file in list_files(push):
                print(f"{(folder / file).stat().st_size:>12,}  {file}")
            print(f"{folder} would be sent to the {kind} {arguments.repository}, branch {arguments.revision}; nothing was sent")
            return
        print(upload(push))
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

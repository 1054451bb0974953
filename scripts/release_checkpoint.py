"""Writes a checkpoint into the package as it would lie on the Hub, or renews the code and the card of one that is there.

python scripts/release_checkpoint.py runs/ferplus_hybrid/best
python scripts/release_checkpoint.py
"""

import argparse
from pathlib import Path

from modeling_fer import checkpoints
from modeling_fer.release import write_release


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", help="e.g. best/ of a run; the bundled one itself if not given")
    parser.add_argument("--name", default=checkpoints.DEFAULT_CHECKPOINT, help="name in the package")
    arguments = parser.parse_args()
    folder = Path(checkpoints.__file__).parent / arguments.name
    write_release(arguments.checkpoint or folder, Path(__file__).parents[1] / "model_card.md", folder)
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()

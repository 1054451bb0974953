"""Writes a checkpoint into the package as it would lie on the Hub, or renews the code and the card of one that is there.

python scripts/release_checkpoint.py runs/ferplus_hybrid/best
python scripts/release_checkpoint.py
"""

import argparse
from pathlib import Path

from modeling_fer import checkpoints
from modeling_fer.card import add_index, read_results
from modeling_fer.release import write_release

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", help="e.g. best/ of a run; the bundled one itself if not given")
    parser.add_argument("--name", default=checkpoints.DEFAULT_CHECKPOINT, help="name in the package")
    arguments = parser.parse_args()
    folder = Path(checkpoints.__file__).parent / arguments.name
    results = read_results(ROOT / "results" / f"{arguments.name}.json")
    card = add_index((ROOT / "model_card.md").read_text(), arguments.name, results)
    write_release(arguments.checkpoint or folder, card, folder, ROOT / "space" / "examples" / "astronaut.jpg")
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()

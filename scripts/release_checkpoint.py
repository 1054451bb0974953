"""Writes a checkpoint into the package, or renews the card of one that is there.

python scripts/release_checkpoint.py runs/fer_base/best
python scripts/release_checkpoint.py
"""

import argparse
import shutil
from pathlib import Path

from modeling_fer import checkpoints
from modeling_fer.detector_files_fer import PACKAGED
from modeling_fer.hub.card import add_index
from modeling_fer.hub.release import write_release
from modeling_fer.training.measurement import read_results

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", help="e.g. best/ of a run; the bundled one itself if not given")
    parser.add_argument("--name", default=checkpoints.DEFAULT_CHECKPOINT, help="name in the package")
    arguments = parser.parse_args()
    folder = Path(checkpoints.__file__).parent / arguments.name
    results = read_results(ROOT / "results" / f"{arguments.name}.json")
    card = add_index((ROOT / "model_card.md").read_text(encoding="utf-8"), arguments.name, results)
    picture = ROOT / "space" / "examples" / "astronaut.jpg"
    write_release(arguments.checkpoint or folder, card, folder, picture, linked=True)
    # The package has the code and the detector already; fer push puts them in.
    for file in folder.glob("*_fer.py"):
        file.unlink()
    shutil.rmtree(folder / PACKAGED.name)
    print(f"wrote {folder}")


if __name__ == "__main__":
    main()

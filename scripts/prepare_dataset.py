"""Prepares a data set for training: finds and cuts faces, finds landmarks, draws heatmaps, writes parquet.

    python scripts/prepare_dataset.py ckplus CK+/ --output prepared/ckplus --num-proc 8
    python scripts/train.py scripts/recipes/prepared_hybrid.yaml --data prepared/sfew --output runs/sfew

Stop it at any time; the same command goes on where it was. report/ in --output lists every image that had a problem, with a
contact sheet of those in which no face was found.
"""

import argparse
import dataclasses
from pathlib import Path

from datasets import load_dataset

from modeling_fer.data.face_preparer import LANDMARK_SOURCES, PrepareSettings
from modeling_fer.data.prepare import finish, is_finished, prepare
from modeling_fer.data.readers import READERS, read_source
from modeling_fer.data.report import describe
from modeling_fer.landmarks import LANDMARK_POINTS
from modeling_fer.push import Push, upload


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=sorted(READERS), help="form of the data set")
    parser.add_argument("path", type=Path, help="folder that it was unpacked to, or the table's file")
    parser.add_argument("--output", required=True, type=Path, help="folder that the prepared data set is written to")
    parser.add_argument("--num-proc", type=int, default=1, help="processes that share the work")
    parser.add_argument("--image-size", type=int, default=PrepareSettings.image_size, help="pixels of a crop's side")
    parser.add_argument("--margin", type=float, default=PrepareSettings.margin, help="share of the box added around a face")
    parser.add_argument("--offset", type=float, default=PrepareSettings.offset, help="share of the box that crops lie lower")
    parser.add_argument("--no-align", dest="align", action="store_false", help="do not turn faces upright")
    parser.add_argument("--min-face", type=float, default=PrepareSettings.min_face, help="least face, as a share of the photo")
    parser.add_argument("--landmarks", choices=LANDMARK_SOURCES, default=PrepareSettings.landmarks)
    parser.add_argument("--landmark-points", choices=sorted(LANDMARK_POINTS), default=PrepareSettings.landmark_points)
    parser.add_argument("--sigma", type=float, default=PrepareSettings.sigma, help="pixels; width of the heatmap's Gaussians")
    parser.add_argument("--drop-not-found", action="store_true", help="leave out images without a found face")
    parser.add_argument("--device", default=PrepareSettings.device, help="where the networks run, e.g. cuda")
    parser.add_argument("--push-to-hub", metavar="USER/NAME", help="repository that the result is uploaded to")
    parser.add_argument("--private", action="store_true", help="make that repository private")
    arguments = parser.parse_args()

    names = [field.name for field in dataclasses.fields(PrepareSettings)]
    try:
        settings = PrepareSettings(**{name: getattr(arguments, name) for name in names})
        source = read_source(arguments.dataset, arguments.path)
        if is_finished(source, settings, arguments.output):
            print(f"{arguments.output} holds this data set already")
            splits = load_dataset(str(arguments.output))
        else:
            splits = prepare(source, settings, arguments.output, arguments.num_proc)
            finish(splits, source, settings, arguments.output)
    except (ImportError, OSError, ValueError) as error:
        parser.error(str(error))
    for split, dataset in splits.items():
        print(f"{split}: {describe(dataset)}")
    print(f"Problems are listed in {arguments.output}/report/problems.csv")
    if arguments.push_to_hub:
        try:
            print(upload(Push(arguments.output, arguments.push_to_hub, "dataset", arguments.private)))
        except ConnectionError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()

"""One table for a checkpoint: what it scores on the data sets that figures are reported on, and on those that a user adds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from datasets import Dataset

from modeling_fer.data import load_labelled
from modeling_fer.data.columns import decode_columns, read_labels
from modeling_fer.data.landmarks import LANDMARK_POINTS
from modeling_fer.data.prepared import load_whole
from modeling_fer.inference.loading import Checkpoint
from modeling_fer.training.answers import Answerer, Answers
from modeling_fer.training.evaluation import answer_names, rename_columns, shared_classes, unused_columns
from modeling_fer.training.measurement import Measurement

FERPLUS = {"ferplus": "votes", "ferplus_majority": "majority"}
"""By which votes the images of FER-2013 are measured, see `choose_target`. The authors of FER+ measure by `majority`."""


def suite_measurements(checkpoint: Checkpoint) -> list[Measurement]:
    """What a checkpoint is measured on as it is: FER+, all of it and what most annotators agree on, as trained and by its prior;
    FER-2013 by its own labels; and CK+48, which no released checkpoint is trained on.
    """
    config = checkpoint.model.config
    priors = sorted({0.0, float(config.prior_strength)})
    second = [Measurement("fer2013", "test", auxiliary=True)] if config.auxiliary_labels else []
    return [
        *(Measurement("ferplus", "test", prior) for prior in priors),
        *(Measurement("ferplus_majority", "test", prior) for prior in priors),
        *(Measurement("fer2013", "test", prior) for prior in priors),
        *second,
        *(Measurement("ckplus48", "all", prior, without=["contempt"]) for prior in priors),
    ]


def read_measured(measurement: Measurement, data: Path) -> Dataset:
    """The images and labels of one of the suite's data sets.

    Args:
        measurement: its data set and split.
        data: holds the folders fer2013 and ckplus48.
    """
    if measurement.dataset in FERPLUS:
        return load_labelled(find_prepared(data, "fer2013"), measurement.split, FERPLUS[measurement.dataset])
    return load_labelled(find_prepared(data, measurement.dataset), measurement.split)


def find_prepared(data: Path, name: str) -> Path:
    """The folder of one of the suite's data sets.

    Raises:
        FileNotFoundError: it is missing.
    """
    if not (data / name).is_dir():
        raise FileNotFoundError(
            f"{data / name} is missing; the suite needs the prepared data sets fer2013 and ckplus48 in {data}."
        )
    return data / name


def measure(
    answerer: Answerer, measurement: Measurement, dataset: Dataset, renamed: Mapping[str, str] | None = None
) -> Answers:
    """Runs one measurement.

    Args:
        answerer: of the checkpoint that is measured.
        measurement: how.
        dataset: on what, with the columns that `decode_columns` takes.
        renamed: see `rename_columns`.

    Raises:
        ValueError: the checkpoint has no second output layer or no prior that is asked for, or shares no class with the data set.
    """
    checkpoint = answerer.checkpoint
    columns = decode_columns(
        dataset.remove_columns(unused_columns(dataset)), checkpoint.image_processor, LANDMARK_POINTS["all"]
    )
    columns = rename_columns(columns, answer_names(checkpoint.model.config, measurement.auxiliary), renamed or {})
    return answerer.answer(
        columns, measurement.without, measurement.mirrored, measurement.auxiliary, measurement.prior_strength
    )


def check_measurement(
    checkpoint: Checkpoint, measurement: Measurement, dataset: Dataset, renamed: Mapping[str, str] | None = None
) -> None:
    """Whether `measure` can be run, by what is known without looking at an image.

    Args:
        checkpoint, measurement, dataset, renamed: as for `measure`.

    Raises:
        ValueError: as for `measure`.
    """
    names = answer_names(checkpoint.model.config, measurement.auxiliary)
    if measurement.prior_strength:
        checkpoint.model.check_prior(measurement.prior_strength)
    shared_classes(rename_columns(read_labels(dataset), names, renamed or {}), names, measurement.without)


def plan_suite(checkpoint: Checkpoint, data: str | Path, added: Sequence[str | Path] = ()) -> list[tuple[Measurement, Dataset]]:
    """All measurements, each with its data set. These are opened here, so that a missing one is told before anything is measured.

    Args:
        checkpoint: what is measured.
        data: holds the folders fer2013 and ckplus48.
        added: further data sets, prepared, measured with the checkpoint's prior: the split test where there is one, else all splits.

    Raises:
        FileNotFoundError: a data set is missing.
        ValueError: one is not prepared, or lacks a split or the votes.
    """
    planned = [(measurement, read_measured(measurement, Path(data))) for measurement in suite_measurements(checkpoint)]
    prior = float(checkpoint.model.config.prior_strength)
    for folder in added:
        splits = load_whole(folder)
        chosen = {"test": splits["test"]} if "test" in splits else splits
        planned += [(Measurement(str(folder), split, prior), dataset) for split, dataset in chosen.items()]
    return planned

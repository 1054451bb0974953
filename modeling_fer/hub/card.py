"""The model card of a checkpoint: what it is, what it scored, how it was trained, what it is for and what it is not."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import cast

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from modeling_fer.configuration_fer import FerConfig
from modeling_fer.training.measurement import Result

TEMPLATE = Path(__file__).with_name("card_template.md")
REGULARIZED = {
    "fully": "its relevance map was pulled towards the landmarks of faces",
    "weakly": "its relevance map was pulled towards few and connected places",
    "hybrid": "its relevance map was pulled towards the landmarks of faces, and towards few and connected places",
}
"""What a card says of each regularization; the baseline CNN has no map."""

METRICS = {
    "accuracy": ("accuracy", "Accuracy"),
    "uar": ("recall", "Unweighted average recall"),
    "macro_f1": ("f1", "Macro-F1"),
    "calibration_error": ("expected_calibration_error", "Expected calibration error"),
}
"""The metrics of a results file that go into the card, with the Hub's name for each and one to be read."""
LIBRARIES = ("torch", "transformers", "accelerate", "datasets")
TAGS = ("facial-expression-recognition", "relevance-map", "fer")
PLACEHOLDER = "path/or/repository"
"""What stands in the card of the bundled checkpoints for the repository that they are pushed to."""


def eval_results(results: Sequence[Result]) -> list[EvalResult]:
    """Results as the entries of a card's `model-index`, four for each: data set, split, metric, value. What was fine-tuned first is not
    the card's model, and left out."""
    return [
        EvalResult(
            task_type="image-classification",
            task_name="Facial expression recognition",
            dataset_type=Path(result.measurement.dataset).name,
            dataset_name=result.measurement.title,
            # The Hub joins entries of one data set, configuration and split.
            dataset_config=", ".join(result.measurement.departures) or None,
            dataset_split=result.measurement.split,
            metric_type=kind,
            metric_name=f"{name} ({len(result.scores['recall'])} classes, {result.scores['images']} images)",
            metric_value=round(result.scores[key], 4),
        )
        for result in results
        if not result.measurement.folds
        for key, (kind, name) in METRICS.items()
    ]


def results_table(results: Sequence[Result]) -> str:
    """Results as a Markdown table, with the recall of each class."""
    if not results:
        return "It has not been measured."
    lines = ["| data | split | images | accuracy | UAR | macro-F1 | calibration error |", "|---|---|---:|---:|---:|---:|---:|"]
    for result in results:
        one, scores = result.measurement, result.scores
        lines.append(
            f"| {one.title} | {one.split} | {scores['images']:,} | {scores['accuracy']:.1%} | "
            f"{scores['uar']:.1%} | {scores['macro_f1']:.1%} | {scores['calibration_error']:.3f} |"
        )
    for result in results:
        recall = ", ".join(f"{name} {value:.1%}" for name, value in result.scores["recall"].items())
        lines.append(f"\nRecall on {result.measurement.title}, {result.measurement.split}: {recall}.")
    return "\n".join([*lines, "\nEach row was written by `fer evaluate` of modeling-fer."])


def add_index(card: str, name: str, results: Sequence[Result]) -> str:
    """A card with the results as `model-index` in its header.

    Args:
        card: Markdown with a header.
        name: of the model.
        results: from `read_results`; the card stays as it is where there are none.
    """
    if not results:
        return card
    parsed = ModelCard(card)
    header = cast(ModelCardData, parsed.data)
    header.model_name = name
    header.eval_results = eval_results(results)
    return str(parsed)


def render_card(name: str, config: FerConfig, results: Sequence[Result], recipe: str, license_id: str = "other") -> str:
    """The card of a run.

    Args:
        name: of the model, e.g. its repository.
        config: of the checkpoint.
        results: from `read_results`.
        recipe: the recipe that it was trained by, in YAML; may be empty.
        license_id: the Hub's name of the licence of the weights.
    """
    header = ModelCardData(
        license=license_id, library_name="transformers", pipeline_tag="image-classification", tags=list(TAGS)
    )
    card = ModelCard.from_template(
        header,
        template_path=str(TEMPLATE),
        name=name,
        classes=", ".join(config.id2label.values()),
        size=config.image_size,
        channels="grayscale" if config.num_channels == 1 else "RGB",
        regularization=REGULARIZED.get(config.regularization, "none"),
        results=results_table(results),
        recipe=recipe.strip(),
        versions=", ".join(
            [f"Python {platform.python_version()}", *(f"{library} {version(library)}" for library in LIBRARIES)]
        ),
    )
    return add_index(str(card), name, results)

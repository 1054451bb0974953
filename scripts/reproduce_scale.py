"""What is varied in the tables that scripts/reproduce.py makes, and how much of it is run."""

from dataclasses import dataclass
from pathlib import Path

METHODS = {
    "baseline": "--set model.regularization=none",
    "sparsity": "--set model.regularization=weakly --set model.contiguity_weight=0",
    "contiguity": "--set model.regularization=weakly --set model.sparsity_weight=0",
    "weakly": "--set model.regularization=weakly",
    "fully": "--set model.regularization=fully",
    "hybrid": "--set model.regularization=hybrid",
}
"""The methods of the comparison on CK+48, and the settings of each."""
ABLATION = {
    "reference": "",
    "landmarks_only": "--set model.regularization=fully",
    "three_gated_maps": "--set model.gated_maps=3",
    "light_pull": "--set model.facial_parts_weight=0.1",
    "sigmoid_map": "--set model.relevance_activation=sigmoid",
    "sparse_map": "--set model.hybrid_weakly_weight=0.02",
    "no_gate": "--set model.regularization=none",
    "plain_blocks": "--set model.representation_block=plain",
    "votes_only": "--set target=votes",
    "joint_votes": "--set target=joint",
    "teacher": "--set teachers=[{teacher}] --set teacher_weight=0.7",
    "timm_backbone": "--set model.backbone=resnet10t",
    "squeeze_excitation": "--set model.squeeze_excitation=true",
    "classes_as_they_are": "--set class_balancing=0",
    "degraded_images": "--set augmentation.gamma=0.2 --set augmentation.shadow=0.1 --set augmentation.blur=0.1 "
    "--set augmentation.downscale=0.1 --set augmentation.noise=0.02 --set augmentation.jpeg=0.1",
    "mixup": "--set augmentation.mixup=0.5 --set augmentation.mixup_alpha=0.4",
    "random_erasing": "--set augmentation.erase=0.2",
    "dropout": "--set model.dropout=0.2",
    "stochastic_depth": "--set model.drop_path=0.1",
}
"""What is changed of the recipe fer_tiny, one thing at a time, to see what it brings."""
FORMS = ("reference", "landmarks_only", "three_gated_maps", "light_pull", "sigmoid_map", "sparse_map")
"""Those of them whose maps are checked: what might make a map more faithful."""
DEGRADATIONS = {
    "reference": "",
    "degraded_images": ABLATION["degraded_images"],
    "noise": "--set augmentation.noise=0.02",
    "wider_boxes": "--set augmentation.max_translation=12 --set augmentation.scales=[0.75,0.85,1.0,1.15,1.25]",
    "no_average": "--set ema_decay=null",
}
"""The same for what disturbed images are to show: degradations, noise alone, wider boxes, and weights without a moving average."""
FROM_DLIB = (
    "--set initial_checkpoint={dlib} --set model.representation_filters=32 --set model.dropout=0.2 --set learning_rate=0.0015 "
    "--set stage_decay=0.8"
)
PLAIN = "--set model.representation_block=plain"
TEACHERS = {
    "from_dlib-0": f"{FROM_DLIB} --set epochs=32",
    "from_dlib-1": f"{FROM_DLIB} --set epochs=32 --set seed=1",
    "residual-0": "--set epochs=31",
    "residual-1": "--set epochs=32 --set seed=1",
    "plain-0": f"{PLAIN} --set epochs=41",
    "plain-1": f"{PLAIN} --set epochs=42 --set seed=1",
}
"""Networks that others learn from, and what each changes of the recipe fer_teacher; as many epochs as an H100 trains side by side in
less than five minutes."""


@dataclass(frozen=True)
class Scale:
    """How much is run, and where it is written.

    Attributes:
        data: holds the prepared data sets fer2013 and ckplus48.
        runs, results, docs: folders of runs, results and pictures.
        dlib: file of dlib's face recognition network, which fer-base starts from.
        methods, seeds, folds: of the comparison.
        changes, degradations: of the ablation, and of what is measured on disturbed images too.
        teachers: whose answers are distilled.
        images: that explanations are checked on.
        seconds: that each network is timed for.
        training: settings of every training, beside its own.
        base, tiny: the checkpoints that are measured.
        fer_python, npm_folder: where the packages are installed that the checkpoints are compared with; None to leave them out.
    """

    data: Path
    runs: Path
    results: Path
    docs: Path
    dlib: str = "dlib_face_recognition_resnet_model_v1.dat"
    methods: tuple[str, ...] = tuple(METHODS)
    changes: tuple[str, ...] = tuple(ABLATION)
    degradations: tuple[str, ...] = tuple(DEGRADATIONS)
    teachers: tuple[str, ...] = tuple(TEACHERS)
    seeds: tuple[int, ...] = (0, 1, 2)
    folds: int = 10
    images: int = 300
    seconds: float = 5.0
    training: str = ""
    start: str = ""
    base: str = "fer-base"
    tiny: str = "fer-tiny"
    fer_python: str | None = "other-packages/bin/python"
    npm_folder: str | None = "other-packages"


def quick_scale(data: Path, runs: Path) -> Scale:
    """A small share of everything."""
    base, tiny = (str(runs / name / "released") for name in ("fer_base_mixed", "fer_tiny_degraded"))
    training = "--set epochs=1 --set warmup_epochs=0 --set ema_decay=0.5"
    return Scale(
        data, runs, runs / "results", runs / "docs", methods=("baseline", "hybrid"), changes=("reference", "teacher"),
        degradations=("reference", "noise"), teachers=(), seeds=(0,), folds=2, images=24, seconds=0.5, training=training,
        start="--set initial_checkpoint=fer-base", base=base, tiny=tiny, fer_python=None, npm_folder=None,
    )  # fmt: skip

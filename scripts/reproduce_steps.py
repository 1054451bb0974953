"""The tables that scripts/reproduce.py makes, and the commands that each comes from."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reproduce_scale import ABLATION, DEGRADATIONS, FORMS, METHODS, TEACHERS, Scale

from modeling_fer.training.search import name_settings, read_grid

ROOT = Path(__file__).parents[1]
LARGER_BATCHES = "--set batch_size=256 --set learning_rate=0.005"


@dataclass(frozen=True)
class Step:
    """A table, the commands that it comes from, and the tables that must be there before."""

    commands: list[str]
    after: list[str] = field(default_factory=list)


def list_steps(scale: Scale) -> dict[str, Step]:
    """All tables, by name, in an order in which they can be made."""
    data, runs, results, docs = scale.data, scale.runs, scale.results, scale.docs
    votes, measured = f"--data {data}/fer2013", " ".join(bundled(scale))
    # The bundled checkpoints are there; a small share trains its own.
    trained = ["checkpoints"] if scale.start else []
    starts = [
        f"{method}={runs}/compare/start/{method}/best" for method in ("fully", "weakly", "hybrid") if method in scale.methods
    ]
    # Ten folds take too long for a small share.
    fine_tune = "" if scale.training else f" --fine-tune {runs}/fine_tuned/{{}}"
    return {
        "methods": Step(list_comparison(scale)),
        "nested": Step(list_nested(scale)),
        "forms": Step(list_forms(scale)),
        "distillation": Step(list_distillation(scale)),
        "ablation": Step(list_ablation(scale), after=["distillation"]),
        "degradations": Step(list_degradations(scale)),
        "checkpoints": Step(list_training(scale), after=["distillation"]),
        "suite": Step(
            [
                f"fer evaluate {scale.base} --suite {data} --output {results}/fer-base.json{fine_tune.format('fer-base')}",
                f"fer evaluate {scale.tiny} --suite {data} --output {results}/fer-tiny.json{fine_tune.format('fer-tiny')}",
            ],
            after=trained,
        ),
        "probabilities": Step(
            [
                f"python scripts/measure_probabilities.py {measured} {votes} --output {results}/probabilities.json "
                f"--figure {docs}/reliability.png"
            ],
            after=trained,
        ),
        "robustness": Step(
            [
                f"python scripts/measure_robustness.py {measured} {votes} --output {results}/robustness.json "
                f"--figure {docs}/robustness.png"
            ],
            after=trained,
        ),
        "faithfulness": Step(
            [
                f"python scripts/check_explanations.py {measured} {' '.join(starts)} {votes} --images {scale.images} "
                f"--output {results}/faithfulness.json --figure {docs}/faithfulness.png"
            ],
            after=[*trained, "methods"],
        ),
        "cost": Step(
            [
                f"python scripts/measure_cost.py --checkpoints {measured} --recipe ckplus48_hybrid --seconds {scale.seconds} "
                f"--output {results}/cost.json"
            ],
            after=trained,
        ),
        "maps": Step(list_maps(scale)),
        "gate": Step(
            [
                f"python scripts/study_gate.py ckplus48_hybrid --data {data}/ckplus48 --output {runs}/gate --folds 1 "
                f"--summary {results}/gate.json --figure {docs}/gate.png --set {'epochs=1' if scale.training else 'epochs=10'}"
            ]
        ),
        **list_small_sets(scale),
        **list_packages(scale),
    }  # fmt: skip


def bundled(scale: Scale) -> list[str]:
    """The checkpoints that are measured, as NAME=CHECKPOINT where they do not lie in the package."""
    pairs = (("fer-base", scale.base), ("fer-tiny", scale.tiny))
    return [name if name == checkpoint else f"{name}={checkpoint}" for name, checkpoint in pairs]


def list_comparison(scale: Scale) -> list[str]:
    """The paper's methods on CK+48, from scratch and from a network that was pre-trained on FER+ by the same method."""
    runs, data = scale.runs / "compare", scale.data
    settings = {method: f"{METHODS[method]} {scale.training}".strip() for method in scale.methods}
    # A network that knows faces already needs half of the epochs.
    fewer = "" if scale.training else " --set epochs=12"
    commands = []
    # Seed by seed, so that a comparison that is stopped has all methods of some seeds.
    for seed, method in itertools.product(scale.seeds, scale.methods):
        start = f"{runs}/start/{method}"
        if seed == scale.seeds[0]:
            commands.append(f"fer train ferplus_compare --data {data}/fer2013 --output {start} {settings[method]}")
        folds = f"fer cross-validate ckplus48_hybrid --data {data}/ckplus48 --folds {scale.folds} --set seed={seed} {settings[method]}"
        pretrained = f"--set initial_checkpoint={start}/best{fewer}"
        commands.append(f"{folds} --output {runs}/{method}_pretrained-{seed} {pretrained}")
        commands.append(f"{folds} --output {runs}/{method}-{seed}")
    commands += list_single_seed(scale, runs)
    gated = [method for method in scale.methods if method != "baseline"]
    models = [f"{method}={runs}/{method}-{scale.seeds[0]}/fold-1/best" for method in gated]
    tabulated = (
        f"--output {scale.results}/ckplus48.json --figure {scale.docs}/ckplus48_methods.png "
        f"--confusion {scale.docs}/ckplus48_confusion.png"
    )
    second = scale.seeds[:2][-1]
    return [
        *commands,
        f"python scripts/tabulate_results.py {runs} {tabulated}",
        f"fer compare {runs}/baseline-{second} {runs}/hybrid-{second} --data {data}/ckplus48 "
        f"--output {scale.results}/comparison.json",
        draw_maps(scale, "methods_maps", models),
    ]


def list_single_seed(scale: Scale, runs: Path) -> list[str]:
    """What the comparison shows of one seed: a stronger λ, the bundled checkpoint fine-tuned, and the paper's own way to train."""
    seed, epochs = scale.seeds[0], "--set epochs=1" if scale.training else ""
    folds = f"--data {scale.data}/ckplus48 --folds {scale.folds} --set seed={seed}"
    strong = f"{METHODS['weakly']} --set model.facial_parts_weight=0.1"
    commands = [
        f"fer cross-validate ckplus48_hybrid {folds} --output {runs}/weakly_strong-{seed} {strong} {scale.training}",
        f"fer cross-validate ckplus48_finetune {folds} --output {runs}/hybrid_finetuned-{seed} {scale.training}",
        *(
            f"fer cross-validate ckplus48_literal {folds} --output {runs}/{method}_literal-{seed} {METHODS[method]} {epochs}"
            for method in ("baseline", "hybrid")
        ),
    ]
    return [command.strip() for command in commands]


def list_nested(scale: Scale) -> list[str]:
    """The paper's own protocol, a search inside each fold, for the baseline and the hybrid network on as many combinations."""
    runs, data = scale.runs / "nested", scale.data
    commands = []
    for method, grid in (("baseline", "ckplus48_baseline"), ("hybrid", "ckplus48")):
        settings = f"{METHODS[method]} {scale.training or '--set epochs=8'}"
        commands.append(
            f"fer cross-validate ckplus48_hybrid --data {data}/ckplus48 --folds {scale.folds} --nested "
            f"--grid scripts/grids/{grid}.yaml --output {runs}/{method}-0 {settings}"
        )
    return [*commands, f"python scripts/tabulate_results.py {runs} --output {scale.results}/ckplus48_nested.json"]


def list_forms(scale: Scale) -> list[str]:
    """The small network trained with other forms of the map, and how faithful each is."""
    runs, training = scale.runs / "forms", scale.training or "--set epochs=2 --set warmup_epochs=0.25 --set ema_decay=0.98"
    forms = {form: ABLATION[form] for form in FORMS if form in scale.changes}
    maps = " ".join(f"{form}={runs}/{form}/best" for form in forms)
    return [
        *train_changes(scale, runs, forms, training),
        f"python scripts/tabulate_ablation.py {runs} --output {scale.results}/forms_runs.json",
        f"python scripts/check_explanations.py {maps} --data {scale.data}/fer2013 --split validation --images {scale.images} "
        f"--output {scale.results}/forms.json",
    ]


def list_ablation(scale: Scale) -> list[str]:
    """The small network trained for ten epochs, with one thing changed in each run."""
    runs, training = scale.runs / "ablation", scale.training or "--set epochs=10 --set warmup_epochs=0.5 --set ema_decay=0.99"
    changes = {change: ABLATION[change] for change in scale.changes}
    return [
        *train_changes(scale, runs, changes, f"{training} {LARGER_BATCHES}"),
        f"python scripts/tabulate_ablation.py {runs} --output {scale.results}/ablation.json",
    ]


def list_degradations(scale: Scale) -> list[str]:
    """The small network trained for five epochs with one thing changed in each run, and what it scores on disturbed images."""
    runs = scale.runs / "degradations"
    training = scale.training or "--set epochs=5 --set warmup_epochs=0.5 --set ema_decay=0.99"
    changes = {change: DEGRADATIONS[change] for change in scale.degradations}
    trained = " ".join(f"{change}={runs}/{change}/best" for change in changes)
    return [
        *train_changes(scale, runs, changes, f"{training} {LARGER_BATCHES}"),
        f"python scripts/tabulate_ablation.py {runs} --output {scale.results}/degradations_runs.json",
        f"python scripts/measure_robustness.py {trained} --data {scale.data}/fer2013 --split validation --images 1000 "
        f"--output {scale.results}/degradations.json",
    ]


def train_changes(scale: Scale, runs: Path, changes: Mapping[str, str], training: str) -> list[str]:
    """Runs of the recipe fer_tiny, each with one thing changed.

    Args:
        changes: the settings that are changed, by the names of the runs.
        training: the settings of all of them.
    """
    teacher = f"{scale.runs}/distillation/from_dlib-0/best" if scale.teachers else "fer-base"
    return [
        f"fer train fer_tiny --data {scale.data}/fer2013 --output {runs}/{change} {training} "
        f"{settings.format(teacher=teacher)}".strip()
        for change, settings in changes.items()
    ]


def list_distillation(scale: Scale) -> list[str]:
    """Teachers of several forms and seeds, and networks of the bundled forms that learn what these answer together."""
    runs, votes = scale.runs / "distillation", f"--data {scale.data}/fer2013"
    dlib = scale.runs / "dlib-start"
    commands = [
        f"fer train fer_teacher {votes} --output {runs}/{name} {TEACHERS[name].format(dlib=dlib)} {scale.training}".strip()
        for name in scale.teachers
    ]
    if scale.teachers:
        commands.insert(0, convert_dlib(scale))
    teachers = [f"{runs}/{name}/best" for name in scale.teachers]
    answers = "--set 'teachers=[" + ",".join(["fer-base", *teachers]) + "]'"
    start = f"{runs}/fer_tiny_start"
    from_start = f"--set initial_checkpoint={start}/best --set 'teachers=[{','.join(teachers or ['fer-base'])}]'"
    longer = "" if scale.training else "--set epochs=62"
    learning = "" if scale.training else "--set epochs=29 --set warmup_epochs=0.5 --set ema_decay=0.998"
    commands += [
        f"fer train fer_base_distilled {votes} --output {runs}/fer_base_distilled {answers} {scale.training}",
        f"fer train fer_tiny {votes} --output {start} --set batch_size=256 --set learning_rate=0.005 {longer} {scale.training}",
        f"fer train fer_tiny_distilled {votes} --output {runs}/fer_tiny_distilled {from_start} --set teacher_weight=0.8 "
        f"--set batch_size=256 --set learning_rate=0.004 {learning} {scale.training}",
        f"python scripts/tabulate_ablation.py {runs} --output {scale.results}/distillation.json",
        f"fer calibrate {runs}/fer_base_distilled/best {votes} --table {scale.results}/prior_distilled.json",
        f"python scripts/average_checkpoints.py fer-base {runs}/fer_base_distilled/best --output {runs}/fer_base_distilled/average",
        f"fer calibrate {runs}/fer_base_distilled/average {votes} --table {scale.results}/prior_average.json",
    ]
    return [" ".join(command.split()) for command in commands]


def convert_dlib(scale: Scale) -> str:
    """The command that makes a checkpoint of dlib's network, which others start from."""
    data, start = scale.data / "fer2013", scale.runs / "dlib-start"
    return f"python scripts/convert_dlib.py {scale.dlib} --recipe fer_base --data {data} --output {start}"


def list_maps(scale: Scale) -> list[str]:
    """Relevance maps for several λ and γ, as in figures 9 and 10 of the paper, and those of the checkpoints."""
    commands = []
    for figure, method in (("figure9", "fully"), ("figure10", "weakly")):
        grid = f"scripts/grids/{figure}.yaml"
        commands.append(
            f"fer search ckplus48_hybrid --data {scale.data}/ckplus48 --grid {grid} --output {scale.runs}/{figure} "
            f"--set model.regularization={method} {scale.training}".strip()
        )
        values = read_grid(ROOT / grid)
        tried = [dict(zip(values, one, strict=True)) for one in itertools.product(*values.values())]
        models = [
            f"'{', '.join(f'{value:g}' for value in one.values())}={scale.runs}/{figure}/{name_settings(one)}/split-1/best'"
            for one in tried
        ]
        commands.append(draw_maps(scale, figure, models))
    return [
        *commands,
        f"python scripts/tabulate_search.py {scale.runs}/figure9 {scale.runs}/figure10 --output {scale.results}/search.json",
        draw_maps(scale, "checkpoint_maps", [f"{name}={name}" if "=" not in name else name for name in bundled(scale)]),
    ]


def draw_maps(scale: Scale, picture: str, models: list[str]) -> str:
    """The command that draws the maps of some models for the photo of the README."""
    photo = "--photo space/examples/astronaut.jpg --landmarks none"
    return f"python scripts/draw_relevance_maps.py {photo} --output {scale.docs}/{picture}.png --models {' '.join(models)}"


def list_training(scale: Scale) -> list[str]:
    """The bundled checkpoints, from dlib's network to the finished folder."""
    runs, votes = scale.runs, f"--data {scale.data}/fer2013"
    start, base, longer, mixed = (runs / name for name in ("dlib-start", "fer_base", "fer_base_longer", "fer_base_mixed"))
    taught, tiny = runs / "fer_tiny_distilled", runs / "fer_tiny_degraded"
    begins, answers = scale.start or f"--set initial_checkpoint={start}", f"--set 'teachers=[{mixed}/released]'"
    commands = [
        f"fer train fer_base {votes} --output {base} {begins} {scale.training}",
        f"fer train fer_base_longer {votes} --output {longer} --set initial_checkpoint={base}/best {scale.training}",
        f"fer train fer_base_mixed {votes} --output {mixed} --set initial_checkpoint={longer}/best {scale.training}",
        f"python scripts/average_checkpoints.py {mixed}/best {longer}/best --output {mixed}/average",
        f"fer calibrate {mixed}/average {votes} --table {scale.results}/prior.json",
        f"fer calibrate {mixed}/average {votes} --auxiliary-share 0 --prior 0.5 --output {mixed}/released",
        f"fer train fer_tiny_distilled {votes} --output {taught} "
        f"--set initial_checkpoint={runs}/distillation/fer_tiny_distilled/best {answers} {scale.training}",
        f"fer calibrate {taught}/last {votes} --auxiliary-share 0 --prior 0.5 --output {taught}/released",
        f"fer train fer_tiny_degraded {votes} --output {tiny} --set initial_checkpoint={taught}/last {answers} {scale.training}",
        f"fer calibrate {tiny}/best {votes} --table {scale.results}/prior_tiny.json",
        f"fer calibrate {tiny}/best {votes} --auxiliary-share 0 --prior 0.5 --output {tiny}/released",
        f"python scripts/measure_robustness.py before={taught}/released after={tiny}/released {votes} --split validation "
        f"--images {scale.images if scale.training else 1500} --output {scale.results}/robustness_tiny.json",
    ]
    if not scale.start:
        commands.insert(0, convert_dlib(scale))
    return [command.strip() for command in commands]


def list_small_sets(scale: Scale) -> dict[str, Step]:
    """The paper's other data sets, where they are prepared: JAFFE in three folds by person, SFEW 2.0 fine-tuned and measured."""
    data, runs = scale.data, scale.runs
    commands = {
        "jaffe": [f"fer cross-validate small_finetune --data {data}/jaffe --folds 3 --output {runs}/jaffe"],
        "sfew": [
            f"fer train sfew_finetune --data {data}/sfew --output {runs}/sfew",
            f"fer evaluate {runs}/sfew/best --data {data}/sfew --output {runs}/sfew/test.json",
        ],
    }
    return {name: Step(step) for name, step in commands.items() if (data / name).is_dir()}


def list_packages(scale: Scale) -> dict[str, Step]:
    """What needs other packages, and a machine that does nothing else: the checkpoints beside them, other detectors, and times."""
    if scale.fer_python is None or scale.npm_folder is None:
        return {}
    installed, results = f"--fer-python {scale.fer_python} --npm-folder {scale.npm_folder}", scale.results
    scenes = f"--faces {scale.data}/fer2013 --scenes 40"
    return {
        "packages": Step(
            [f"python scripts/compare_packages.py --data {scale.data} {installed} --output {results}/packages.json"],
            after=["suite"],
        ),
        "detectors": Step([f"python scripts/compare_detectors.py {scenes} --output {results}/detectors.json"]),
        "benchmark": Step([f"python scripts/benchmark.py {installed} --output {results}/benchmark.json"]),
        "profile": Step([f"python scripts/profile_search.py --output {results}/search_profile.json"]),
    }

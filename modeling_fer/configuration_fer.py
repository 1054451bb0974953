"""Configuration of the facial expression recognition (FER) model of Ferreira et al. (IEEE Access 2018)."""

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
REGULARIZATIONS = ("none", "fully", "weakly", "hybrid")
NORMALIZATIONS = ("none", "batch")
REPRESENTATION_BLOCKS = ("plain", "residual")
RELEVANCE_ACTIVATIONS = ("linear", "sigmoid")

# The paper's own values of λ (figures 9 and 10); one number could not serve both losses, which differ by five orders.
PAPER_FACIAL_PARTS_WEIGHTS = {"none": 0.0, "fully": 10.0, "weakly": 1e-4, "hybrid": 10.0}

# What is measured of a network's classes, before it is.
UNMEASURED = {
    "label_shares": None,
    "auxiliary_share": 0.0,
    "prior_strength": 0.0,
    "temperature": 1.0,
    "conformal_thresholds": None,
    "uncertain_below": None,
}

# What a checkpoint's config.json says of the code that travels with it.
AUTO_MAP = {
    "AutoConfig": "configuration_fer.FerConfig",
    "AutoModel": "modeling_fer.FerModel",
    "AutoModelForImageClassification": "modeling_fer.FerForImageClassification",
}
CUSTOM_PIPELINES = {
    "facial-expression-recognition": {
        "impl": "pipeline_fer.FacialExpressionPipeline",
        "pt": ["AutoModelForImageClassification"],
        "type": "image",
    }
}


@strict
class FerConfig(PreTrainedConfig):
    r"""
    Everything that shapes the network or its loss. The defaults are the paper's.

    Args:
        image_size (`int`, defaults to 120):
            Height and width in pixels of the face crops that the network sees.
        num_channels (`int`, defaults to 3):
            1 for grayscale or 3 for RGB.
        facial_parts_depth (`int`, defaults to 3):
            L_E, the number of down-sampling steps, and of up-sampling steps, of the facial-parts module.
        facial_parts_filters (`int`, defaults to 32):
            Filters of that module's first convolution; doubled at each pooling.
        representation_depth (`int`, defaults to 3):
            L_F, the number of [conv, conv, pool] blocks of the representation module.
        representation_filters (`int`, defaults to 32):
            Filters of that module's first convolution; doubled at each pooling.
        representation_convs (`int`, defaults to 2):
            Convolutions of each of those blocks.
        representation_block (`str`, defaults to `"plain"`):
            `"plain"` is the paper's [conv, conv, pool]; `"residual"` a 5x5 convolution and a pooling, then stages of residual blocks.
            Either halves the image `representation_depth` times.
        residual_blocks (`list[int]`, defaults to `[2, 2, 2]`):
            Blocks of each of the `representation_depth` stages of a residual representation.
        squeeze_excitation (`bool`, defaults to `False`):
            Whether residual blocks weigh their channels (Hu et al. 2018).
        drop_path (`float`, defaults to 0.0):
            Share of the images that skip the last residual block in training, in [0, 1); the blocks before it are skipped less, in
            proportion to their depth (stochastic depth, Huang et al. 2016).
        backbone (`str`, *optional*):
            Name of a convolutional timm model that takes the place of the [conv, conv, pool] blocks.
        hidden_sizes (`list[int]`, defaults to `[512, 512]`):
            Sizes of the dense layers before the output layer.
        dropout (`float`, defaults to 0.0):
            Probability of dropping an input of each dense layer, in [0, 1).
        normalization (`str`, defaults to `"none"`):
            `"batch"` puts a batch normalization after each convolution but the one that makes the relevance map.
        relevance_activation (`str`, defaults to `"linear"`):
            Activation of the relevance map, `"linear"` or `"sigmoid"`.
        gated_maps (`int`, defaults to 1):
            Feature maps that the relevance map is multiplied with. 1 is the paper's, in the e-block alone; with more, what the last
            blocks (or stages) before it give is gated too, so that less of a dark place reaches the answer by its neighbours.
        regularization (`str`, defaults to `"hybrid"`):
            `"none"` (baseline CNN without a facial-parts module), `"fully"` (eq. 4), `"weakly"` (eq. 5) or `"hybrid"`.
        facial_parts_weight (`float`, *optional*):
            λ of eq. 2. The paper's value for the regularization where it is not given: 10 for `"fully"` and `"hybrid"`, 1e-4 for
            `"weakly"`.
        sparsity_weight (`float`, defaults to 1.0):
            Weight of the sparsity term (eq. 6); 0 leaves the contiguity term alone.
        contiguity_weight (`float`, defaults to 1.0):
            γ of eq. 5, weight of the contiguity term (eq. 7); 0 leaves the sparsity term alone.
        hybrid_fully_weight (`float`, defaults to 1.0), hybrid_weakly_weight (`float`, defaults to 1e-05):
            Weights of the two losses in the hybrid sum. With λ = 10 the defaults give each the weight it has alone.
        auxiliary_labels (`list[str]`, *optional*):
            Classes of a second label set of the same images, which an output layer of its own learns beside the first one.
        auxiliary_weight (`float`, defaults to 1.0):
            Weight of the cross-entropy of that second label set.
        auxiliary_share (`float`, defaults to 0.0):
            How much the second label set counts in the first output layer, in [0, 1], since `fer calibrate` joined the two; 0 where it
            did not.
        heatmap_sigma (`float`, defaults to 5.0):
            Standard deviation in pixels of the Gaussians that training draws at the landmarks (fig. 6).
        label_smoothing (`float`, defaults to 0.0):
            Share of each label that is spread evenly over the classes, in [0, 1).
        label_shares (`list[float]`, *optional*):
            How frequent each class was among the labels that the network was trained on, summing to 1. Where training draws rare
            classes more often (`class_balancing` of a recipe), these are the shares among what it draws.
        prior_strength (`float`, defaults to 0.0):
            How far the network's answers leave that frequency behind, in [0, 1]: 0 answers as trained, 1 as if all classes were equally
            frequent. Logits are lowered by `prior_strength` times the logarithm of the shares (Menon et al. 2021).
        temperature (`float`, defaults to 1.0):
            What the output layer is divided by before that, so that probabilities say how often an answer is right (Guo et al. 2017).
        conformal_thresholds (`dict[str, list[float]]`, *optional*):
            For some coverages, e.g. `"0.9"`, the least probability of each class that puts it into the set of expressions which holds
            the right one so often, see `doubt_fer`. By the configuration's own prior.
        uncertain_below (`float`, *optional*):
            The probability of the likeliest class under which an answer is uncertain, by the configuration's own prior.

    Example:

    >>> from modeling_fer import FerConfig, FerForImageClassification
    >>> config = FerConfig(image_size=48, num_channels=1, regularization="weakly")
    >>> config.facial_parts_weight
    0.0001
    >>> model = FerForImageClassification(config)
    """

    model_type = "fer"
    # What a prediction of transformers' Trainer leaves out: `logits` alone is compared with labels.
    keys_to_ignore_at_inference = ["relevance_map", "auxiliary_logits", "loss_terms"]

    image_size: int = 120
    num_channels: int = 3
    facial_parts_depth: int = 3
    facial_parts_filters: int = 32
    representation_depth: int = 3
    representation_filters: int = 32
    representation_convs: int = 2
    representation_block: str = "plain"
    residual_blocks: list[int] | tuple[int, ...] = (2, 2, 2)
    squeeze_excitation: bool = False
    drop_path: int | float = 0.0
    backbone: str | None = None
    hidden_sizes: list[int] | tuple[int, ...] = (512, 512)
    dropout: int | float = 0.0
    normalization: str = "none"
    relevance_activation: str = "linear"
    gated_maps: int = 1
    regularization: str = "hybrid"
    facial_parts_weight: int | float | None = None
    sparsity_weight: int | float = 1.0
    contiguity_weight: int | float = 1.0
    hybrid_fully_weight: int | float = 1.0
    hybrid_weakly_weight: int | float = 1e-5
    auxiliary_labels: list[str] | tuple[str, ...] | None = None
    auxiliary_weight: int | float = 1.0
    auxiliary_share: int | float = 0.0
    heatmap_sigma: int | float = 5.0
    label_smoothing: int | float = 0.0
    label_shares: list[float] | tuple[float, ...] | None = None
    prior_strength: int | float = 0.0
    temperature: int | float = 1.0
    conformal_thresholds: dict[str, list[int | float]] | None = None
    uncertain_below: int | float | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if not self.is_remote_code():
            # The installed package is registered with transformers: it needs no code from the checkpoint's folder.
            kwargs.pop("auto_map", None)
            kwargs.pop("custom_pipelines", None)
        self.hidden_sizes, self.residual_blocks = list(self.hidden_sizes), list(self.residual_blocks)
        num_labels = kwargs.get("num_labels")
        if self.id2label is None and num_labels is None:
            self.id2label: dict[int, str] = dict(enumerate(EXPRESSIONS))
        if self.id2label is not None and num_labels not in (None, len(self.id2label)):
            raise ValueError(
                f"num_labels is {num_labels}, but id2label names {len(self.id2label)} classes; give one of the two."
            )
        if self.facial_parts_weight is None:
            self.facial_parts_weight = PAPER_FACIAL_PARTS_WEIGHTS.get(self.regularization)
        super().__post_init__(**kwargs)
        if self.label2id is None:
            self.label2id: dict[str, int] = {label: index for index, label in self.id2label.items()}

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> "FerConfig":
        """A configuration from its saved form. What is given beside it takes the place of what was saved, as when a checkpoint is
        fine-tuned: other classes (`id2label` or `num_labels`) have neither a second label set nor measured figures, and another
        `regularization` has the weight of the paper.
        """
        names = kwargs.get("id2label", config_dict.get("id2label"))
        if "id2label" not in kwargs and kwargs.get("num_labels") not in (None, len(names or ())):
            names = None
        # JSON has the indices of classes as text.
        saved, given = ({int(index): name for index, name in (n or {}).items()} for n in (config_dict.get("id2label"), names))
        if given != saved:
            # What was measured of the old classes says nothing of others.
            fresh = {"label2id": kwargs.get("label2id"), **UNMEASURED}
            config_dict = {**config_dict, "id2label": names, "auxiliary_labels": None, **fresh}
        pull = kwargs.get("regularization", config_dict.get("regularization"))
        if pull != config_dict.get("regularization"):
            config_dict = {**config_dict, "regularization": pull, "facial_parts_weight": None}
        config: FerConfig = super().from_dict(config_dict, **kwargs)
        return config

    def to_dict(self) -> dict[str, Any]:
        """The configuration as it is saved, with the code that travels with it."""
        saved: dict[str, Any] = super().to_dict()
        return saved | {"auto_map": dict(AUTO_MAP), "custom_pipelines": dict(CUSTOM_PIPELINES)}

    def validate_choices(self) -> None:
        """The fields that name one of a few things."""
        for field, choices in (
            ("regularization", REGULARIZATIONS),
            ("normalization", NORMALIZATIONS),
            ("representation_block", REPRESENTATION_BLOCKS),
            ("relevance_activation", RELEVANCE_ACTIVATIONS),
            ("num_channels", (1, 3)),
        ):
            value = getattr(self, field)
            if value not in choices:
                raise ValueError(f"{field} is {value!r}, but must be one of {', '.join(map(repr, choices))}.")

    def validate_sizes(self) -> None:
        """The fields that count layers, filters and pixels."""
        for field in (
            "image_size",
            "facial_parts_depth",
            "facial_parts_filters",
            "representation_depth",
            "representation_filters",
            "representation_convs",
        ):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 1.")
        for field in ("hidden_sizes", "residual_blocks"):
            if any(size < 1 for size in getattr(self, field)):
                raise ValueError(f"{field} is {getattr(self, field)}, but every one must be at least 1.")
        if self.representation_block == "residual" and len(self.residual_blocks) != self.representation_depth:
            raise ValueError(
                f"residual_blocks is {self.residual_blocks}, but must have a number for each of the {self.representation_depth} "
                "stages of representation_depth."
            )
        most = 1 if self.backbone is not None else self.representation_depth + 1
        if not 1 <= self.gated_maps <= most:
            raise ValueError(
                f"gated_maps is {self.gated_maps}, but must be at least 1 and at most {most}: the e-block and "
                + ("nothing of a timm backbone." if self.backbone is not None else "the blocks of representation_depth.")
            )
        for field in ("facial_parts_depth", "representation_depth"):
            if self.image_size < 2 ** getattr(self, field):
                raise ValueError(
                    f"{field} is {getattr(self, field)}, which halves an image of image_size {self.image_size} to nothing; "
                    f"make it smaller or the images at least {2 ** getattr(self, field)} pixels."
                )

    def validate_numbers(self) -> None:
        """The fields that are weights, probabilities and lengths."""
        for field in ("dropout", "drop_path", "label_smoothing"):
            if not 0 <= getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and less than 1.")
        for field in (
            "facial_parts_weight",
            "sparsity_weight",
            "contiguity_weight",
            "hybrid_fully_weight",
            "hybrid_weakly_weight",
            "auxiliary_weight",
        ):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field} is {getattr(self, field)}, but a weight must be at least 0.")
        if not self.heatmap_sigma > 0:
            raise ValueError(f"heatmap_sigma is {self.heatmap_sigma}, but must be greater than 0.")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}, but must be greater than 0.")
        for field in ("prior_strength", "auxiliary_share"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and at most 1.")

    def validate_labels(self) -> None:
        """The names of the classes, and how frequent they are."""
        if sorted(self.id2label) != list(range(len(self.id2label))):
            raise ValueError(
                f"id2label must name the classes 0 to {len(self.id2label) - 1}, but names {sorted(self.id2label)}."
            )
        shares = self.label_shares
        if shares is None and self.prior_strength:
            raise ValueError(f"prior_strength is {self.prior_strength}, which needs label_shares; give the classes' shares.")
        if shares is not None and not (len(shares) == len(self.id2label) and min(shares) > 0 and abs(sum(shares) - 1) <= 1e-3):
            raise ValueError(
                f"label_shares is {shares}, but must be {len(self.id2label)} numbers greater than 0 that sum to 1, one a class. "
                "Where the classes change, give from_pretrained num_labels or id2label, which forgets what was measured of the old."
            )

    def validate_doubt(self) -> None:
        """The thresholds of sets and of the answer "uncertain"."""
        for coverage, thresholds in (self.conformal_thresholds or {}).items():
            if len(thresholds) != len(self.id2label) or not all(0 <= threshold <= 1 for threshold in thresholds):
                raise ValueError(
                    f"conformal_thresholds[{coverage!r}] is {thresholds}, but must be {len(self.id2label)} numbers in [0, 1], one a "
                    "class."
                )
        if self.uncertain_below is not None and not 0 <= self.uncertain_below <= 1:
            raise ValueError(f"uncertain_below is {self.uncertain_below}, but must be at least 0 and at most 1.")


__all__ = ["FerConfig"]

"""Configuration of the facial expression recognition (FER) model of Ferreira et al. (IEEE Access 2018)."""

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
REGULARIZATIONS = ("none", "fully", "weakly", "hybrid")
NORMALIZATIONS = ("none", "batch")
RELEVANCE_ACTIVATIONS = ("linear", "sigmoid")

# The paper's own values of λ (figures 9 and 10); one number could not serve both losses, which differ by five orders.
PAPER_FACIAL_PARTS_WEIGHTS = {"none": 0.0, "fully": 10.0, "weakly": 1e-4, "hybrid": 10.0}

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
        heatmap_sigma (`float`, defaults to 5.0):
            Standard deviation in pixels of the Gaussians that training draws at the landmarks (fig. 6).
        label_smoothing (`float`, defaults to 0.0):
            Share of each label that is spread evenly over the classes, in [0, 1).
        face_margin (`float`, defaults to 0.0), face_offset (`float`, defaults to 0.0):
            How the pipeline cuts faces for this checkpoint, so that they look like its training crops: the share of the box's
            size that is added to it, and the share of it by which the crop's centre is moved down.
        face_alignment (`bool`, defaults to `True`):
            Whether the pipeline turns the photo so that the eyes are level.

    Example:

    ```python
    >>> from modeling_fer import FerConfig, FerForImageClassification

    >>> config = FerConfig(image_size=48, num_channels=1, regularization="weakly")
    >>> config.facial_parts_weight
    0.0001
    >>> model = FerForImageClassification(config)
    ```
    """

    model_type = "fer"

    image_size: int = 120
    num_channels: int = 3
    facial_parts_depth: int = 3
    facial_parts_filters: int = 32
    representation_depth: int = 3
    representation_filters: int = 32
    representation_convs: int = 2
    backbone: str | None = None
    hidden_sizes: list[int] | tuple[int, ...] = (512, 512)
    dropout: int | float = 0.0
    normalization: str = "none"
    relevance_activation: str = "linear"
    regularization: str = "hybrid"
    facial_parts_weight: int | float | None = None
    sparsity_weight: int | float = 1.0
    contiguity_weight: int | float = 1.0
    hybrid_fully_weight: int | float = 1.0
    hybrid_weakly_weight: int | float = 1e-5
    heatmap_sigma: int | float = 5.0
    label_smoothing: int | float = 0.0
    face_margin: int | float = 0.0
    face_offset: int | float = 0.0
    face_alignment: bool = True

    def __post_init__(self, **kwargs):
        if not self.is_remote_code():
            # The installed package is registered with transformers: it needs no code from the checkpoint's folder.
            kwargs.pop("auto_map", None)
            kwargs.pop("custom_pipelines", None)
        self.hidden_sizes = list(self.hidden_sizes)
        num_labels = kwargs.get("num_labels")
        if self.id2label is None and num_labels is None:
            self.id2label = dict(enumerate(EXPRESSIONS))
        if self.id2label is not None and num_labels not in (None, len(self.id2label)):
            raise ValueError(
                f"num_labels is {num_labels}, but id2label names {len(self.id2label)} classes; give one of the two."
            )
        if self.facial_parts_weight is None:
            self.facial_parts_weight = PAPER_FACIAL_PARTS_WEIGHTS.get(self.regularization)
        super().__post_init__(**kwargs)
        if self.label2id is None:
            self.label2id = {label: index for index, label in self.id2label.items()}

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        """A configuration from its saved form. Classes given beside it, by `id2label` or `num_labels`, take the place of the saved
        ones, as when a checkpoint is fine-tuned on other classes.
        """
        names = kwargs.get("id2label", config_dict.get("id2label"))
        if "id2label" not in kwargs and kwargs.get("num_labels") not in (None, len(names or ())):
            names = None
        if names != config_dict.get("id2label"):
            config_dict = {**config_dict, "id2label": names, "label2id": kwargs.get("label2id")}
        return super().from_dict(config_dict, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as it is saved, with the code that travels with it."""
        return super().to_dict() | {"auto_map": dict(AUTO_MAP), "custom_pipelines": dict(CUSTOM_PIPELINES)}

    def validate_choices(self):
        """The fields that name one of a few things."""
        for field, choices in (
            ("regularization", REGULARIZATIONS),
            ("normalization", NORMALIZATIONS),
            ("relevance_activation", RELEVANCE_ACTIVATIONS),
            ("num_channels", (1, 3)),
        ):
            value = getattr(self, field)
            if value not in choices:
                raise ValueError(f"{field} is {value!r}, but must be one of {', '.join(map(repr, choices))}.")

    def validate_sizes(self):
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
        if any(size < 1 for size in self.hidden_sizes):
            raise ValueError(f"hidden_sizes is {self.hidden_sizes}, but every size must be at least 1.")
        for field in ("facial_parts_depth", "representation_depth"):
            if self.image_size < 2 ** getattr(self, field):
                raise ValueError(
                    f"{field} is {getattr(self, field)}, which halves an image of image_size {self.image_size} to nothing; "
                    f"make it smaller or the images at least {2 ** getattr(self, field)} pixels."
                )

    def validate_numbers(self):
        """The fields that are weights, probabilities and lengths."""
        for field in ("dropout", "label_smoothing"):
            if not 0 <= getattr(self, field) < 1:
                raise ValueError(f"{field} is {getattr(self, field)}, but must be at least 0 and less than 1.")
        for field in (
            "facial_parts_weight",
            "sparsity_weight",
            "contiguity_weight",
            "hybrid_fully_weight",
            "hybrid_weakly_weight",
        ):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field} is {getattr(self, field)}, but a weight must be at least 0.")
        if not self.heatmap_sigma > 0:
            raise ValueError(f"heatmap_sigma is {self.heatmap_sigma}, but must be greater than 0.")
        if not self.face_margin > -1:
            raise ValueError(f"face_margin is {self.face_margin}, but must be greater than -1.")

    def validate_labels(self):
        """The names of the classes."""
        if sorted(self.id2label) != list(range(len(self.id2label))):
            raise ValueError(
                f"id2label must name the classes 0 to {len(self.id2label) - 1}, but names {sorted(self.id2label)}."
            )


__all__ = ["FerConfig"]

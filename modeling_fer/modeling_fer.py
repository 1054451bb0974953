"""The network of Ferreira et al., "Physiological Inspired Deep Neural Networks for Emotion Recognition", IEEE Access 6,
2018 (doi 10.1109/ACCESS.2018.2870063): three modules, trained end to end.

    x̂ = E(x)      FacialParts      a relevance map of the face, as large as the image
    h = F(x, x̂)   Representation   features, gated by the relevance map in the expression block
    ŷ = G(h)      Classifier       the expression
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import can_return_tuple

from .configuration_fer import FerConfig
from .layers_fer import ConvLayer, DownBlock, ResidualStages, TimmBackbone, UpBlock, doubled_channels
from .losses_fer import check_labels, classification_loss, contiguity_loss, landmark_map_loss, sparsity_loss
from .outputs_fer import FerImageClassifierOutput, FerLossTerms, FerModelOutput
from .prior_fer import check_prior
from .saving_fer import save_and_upload

if TYPE_CHECKING:
    # Nothing is imported here: where this package is not installed, transformers keeps only the code that this file's imports name,
    # and `save_pretrained` finds there what the pipeline and the image processor need too.
    from .image_processing_fer import FerImageProcessor  # noqa: F401
    from .pipeline_fer import FacialExpressionPipeline  # noqa: F401


class RelevanceConv(nn.Conv2d):
    """The 3x3 convolution to one channel that ends the facial-parts module; a class of its own for its initialization."""

    def __init__(self, in_channels: int, activation: str):
        super().__init__(in_channels, 1, kernel_size=3, padding=1)
        self.activation = activation

    def forward(self, features: Tensor) -> Tensor:
        relevance_map = super().forward(features)
        return relevance_map.sigmoid() if self.activation == "sigmoid" else relevance_map


class FacialParts(nn.Module):
    """Regresses the relevance map, x̂ = E(x): a convolutional path, a deconvolutional path, and one more convolution."""

    def __init__(self, config: FerConfig):
        super().__init__()
        channels = doubled_channels(config.facial_parts_filters, config.facial_parts_depth)
        inputs = [config.num_channels, *channels[:-1]]
        self.encoder = nn.Sequential(*(DownBlock(config, i, o) for i, o in zip(inputs, channels, strict=True)))
        outputs = channels[::-1]
        inputs = [channels[-1], *outputs[:-1]]
        self.decoder = nn.Sequential(*(UpBlock(config, i, o) for i, o in zip(inputs, outputs, strict=True)))
        self.relevance = RelevanceConv(outputs[-1], config.relevance_activation)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(batch, num_channels, h, w) -> (batch, 1, h, w)."""
        features = self.decoder(self.encoder(pixel_values))
        relevance_map: Tensor = self.relevance(features)
        if relevance_map.shape[-2:] != pixel_values.shape[-2:]:
            # A size that is not divisible by 2^L_E loses its remainder in the poolings.
            relevance_map = F.interpolate(relevance_map, size=pixel_values.shape[-2:], mode="bilinear")
        return relevance_map


def gate(features: Tensor, relevance_map: Tensor | None) -> Tensor:
    """`a ⊙ x̂` (eq. 1), with x̂ resized to the feature map by averaging over areas.

    Args:
        features: (batch, channels, h, w).
        relevance_map: (batch, 1, height, width) of any size, or None for the baseline CNN, which has no gate.

    Returns:
        (batch, channels, h, w), zero wherever the relevance map is.
    """
    if relevance_map is None:
        return features
    return features * F.adaptive_avg_pool2d(relevance_map, (features.shape[-2], features.shape[-1]))


class ExpressionBlock(nn.Module):
    """The e-block (eq. 1): `a_l = ReLU(W * a_{l-1}) ⊙ x̂`."""

    def __init__(self, config: FerConfig, channels: int):
        super().__init__()
        self.conv = ConvLayer(config, channels, channels)

    def forward(self, features: Tensor, relevance_map: Tensor | None) -> Tensor:
        """Takes and gives what `gate` does."""
        return gate(self.conv(features), relevance_map)


class Representation(nn.Module):
    """Features gated by the relevance map, h = F(x, x̂): L_F [conv, conv, pool] blocks or a timm backbone, then the e-block. More
    `gated_maps` than one gate the last blocks too.
    """

    def __init__(self, config: FerConfig):
        super().__init__()
        if config.backbone is None:
            channels = doubled_channels(config.representation_filters, config.representation_depth)
            if config.representation_block == "residual":
                self.blocks: nn.Sequential | TimmBackbone = ResidualStages(config, channels)
            else:
                inputs = [config.num_channels, *channels[:-1]]
                self.blocks = nn.Sequential(
                    *(DownBlock(config, i, o, config.representation_convs) for i, o in zip(inputs, channels, strict=True))
                )
            out_channels = channels[-1]
            # The paper's dense layers see the whole feature map; timm's networks are made for the mean over it.
            self.out_features = out_channels * (config.image_size // 2**config.representation_depth) ** 2
        else:
            backbone = TimmBackbone(config.backbone, config.num_channels)
            self.blocks = backbone
            out_channels = self.out_features = backbone.out_channels
        self.expression_block = ExpressionBlock(config, out_channels)
        self.gated_blocks = config.gated_maps - 1

    def forward(self, pixel_values: Tensor, relevance_map: Tensor | None) -> Tensor:
        """(batch, num_channels, height, width) and (batch, 1, height, width) -> (batch, channels, h, w)."""
        features: Tensor = self.expression_block(self._look(pixel_values, relevance_map), relevance_map)
        return features

    def _look(self, features: Tensor, relevance_map: Tensor | None) -> Tensor:
        if isinstance(self.blocks, TimmBackbone):
            last: Tensor = self.blocks(features)
            return last
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number >= len(self.blocks) - self.gated_blocks:
                features = gate(features, relevance_map)
        return features


class Classifier(nn.Module):
    """Names the expression, ŷ = G(h): dense layers of `hidden_sizes`, then one with an output for each class, and beside it one for
    each class of the second label set where there is one.
    """

    def __init__(self, config: FerConfig, in_features: int):
        super().__init__()
        self.pool = nn.Identity() if config.backbone is None else nn.AdaptiveAvgPool2d(1)
        layers: list[nn.Module] = []
        for size in config.hidden_sizes:
            layers += [nn.Dropout(config.dropout), nn.Linear(in_features, size), nn.ReLU(inplace=True)]
            in_features = size
        self.hidden = nn.Sequential(*layers)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(in_features, config.num_labels)
        self.auxiliary_output = nn.Linear(in_features, len(config.auxiliary_labels)) if config.auxiliary_labels else None

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """(batch, channels, h, w) -> logits (batch, num_labels), and (batch, len(auxiliary_labels)) or None."""
        hidden = self.dropout(self.hidden(self.pool(features).flatten(1)))
        auxiliary_logits = self.auxiliary_output(hidden) if self.auxiliary_output is not None else None
        return self.output(hidden), auxiliary_logits


class FerPreTrainedModel(PreTrainedModel):
    """Weight initialization, and loading and saving of checkpoints."""

    config: FerConfig
    base_model_prefix = "fer"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    # Losses are means over a batch: transformers' Trainer has to divide them by the batches that it accumulates.
    accepts_loss_kwargs = False

    def save_pretrained(self, save_directory: str | os.PathLike[str], *, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Saves weights and configuration, and beside them the code that `trust_remote_code` loads them with."""
        main_process = kwargs.get("is_main_process", True)
        if push_to_hub and main_process:
            save_and_upload(self, Path(save_directory), **{"tags": self.model_tags, **kwargs})
            return
        super().save_pretrained(save_directory, **kwargs)
        if main_process:
            for file in Path(__file__).parent.glob("*_fer.py"):
                shutil.copyfile(file, Path(save_directory) / file.name)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, RelevanceConv):
            # A map near zero would close the e-block to features and gradients alike; near one, it starts open.
            init.normal_(module.weight, std=0.01)
            init.constant_(module.bias, 2.0 if module.activation == "sigmoid" else 1.0)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)


class FerModel(FerPreTrainedModel):
    """Facial parts and representation, without the classifier: image to relevance map and gated features."""

    def __init__(self, config: FerConfig):
        super().__init__(config)
        # The baseline CNN has no facial-parts module, rather than one that is never used.
        self.facial_parts = FacialParts(config) if config.regularization != "none" else None
        self.representation = Representation(config)
        self.post_init()

    @can_return_tuple
    def forward(self, pixel_values: Tensor, **kwargs: Any) -> FerModelOutput:
        """
        Args:
            pixel_values (`torch.FloatTensor` of shape `(batch, num_channels, image_size, image_size)`):
                Face crops as `FerImageProcessor` makes them.
            return_dict (`bool`, *optional*):
                False gives a tuple of what the output holds, as for every model of transformers.
        """
        expected = (self.config.num_channels, self.config.image_size, self.config.image_size)
        if pixel_values.ndim != 4 or tuple(pixel_values.shape[1:]) != expected:
            raise ValueError(
                f"pixel_values has the shape {tuple(pixel_values.shape)}, but this model takes (batch, {expected[0]}, "
                f"{expected[1]}, {expected[2]}); FerImageProcessor makes it from images of any size."
            )
        relevance_map = self.facial_parts(pixel_values) if self.facial_parts is not None else None
        features = self.representation(pixel_values, relevance_map)
        return FerModelOutput(last_hidden_state=features, relevance_map=relevance_map)


class FerForImageClassification(FerPreTrainedModel):
    """The whole network: face crop to expression and relevance map, and the objective of the paper for training it."""

    def __init__(self, config: FerConfig):
        # Fields may have been changed since it was made, the number of classes for one.
        config.validate()
        super().__init__(config)
        self.fer = FerModel(config)
        self.classifier = Classifier(config, self.fer.representation.out_features)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor,
        labels: Tensor | None = None,
        heatmaps: Tensor | None = None,
        heatmap_mask: Tensor | None = None,
        auxiliary_targets: Tensor | None = None,
        prior_strength: float | None = None,
        **kwargs: Any,
    ) -> FerImageClassifierOutput:
        """
        Args:
            pixel_values (`torch.FloatTensor` of shape `(batch, num_channels, image_size, image_size)`):
                Face crops as `FerImageProcessor` makes them.
            labels (`torch.Tensor`, *optional*):
                Class indices of shape `(batch,)`, or distributions over the classes of shape `(batch, num_labels)`.
            heatmaps (`torch.FloatTensor` of shape `(batch, 1, image_size, image_size)`, *optional*):
                Target relevance maps in [0, 1], needed with `labels` for the regularizations `fully` and `hybrid`.
            heatmap_mask (`torch.Tensor` of shape `(batch,)`, *optional*):
                True for the images that have landmarks; the others are left out of eq. 4. Or weights, see `landmark_map_loss`.
            auxiliary_targets (`torch.Tensor`, *optional*):
                Labels of the second label set, like `labels`; needed with them where the model has one.
            prior_strength (`float`, *optional*):
                Takes the place of the configuration's, in [0, 1]. The loss is taken before temperature and prior.
            return_dict (`bool`, *optional*):
                False gives a tuple of what the output holds, as for every model of transformers.
        """
        outputs = self.fer(pixel_values, return_dict=True)
        logits, auxiliary_logits = self.classifier(outputs.last_hidden_state)
        loss, loss_terms = None, None
        if labels is not None:
            labels = check_labels(labels, self.config.num_labels)
            loss, loss_terms = self._objective(logits, outputs.relevance_map, labels, heatmaps, heatmap_mask)
            if auxiliary_logits is not None:
                if auxiliary_targets is None:
                    raise ValueError("The model has a second label set; give auxiliary_targets beside labels.")
                auxiliary_targets = check_labels(auxiliary_targets, auxiliary_logits.shape[1])
                loss_terms.auxiliary = auxiliary = classification_loss(
                    auxiliary_logits.float(), auxiliary_targets, self.config.label_smoothing
                )
                loss = loss + self.config.auxiliary_weight * auxiliary
        return FerImageClassifierOutput(
            loss=loss,
            logits=self.adjust_logits(logits, prior_strength),
            relevance_map=outputs.relevance_map,
            auxiliary_logits=auxiliary_logits,
            loss_terms=loss_terms,
        )

    def adjust_logits(self, logits: Tensor, prior_strength: float | None = None) -> Tensor:
        """The output layer's scores with temperature (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017) and prior
        (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021).

        Args:
            logits: (batch, num_labels).
            prior_strength: in [0, 1]; the configuration's where it is None.

        Returns:
            (batch, num_labels).

        Raises:
            ValueError: as for `check_prior`.
        """
        if self.config.temperature != 1:
            logits = logits / self.config.temperature
        return self.subtract_prior(logits, prior_strength)

    def subtract_prior(self, logits: Tensor, prior_strength: float | None = None) -> Tensor:
        """Logits that were asked for with a prior strength of 0, with another one.

        Args:
            logits: (batch, num_labels), with temperature.
            prior_strength: in [0, 1]; the configuration's where it is None.

        Returns:
            (batch, num_labels).

        Raises:
            ValueError: as for `check_prior`.
        """
        strength = self.config.prior_strength if prior_strength is None else prior_strength
        self.check_prior(strength)
        if strength:
            logits = logits - strength * logits.new_tensor(self.config.label_shares).log()
        return logits

    def check_prior(self, strength: float) -> None:
        """Whether a prior strength can be used.

        Raises:
            ValueError: it is not in [0, 1], or it is not 0 and the configuration has no label_shares.
        """
        check_prior(strength, self.config.label_shares)

    def _objective(
        self,
        logits: Tensor,
        relevance_map: Tensor | None,
        labels: Tensor,
        heatmaps: Tensor | None,
        heatmap_mask: Tensor | None,
    ) -> tuple[Tensor, FerLossTerms]:
        """`L = L_classification + λ L_facial_parts` (eq. 2), and its terms."""
        config = self.config
        # Losses are taken in float32 also where autocast made the outputs bfloat16.
        classification = classification_loss(logits.float(), labels, config.label_smoothing)
        terms = FerLossTerms(classification=classification)
        if relevance_map is None:
            return classification, terms
        relevance_map = relevance_map.float()
        facial_parts = torch.zeros_like(classification)
        if config.regularization in ("fully", "hybrid"):
            if heatmaps is None:
                raise ValueError(
                    f"The regularization {config.regularization!r} needs heatmaps beside labels; give them, with a "
                    "heatmap_mask where some images have none, or load the model with regularization='weakly' or 'none'."
                )
            weight = config.hybrid_fully_weight if config.regularization == "hybrid" else 1.0
            terms.landmark_map = landmark_map = landmark_map_loss(relevance_map, heatmaps, heatmap_mask)
            facial_parts = facial_parts + weight * landmark_map
        if config.regularization in ("weakly", "hybrid"):
            weight = config.hybrid_weakly_weight if config.regularization == "hybrid" else 1.0
            terms.sparsity, terms.contiguity = sparsity, contiguity = (
                sparsity_loss(relevance_map),
                contiguity_loss(relevance_map),
            )
            weakly = config.sparsity_weight * sparsity + config.contiguity_weight * contiguity
            facial_parts = facial_parts + weight * weakly
        return classification + (config.facial_parts_weight or 0.0) * facial_parts, terms


__all__ = ["FerForImageClassification", "FerModel", "FerPreTrainedModel"]

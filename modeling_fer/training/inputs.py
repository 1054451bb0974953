"""What the network gets of a batch: its images augmented, its target maps drawn, its labels mixed with what teachers answer."""

from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import one_hot

from modeling_fer.configuration_fer import FerConfig
from modeling_fer.data.landmarks import draw_heatmaps
from modeling_fer.image_processing_fer import FerImageProcessor
from modeling_fer.training.augmentation import Augmentation, mix_batch
from modeling_fer.training.initial_weights import load_teachers
from modeling_fer.training.recipe import Recipe


class TrainingInputs:
    """Makes inputs of `FerForImageClassification` from batches of `FaceColumns`.

    Args:
        recipe: its augmentation and teachers.
        config: of the network that learns.
        processor: gives the normalization.
        accelerator: of the processes that learn together.

    Attributes:
        generator: what augmentation and mixing draw from. All processes seed it alike.

    Raises:
        ValueError: a teacher takes other images or names other classes than the network.
    """

    def __init__(self, recipe: Recipe, config: FerConfig, processor: FerImageProcessor, accelerator: Accelerator):
        self.recipe, self.config, self.processor, self.accelerator = recipe, config, processor, accelerator
        self.generator = torch.Generator()
        part, parts = accelerator.process_index, accelerator.num_processes
        self.augment = Augmentation(recipe.augmentation, self.generator, part, parts)
        self.teachers = [
            teacher.to(accelerator.device, memory_format=torch.channels_last) for teacher in load_teachers(recipe, config)
        ]

    def __call__(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pixels, soft labels and target maps of one batch, on its device."""
        heatmaps = batch["heatmaps"].float() / 255 if "heatmaps" in batch else None
        images, landmarks, heatmaps = self.augment(batch["images"].float() / 255, batch["landmarks"], heatmaps)
        inputs = {"pixel_values": self.normalize(images), "labels": batch["targets"]}
        if self.config.auxiliary_labels:
            inputs["auxiliary_targets"] = one_hot(batch["auxiliary_labels"], len(self.config.auxiliary_labels)).float()
        if self.config.regularization in ("fully", "hybrid"):
            if heatmaps is None:
                # The landmark moved with its pixels: the map is drawn only now.
                size = self.config.image_size
                heatmaps = draw_heatmaps(cast(Tensor, landmarks), size, size, self.config.heatmap_sigma)
            inputs["heatmaps"] = heatmaps
            inputs["heatmap_mask"] = self.share_mask(batch["has_landmarks"])
        mixed = mix_batch(inputs, self.recipe.augmentation, self.generator)
        return mixed | self.taught_labels(mixed) if self.teachers else mixed

    def normalize(self, images: Tensor) -> Tensor:
        """Pixel values of images in [0, 1], (batch, channels, height, width)."""
        mean, std = (images.new_tensor(value).view(-1, 1, 1) for value in (self.processor.image_mean, self.processor.image_std))
        return ((images - mean) / std).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def taught_labels(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The labels of each label set, mixed with the teachers' mean answer to the same augmented images (Hinton et al., "Distilling
        the Knowledge in a Neural Network", 2015, at a temperature of 1; images alike for both, Beyer et al., CVPR 2022).
        """
        with self.accelerator.autocast():
            outputs = [teacher(inputs["pixel_values"]) for teacher in self.teachers]
        weight, taught = self.recipe.teacher_weight, {}
        for labels, logits in (("labels", "logits"), ("auxiliary_targets", "auxiliary_logits")):
            if labels in inputs:
                answer = torch.stack([output[logits].float() for output in outputs]).mean(dim=0).softmax(dim=1)
                taught[labels] = (1 - weight) * inputs[labels] + weight * answer
        return taught

    def share_mask(self, mask: Tensor) -> Tensor:
        """On several processes, weights by which each averages over the images with landmarks of all their batches together."""
        if self.accelerator.num_processes == 1:
            return mask
        weights = mask.float()
        share = cast(Tensor, self.accelerator.reduce(weights.mean(), "mean"))
        return weights / share.clamp(min=1e-6)

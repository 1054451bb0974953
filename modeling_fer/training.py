"""Training with Accelerate: one loop, from recipe to run folder.

A run folder holds recipe.yaml, metrics.jsonl (a line an epoch), best/ and last/ (checkpoints that `from_pretrained` loads) and
state/ (all that resuming needs).
"""

import ctypes
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from datasets import Dataset
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, RandomSampler, Sampler, WeightedRandomSampler
from tqdm.auto import tqdm

from modeling_fer.augmentation import Augmentation
from modeling_fer.configuration_fer import FerConfig
from modeling_fer.data.columns import FaceColumns, decode_columns
from modeling_fer.evaluation import ExpressionMetrics, predict_columns
from modeling_fer.image_processing_fer import FerImageProcessor, normalize_pixels
from modeling_fer.landmarks import LANDMARK_POINTS, draw_heatmaps
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.recipe import Recipe, check_same_recipe, write_recipe


@dataclass
class Progress:
    """Where a run stands; saved with its state.

    Attributes:
        epoch: whole epochs done.
        step, loss_sum: batches done in the epoch at hand, and the sum of their losses.
        best_epoch, best: the epoch with the highest validation accuracy so far, counted from 1, and its metrics.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best_epoch: int = 0
    best: dict[str, Any] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def keep_freed_memory() -> None:
    """Has this process keep the memory that a training step frees for the next step.

    The C library of Linux gives large blocks back to the system and gets them anew, page by page, which slows steps on the CPU.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4
        library.mallopt(trim_threshold, -1)
        library.mallopt(mmap_max, 0)


def choose_precision(setting: str) -> str:
    """`auto` becomes bf16 where the processor or accelerator computes in bfloat16, else no."""
    if setting != "auto":
        return setting
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"


def build_config(recipe: Recipe, label_names: list[str]) -> FerConfig:
    """The model's configuration with the data set's classes."""
    named = recipe.model.get("id2label")
    if named is not None and list(named.values()) != label_names:
        raise ValueError(f"The recipe's id2label names {list(named.values())}, but the data set has {label_names}.")
    return FerConfig(**{**recipe.model, "id2label": dict(enumerate(label_names))})


def build_processor(recipe: Recipe, config: FerConfig) -> FerImageProcessor:
    """The image processor that belongs to the model."""
    return FerImageProcessor(
        size={"height": config.image_size, "width": config.image_size},
        num_channels=config.num_channels,
        contrast_percentiles=recipe.preprocessing.contrast_percentiles,
        image_mean=recipe.preprocessing.image_mean,
        image_std=recipe.preprocessing.image_std,
    )


def recipe_columns(recipe: Recipe, dataset: Dataset) -> FaceColumns:
    """A data set decoded at the size, in the channels and with the landmarks that a recipe trains on."""
    processor = build_processor(recipe, build_config(recipe, dataset.features["label"].names))
    return decode_columns(dataset, processor, LANDMARK_POINTS[recipe.landmark_points])


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """Weight decay is for weights: biases and normalization layers have none."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return optimizer(groups, lr=recipe.learning_rate)


def learning_rate_factor(recipe: Recipe, steps_an_epoch: int) -> Callable[[int], float]:
    """The share of the learning rate at each step."""
    warmup = recipe.warmup_epochs * steps_an_epoch
    total = recipe.epochs * steps_an_epoch

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if recipe.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))
        return recipe.learning_rate_decay ** (step // steps_an_epoch)

    return factor


def build_sampler(recipe: Recipe, columns: FaceColumns, generator: torch.Generator) -> Sampler:
    """Draws the images of an epoch, balancing the classes as the recipe says."""
    if recipe.class_balancing == 0:
        return RandomSampler(columns, generator=generator)
    shares = columns.targets.double().mean(dim=0).clamp(min=1e-6)
    weights = columns.targets.double() @ shares.pow(-recipe.class_balancing)
    return WeightedRandomSampler(weights, len(columns), generator=generator)  # type: ignore[arg-type]


def replace_folder(folder: Path, new: Path) -> None:
    """Puts `new` in place of `folder`, so that at every moment one of the two is whole."""
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def restore_folder(folder: Path) -> bool:
    """Undoes a `replace_folder` that was cut off between its two moves.

    Returns:
        Whether `folder` exists now.
    """
    old = folder.with_name(f"{folder.name}.old")
    if old.is_dir() and not folder.exists():
        os.replace(old, folder)
    return folder.is_dir()


class Trainer:
    """One run: `Trainer(recipe, train, validation, folder).fit()`.

    Args:
        recipe: what to train and how.
        train, validation: data sets with the same classes.
        folder: where the run is written.
        resume: go on where the folder's state stands.
        cpu: train on the CPU even where there is an accelerator.
        save_steps: the state is written after every so many steps of an epoch, and after each epoch. A resumed run ends with the same
            weights, bit for bit on one CPU process in float32, as one that was never stopped.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: FaceColumns,
        validation: FaceColumns,
        folder: str | Path,
        resume: bool = False,
        cpu: bool = False,
        save_steps: int = 100,
    ):
        self.recipe, self.folder, self.save_steps = recipe, Path(folder), save_steps
        self.accelerator = Accelerator(mixed_precision=choose_precision(recipe.mixed_precision), cpu=cpu)
        set_seed(recipe.seed)
        self.config = build_config(recipe, train.label_names)
        self.processor = build_processor(recipe, self.config)
        self.validation = validation

        model = self.initial_model().to(memory_format=torch.channels_last)
        # Reseeded at each epoch and each step, so that a resumed run draws what an unbroken one would.
        self.sampling, self.augmenting = torch.Generator(), torch.Generator()
        loader = DataLoader(
            train,
            recipe.batch_size,
            sampler=build_sampler(recipe, train, self.sampling),
            collate_fn=lambda batch: batch,
            drop_last=len(train) >= recipe.batch_size,
        )
        optimizer = build_optimizer(recipe, model)
        self.model, self.optimizer, self.loader = self.accelerator.prepare(model, optimizer, loader)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_factor(recipe, len(self.loader)))
        self.average = AveragedModel(
            self.accelerator.unwrap_model(self.model),
            multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay or 0.0),
            use_buffers=True,
        )
        self.augment = Augmentation(recipe.augmentation, self.augmenting)
        self.progress = Progress()
        self.accelerator.register_for_checkpointing(self.progress, self.average, self.scheduler)
        if resume:
            self.load_state()

    def initial_model(self) -> FerForImageClassification:
        """A fresh network, or the weights that the recipe starts from."""
        if self.recipe.initial_checkpoint is None:
            return FerForImageClassification(self.config)
        return FerForImageClassification.from_pretrained(self.recipe.initial_checkpoint, config=self.config)

    def fit(self) -> dict[str, float]:
        """Trains to the last epoch.

        Returns:
            The validation metrics of the best epoch.
        """
        self.start_folder()
        while self.progress.epoch < self.recipe.epochs and not self.stalled():
            metrics = self.train_epoch() | self.validate()
            self.progress.epoch, self.progress.step, self.progress.loss_sum = self.progress.epoch + 1, 0, 0.0
            if metrics["accuracy"] > self.progress.best.get("accuracy", -1.0):
                self.progress.best_epoch, self.progress.best = self.progress.epoch, metrics
                self.save_checkpoint("best")
            self.save_checkpoint("last")
            self.save_state()
            self.report(metrics)
        return self.progress.best

    def stalled(self) -> bool:
        """Whether early stopping ends the run."""
        patience = self.recipe.early_stopping
        return patience is not None and self.progress.epoch - self.progress.best_epoch >= patience

    def seed_step(self) -> None:
        """Seeds augmentation and dropout by run, step and process."""
        step = self.progress.epoch * len(self.loader) + self.progress.step
        seed = (1_000_003 * self.recipe.seed + step) * self.accelerator.num_processes + self.accelerator.process_index
        self.augmenting.manual_seed(seed)
        torch.manual_seed(seed)

    def train_epoch(self) -> dict[str, Any]:
        """One pass over the training set, or the rest of one that was stopped."""
        self.model.train()
        self.sampling.manual_seed(self.recipe.seed + 1000 * self.progress.epoch)
        progress, steps, start, images = self.progress, len(self.loader), time.perf_counter(), 0
        bar = tqdm(
            self.accelerator.skip_first_batches(self.loader, progress.step),
            desc=f"epoch {progress.epoch + 1}/{self.recipe.epochs}",
            initial=progress.step,
            total=steps,
            disable=not self.accelerator.is_main_process,
        )
        losses: list[Tensor] = []
        for batch in bar:
            self.seed_step()
            losses.append(self.train_step(batch))
            progress.step += 1
            images += len(batch["images"]) * self.accelerator.num_processes
            saving = progress.step % self.save_steps == 0 and progress.step < steps
            if saving or len(losses) == 20 or progress.step == steps:
                recent = torch.stack(losses)
                bar.set_postfix(loss=f"{recent.mean().item():.3f}")
                progress.loss_sum += recent.sum().item()
                losses.clear()
            if saving:
                self.save_state()
        seconds = time.perf_counter() - start
        return {"loss": progress.loss_sum / steps, "images_per_second": images / seconds, "seconds": seconds}

    def train_step(self, batch: dict[str, Tensor]) -> Tensor:
        """One batch: augment it, draw its heatmaps, step down its gradient."""
        outputs = self.model(**self.prepare_batch(batch))
        if not torch.isfinite(outputs.loss):
            raise FloatingPointError(
                f"The loss is {outputs.loss.item()} in epoch {self.progress.epoch + 1}, step {self.progress.step + 1}; the "
                "checkpoints written before are kept. A lower learning rate or gradient clipping may help."
            )
        self.accelerator.backward(outputs.loss)
        if self.recipe.gradient_clipping is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.gradient_clipping)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.accelerator.unwrap_model(self.model))
        return outputs.loss.detach()

    def prepare_batch(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pixels, soft labels and target maps of one augmented batch, on its device."""
        images, landmarks, _ = self.augment(batch["images"].float() / 255, batch["landmarks"])
        pixel_values = normalize_pixels(images, self.processor.image_mean, self.processor.image_std)
        inputs = {
            "pixel_values": pixel_values.to(memory_format=torch.channels_last),
            "labels": batch["targets"],
        }
        if self.config.regularization in ("fully", "hybrid"):
            # The landmark moved with its pixels: the map is drawn only now.
            size = self.config.image_size
            inputs["heatmaps"] = draw_heatmaps(cast(Tensor, landmarks), size, size, self.config.heatmap_sigma)
            inputs["heatmap_mask"] = batch["has_landmarks"]
        return inputs

    def evaluated_model(self) -> FerForImageClassification:
        """The model that is validated and saved: the moving average where the recipe asks for one."""
        averaged = cast(FerForImageClassification, self.average.module)
        return averaged if self.recipe.ema_decay else self.accelerator.unwrap_model(self.model)

    def validate(self) -> dict[str, float]:
        """Metrics on the validation set, without augmentation."""
        probabilities = predict_columns(self.evaluated_model(), self.processor, self.validation)
        return ExpressionMetrics().compute(predictions=probabilities.numpy(), references=self.validation.labels.numpy())

    def start_folder(self) -> None:
        """Makes the run folder and writes the recipe into it."""
        if self.accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_recipe(self.recipe, self.folder / "recipe.yaml")
        self.accelerator.wait_for_everyone()

    def save_checkpoint(self, name: str) -> None:
        """Writes model and processor to best/ or last/."""
        if self.accelerator.is_main_process:
            new = self.folder / f"{name}.new"
            self.evaluated_model().save_pretrained(new)
            self.processor.save_pretrained(new)
            replace_folder(self.folder / name, new)

    def save_state(self) -> None:
        """Writes all that resuming needs to state/."""
        new = self.folder / "state.new"
        self.accelerator.save_state(str(new))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            replace_folder(self.folder / "state", new)

    def load_state(self) -> None:
        """Goes back to where state/ was written."""
        if not restore_folder(self.folder / "state"):
            raise FileNotFoundError(f"{self.folder} holds no state to resume from; start the run without --resume.")
        check_same_recipe(self.recipe, self.folder)
        self.accelerator.load_state(str(self.folder / "state"))

    def report(self, metrics: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            line = {"epoch": self.progress.epoch, "learning_rate": self.scheduler.get_last_lr()[0], **metrics}
            with open(self.folder / "metrics.jsonl", "a") as file:
                file.write(json.dumps(line) + "\n")
            self.accelerator.print(
                f"epoch {line['epoch']}: loss {metrics['loss']:.4f}, validation accuracy {metrics['accuracy']:.4f}, "
                f"UAR {metrics['uar']:.4f}, {metrics['images_per_second']:.0f} images/s"
            )

"""Training with Accelerate: one loop, from recipe to run folder, on one process or many.

A run folder holds recipe.yaml, environment.jsonl (what it was made by), metrics.jsonl (a line an epoch), best/ and last/ (checkpoints
that `from_pretrained` loads) and state/ (all that resuming needs).
"""

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device, set_seed
from safetensors import SafetensorError
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from modeling_fer.data.columns import FaceColumns
from modeling_fer.data.stream import FaceStream, StreamedBatches
from modeling_fer.modeling_fer import FerForImageClassification
from modeling_fer.training.building import build_config, build_processor, check_landmarks
from modeling_fer.training.environment import describe_environment, note_environment
from modeling_fer.training.initial_weights import initial_model
from modeling_fer.training.inputs import TrainingInputs
from modeling_fer.training.optimization import build_optimizer, learning_rate_factor, moving_average
from modeling_fer.training.process import choose_precision, default_device, forget_other_runs, share_batch_statistics
from modeling_fer.training.progress import Progress, check_resumable
from modeling_fer.training.recipe import Recipe, write_recipe
from modeling_fer.training.run_folder import keep_epochs, replace_folder, restore_folder, whole_or_not
from modeling_fer.training.sampling import build_sampler, fitting_batch, training_shares
from modeling_fer.training.tracking import check_trackers, flatten_settings
from modeling_fer.training.validation import validate


class Trainer:
    """One run: `Trainer(recipe, train, validation, folder).fit()`.

    Args:
        recipe: what to train and how.
        train: the training set, in memory or streamed.
        validation: a data set with the same classes.
        folder: where the run is written.
        resume: go on where the folder's state stands, by the same recipe or one of more epochs.
        cpu: train on the CPU even where there is an accelerator.
        save_steps: the state is written after every so many steps of an epoch, and after each epoch. A resumed run ends with the same
            weights, bit for bit on one CPU process in float32, as one that was never stopped.
        trackers: where metrics are sent beside metrics.jsonl, names in `TRACKERS`.

    Raises:
        FileNotFoundError: there is no state to resume from.
        ValueError: the two data sets have different classes, no image has landmarks that the recipe needs, a tracker is not installed,
            the device cannot compute in the recipe's precision, or a run is resumed with another recipe, on other data or on another
            number of processes.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: FaceColumns | FaceStream,
        validation: FaceColumns,
        folder: str | Path,
        resume: bool = False,
        cpu: bool = False,
        save_steps: int = 100,
        trackers: Sequence[str] = (),
    ):
        if train.label_names != validation.label_names:
            raise ValueError(
                f"The training set has the classes {', '.join(train.label_names)}, but the validation set "
                f"{', '.join(validation.label_names)}; both need the same, in the same order."
            )
        self.recipe, self.folder, self.save_steps = recipe, Path(folder), save_steps
        precision = choose_precision(recipe.mixed_precision, "cpu" if cpu else default_device())
        forget_other_runs(precision, cpu)
        self.accelerator = Accelerator(
            mixed_precision=precision, cpu=cpu, log_with=check_trackers(trackers) or None, project_dir=str(folder)
        )
        set_seed(recipe.seed)
        self.config = build_config(recipe, train.label_names, validation.auxiliary_names)
        check_landmarks(self.config, train)
        if isinstance(train, FaceColumns):
            self.config.label_shares = training_shares(recipe, train)
        self.processor = build_processor(recipe, self.config)
        self.validation = validation

        model = initial_model(recipe, self.config).to(memory_format=torch.channels_last)
        if self.accelerator.num_processes > 1 and self.accelerator.device.type == "cuda":
            model = share_batch_statistics(model)
        # Reseeded at each epoch and each step, so that a resumed run draws what an unbroken one would.
        self.sampling = torch.Generator()
        self.inputs = TrainingInputs(recipe, self.config, self.processor, self.accelerator)
        optimizer = build_optimizer(recipe, model)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.loader = self.build_loader(train)
        updates = math.ceil(len(self.loader) / recipe.gradient_accumulation)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_factor(recipe, updates))
        self.average = AveragedModel(
            self.accelerator.unwrap_model(self.model),
            multi_avg_fn=moving_average(recipe.ema_decay or 0.0),
            use_buffers=True,
        )
        data = train.digest() if isinstance(train, FaceColumns) else "streamed"
        self.progress = Progress(self.accelerator.num_processes, data)
        self.accelerator.register_for_checkpointing(self.progress, self.average, self.scheduler)
        if resume:
            self.load_state()

    def build_loader(self, train: FaceColumns | FaceStream) -> DataLoader[dict[str, Tensor]] | StreamedBatches:
        """This process's share of the batches of the training set."""
        if isinstance(train, FaceStream):
            return train.batches(
                self.recipe.batch_size, self.recipe.seed, self.accelerator.process_index, self.accelerator.num_processes
            )
        batch_size = fitting_batch(self.recipe, len(train), self.accelerator.num_processes)
        loader: DataLoader[dict[str, Tensor]] = DataLoader(
            train,
            batch_size,
            sampler=build_sampler(self.recipe, train, self.sampling),
            collate_fn=lambda batch: batch,
            drop_last=len(train) >= batch_size * self.accelerator.num_processes,
        )
        return cast(DataLoader[dict[str, Tensor]], self.accelerator.prepare(loader))

    def fit(self) -> dict[str, float]:
        """Trains to the last epoch.

        Returns:
            The validation metrics of the epoch that is kept in best/.
        """
        self.start_folder()
        while self.progress.epoch < self.recipe.epochs and not self.stalled():
            metrics = self.train_epoch()
            metrics |= validate(self.accelerator, self.evaluated_model(), self.processor, self.validation)
            self.progress.epoch, self.progress.step, self.progress.loss_sum = self.progress.epoch + 1, 0, 0.0
            if self.recipe.selection == "last" or self.improves(metrics):
                self.progress.best_epoch, self.progress.best = self.progress.epoch, metrics
                self.save_checkpoint("best")
            self.save_checkpoint("last")
            # Before the state: what a resumed run does not repeat has been reported.
            self.report(metrics)
            self.save_state()
        self.accelerator.end_training()
        return self.progress.best

    def improves(self, metrics: dict[str, Any]) -> bool:
        """Whether an epoch is better than the best one before, by the recipe's selection."""

        def rank(one: dict[str, Any]) -> tuple[float, ...]:
            by_loss = (-one["validation_loss"],)
            return by_loss if self.recipe.selection == "loss" else (one["score"], *by_loss)

        return not self.progress.best or rank(metrics) > rank(self.progress.best)

    def stalled(self) -> bool:
        """Whether early stopping ends the run."""
        patience = self.recipe.early_stopping
        return patience is not None and self.progress.epoch - self.progress.best_epoch >= patience

    def seed_step(self) -> None:
        """Seeds augmentation by run and step, and dropout by process too."""
        seed = 1_000_003 * self.recipe.seed + self.progress.epoch * len(self.loader) + self.progress.step
        self.inputs.generator.manual_seed(seed)
        torch.manual_seed(seed * self.accelerator.num_processes + self.accelerator.process_index)

    def epoch_batches(self) -> Iterator[dict[str, Tensor]]:
        """The batches of an epoch, or the rest of one that was stopped, on the device of the model."""
        self.sampling.manual_seed(self.recipe.seed + 1000 * self.progress.epoch)
        if isinstance(self.loader, StreamedBatches):
            for batch in self.loader.epoch(self.progress.epoch, self.progress.step):
                yield send_to_device(batch, self.accelerator.device)
        else:
            yield from self.accelerator.skip_first_batches(self.loader, self.progress.step)

    def train_epoch(self) -> dict[str, Any]:
        """One pass over the training set, or the rest of one that was stopped."""
        self.model.train()
        progress, steps, start, images, waited = self.progress, len(self.loader), time.perf_counter(), 0, 0.0
        bar = tqdm(
            desc=f"epoch {progress.epoch + 1}/{self.recipe.epochs}",
            initial=progress.step,
            total=steps,
            disable=not self.accelerator.is_main_process,
        )
        losses: list[Tensor] = []
        asked, saved = start, progress.step
        for batch in self.epoch_batches():
            waited += time.perf_counter() - asked
            self.seed_step()
            losses.append(self.train_step(batch))
            progress.step += 1
            bar.update()
            images += len(batch["images"]) * self.accelerator.num_processes
            due = progress.step - saved >= self.save_steps and progress.step < steps
            saving = due and self.completes_update(progress.step)
            if saving or len(losses) == 20 or progress.step == steps:
                recent = self.add_losses(losses)
                bar.set_postfix(loss=f"{recent / len(losses):.3f}")
                progress.loss_sum += recent
                losses.clear()
            if saving:
                self.save_state()
                saved = progress.step
            asked = time.perf_counter()
        bar.close()
        seconds = time.perf_counter() - start
        self.share_loss()
        return {
            "loss": progress.loss_sum / steps,
            "images_per_second": images / seconds,
            "seconds": seconds,
            "data_share": waited / seconds,
        }

    def share_loss(self) -> None:
        """Gives every process the mean over processes of what it summed: only the first one's progress is saved."""
        if self.accelerator.num_processes > 1:
            own = torch.tensor(self.progress.loss_sum, device=self.accelerator.device)
            self.progress.loss_sum = cast(Tensor, self.accelerator.reduce(own, "mean")).item()

    def add_losses(self, losses: Sequence[Tensor]) -> float:
        """The sum of the losses of the last steps. They are looked at together, as reading one makes an accelerator wait.

        Raises:
            FloatingPointError: one of them is not a number.
        """
        values = torch.stack(list(losses)).tolist()
        for step, value in enumerate(values, start=self.progress.step - len(values) + 1):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"The loss is {value} in epoch {self.progress.epoch + 1}, step {step}; the checkpoints written before are kept. "
                    "A lower learning rate or gradient clipping may help."
                )
        return math.fsum(values)

    def completes_update(self, step: int) -> bool:
        """Whether the weights change after so many steps of an epoch: when enough gradients are accumulated, and at its end."""
        return step % self.recipe.gradient_accumulation == 0 or step == len(self.loader)

    def update_size(self, step: int) -> int:
        """From how many batches the update comes that a step of an epoch takes part in; the last one of an epoch may have fewer."""
        size, rest = self.recipe.gradient_accumulation, len(self.loader) % self.recipe.gradient_accumulation
        return rest if rest and step > len(self.loader) - rest else size

    def train_step(self, batch: dict[str, Tensor]) -> Tensor:
        """One batch: make inputs of it, step down its gradient."""
        step = self.progress.step + 1
        completes = self.completes_update(step)
        with nullcontext() if completes else self.accelerator.no_sync(self.model):
            outputs = self.model(**self.inputs(batch))
            self.accelerator.backward(outputs.loss / self.update_size(step))
        if completes:
            if self.recipe.gradient_clipping is not None:
                self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.gradient_clipping)
            self.optimizer.step()
            self.scheduler.step()
            self.optimizer.zero_grad()
            if self.recipe.ema_decay:
                self.average.update_parameters(self.accelerator.unwrap_model(self.model))
        loss: Tensor = outputs.loss.detach()
        return loss

    def evaluated_model(self) -> FerForImageClassification:
        """The model that is validated and saved: the moving average where the recipe asks for one."""
        averaged = cast(FerForImageClassification, self.average.module)
        return averaged if self.recipe.ema_decay else self.accelerator.unwrap_model(self.model)

    def start_folder(self) -> None:
        """Makes the run folder, writes into it the recipe and what trains, and opens the trackers."""
        if self.accelerator.is_main_process:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_recipe(self.recipe, self.folder / "recipe.yaml")
            note_environment(self.folder, describe_environment(self.accelerator))
        self.accelerator.wait_for_everyone()
        self.accelerator.init_trackers("modeling-fer", config=flatten_settings(self.recipe.to_dict()))

    def save_checkpoint(self, name: str) -> None:
        """Writes model and processor to best/ or last/."""
        if self.accelerator.is_main_process:
            new = self.folder / f"{name}.new"
            with whole_or_not(self.folder / name, new):
                self.evaluated_model().save_pretrained(new)
                self.processor.save_pretrained(new)
            replace_folder(self.folder / name, new)

    def save_state(self) -> None:
        """Writes all that resuming needs to state/."""
        self.share_loss()
        new = self.folder / "state.new"
        with whole_or_not(self.folder / "state", new):
            self.accelerator.save_state(str(new))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            replace_folder(self.folder / "state", new)

    def load_state(self) -> None:
        """Goes back to where state/ was written.

        Raises:
            OSError: a file of it is damaged or missing.
        """
        check_resumable(self.recipe, self.folder)
        now = replace(self.progress)
        try:
            self.accelerator.load_state(str(self.folder / "state"))
        # torch, pickle and safetensors have errors of their own for a file that was cut off.
        except (OSError, RuntimeError, EOFError, UnpicklingError, SafetensorError) as error:
            last = self.folder / "last"
            start = f"by --set initial_checkpoint={last}" if last.is_dir() else "without --resume"
            raise OSError(
                f"{self.folder / 'state'} cannot be read ({type(error).__name__}), as a file of it is damaged or missing; begin anew "
                f"{start}, into another folder."
            ) from error
        self.progress.check_same_run(now, self.folder)
        if self.accelerator.is_main_process:
            keep_epochs(self.folder / "metrics.jsonl", self.progress.epoch)

    def report(self, metrics: dict[str, Any]) -> None:
        """Writes a line of metrics.jsonl, and the same to the trackers."""
        line = {"epoch": self.progress.epoch, "learning_rate": max(self.scheduler.get_last_lr()), **metrics}
        known = zip(self.validation.label_names, metrics["recall"], strict=True)
        named = {f"recall/{name}": value for name, value in known if value is not None}
        self.accelerator.log({**{k: v for k, v in line.items() if k not in ("recall", "epoch")}, **named}, self.progress.epoch)
        if self.accelerator.is_main_process:
            with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            self.accelerator.print(
                f"epoch {line['epoch']}: loss {metrics['loss']:.4f}, validation accuracy {metrics['accuracy']:.4f}, "
                + (f"of the second labels {metrics['auxiliary_accuracy']:.4f}, " if "auxiliary_accuracy" in metrics else "")
                + f"UAR {metrics['uar']:.4f}, {metrics['images_per_second']:.0f} images/s"
            )


def train_or_resume(recipe: Recipe, train: FaceColumns, validation: FaceColumns, folder: Path, cpu: bool) -> dict[str, float]:
    """Trains in a folder to the end, from where an earlier run in it stopped if there was one.

    Args:
        recipe, train, validation, folder, cpu: as of `Trainer`.

    Returns:
        What `Trainer.fit` does.
    """
    return Trainer(recipe, train, validation, folder, resume=restore_folder(folder / "state"), cpu=cpu).fit()

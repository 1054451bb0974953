"""Where a run stands, and whether it can go on from there."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modeling_fer.training.recipe import Recipe, check_same_recipe
from modeling_fer.training.run_folder import restore_folder


@dataclass
class Progress:
    """Where a run stands; saved with its state.

    Attributes:
        epoch: whole epochs done.
        step, loss_sum: batches done in the epoch at hand by each process, and the sum of their losses.
        best_epoch, best: the epoch that is kept so far, by the recipe's selection, counted from 1, and its metrics.
        processes, data: on how many processes the run trains, and the digest of what it learns. Steps and schedule count by them.
    """

    processes: int
    data: str
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best_epoch: int = 0
    best: dict[str, Any] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def check_same_run(self, now: "Progress", folder: Path) -> None:
        """Refuses to go on with a run under other conditions than it was begun.

        Args:
            now: of the run that is to go on, before it has read where it stands.
            folder: of the run.

        Raises:
            ValueError: another number of processes, or other data.
        """
        if self.processes != now.processes:
            raise ValueError(
                f"{folder} was begun on {self.processes} processes, but {now.processes} go on with it now; its steps and its "
                "schedule count by them, so resume on as many or start another run."
            )
        if self.data != now.data:
            raise ValueError(f"{folder} was begun on other images or labels; resume it on the same data or start another run.")


def check_resumable(recipe: Recipe, folder: Path) -> None:
    """Refuses to go on with a run that is not there, or was of another recipe.

    Raises:
        FileNotFoundError: the folder holds no state.
        ValueError: the recipe differs in more than the number of epochs.
    """
    if not restore_folder(folder / "state"):
        raise FileNotFoundError(f"{folder} holds no state to resume from; start it without --resume.")
    check_same_recipe(recipe, folder, longer=True)

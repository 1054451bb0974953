"""What the models answer."""

from dataclasses import dataclass

from torch import Tensor
from transformers.utils import ModelOutput


@dataclass
class FerModelOutput(ModelOutput):
    """
    Args:
        last_hidden_state (`torch.FloatTensor` of shape `(batch, channels, height, width)`):
            The gated features h, the output of the expression block.
        relevance_map (`torch.FloatTensor` of shape `(batch, 1, image_size, image_size)`, *optional*):
            The relevance map x̂; None for the baseline CNN (`regularization="none"`).
    """

    last_hidden_state: Tensor | None = None
    relevance_map: Tensor | None = None


@dataclass
class FerLossTerms(ModelOutput):
    """The terms of the objective before they are weighted, scalars; None where the regularization does not use one.

    Args:
        classification: cross-entropy (eq. 3).
        landmark_map: mean squared error between relevance map and heatmap (eq. 4).
        sparsity: mean absolute relevance (eq. 6).
        contiguity: total variation of the relevance map (eq. 7).
        auxiliary: cross-entropy of the second label set.
    """

    classification: Tensor | None = None
    landmark_map: Tensor | None = None
    sparsity: Tensor | None = None
    contiguity: Tensor | None = None
    auxiliary: Tensor | None = None


@dataclass
class FerImageClassifierOutput(ModelOutput):
    """
    Args:
        loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
            The objective (eq. 2).
        logits (`torch.FloatTensor` of shape `(batch, num_labels)`):
            Scores of the expressions before softmax, with the configuration's temperature and prior.
        relevance_map (`torch.FloatTensor` of shape `(batch, 1, image_size, image_size)`, *optional*):
            The relevance map x̂ that the expression was read by; None for the baseline CNN.
        auxiliary_logits (`torch.FloatTensor` of shape `(batch, len(auxiliary_labels))`, *optional*):
            Scores of the second label set before softmax, where the model has one.
        loss_terms (`FerLossTerms`, *optional*, returned when `labels` is given):
            The terms of the objective, unweighted.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    relevance_map: Tensor | None = None
    auxiliary_logits: Tensor | None = None
    loss_terms: FerLossTerms | None = None

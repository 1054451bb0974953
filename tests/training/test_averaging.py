import pytest
import torch
from helpers import tiny_config

from modeling_fer import FerForImageClassification
from modeling_fer.training.averaging import average_weights


def test_average_of_weights():
    models = [FerForImageClassification(tiny_config(normalization="batch")) for _ in range(3)]
    states = [{key: value.clone() for key, value in model.state_dict().items()} for model in models]
    averaged = average_weights(models, [2, 1, 1]).state_dict()
    for key in ("classifier.output.weight", "fer.facial_parts.relevance.bias"):
        torch.testing.assert_close(averaged[key], (2 * states[0][key] + states[1][key] + states[2][key]) / 4)
    with pytest.raises(ValueError, match="3 checkpoints need as many weights"):
        average_weights(models, [1, 1])
    with pytest.raises(ValueError, match="differ in"):
        average_weights([models[0], FerForImageClassification(tiny_config(hidden_sizes=[8, 16]))], [1, 1])

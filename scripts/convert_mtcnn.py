"""Writes MTCNN's three networks, as facenet-pytorch brings them, as ONNX files that `modeling_fer.mtcnn_fer` runs.

    pip install facenet-pytorch onnx onnxscript
    python scripts/convert_mtcnn.py --output modeling_fer/detectors/mtcnn

The networks compute the same, in a form that ONNX Runtime is fast with; see `BentConv` and `PooledConv`.
"""

import argparse
from pathlib import Path
from typing import Any

import onnx
import torch
from facenet_pytorch import MTCNN
from torch import nn

BLOCK = 16
"""ONNX Runtime computes so many channels at once, or half as many."""


class PReLU(nn.Module):
    """PReLU (He et al. 2015) after a dense layer, by operators that are vectorized, which ONNX Runtime's own is not.

    Args:
        slopes: (channels,), at most 1.
    """

    def __init__(self, slopes: torch.Tensor):
        super().__init__()
        self.slopes = slopes

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return torch.maximum(values, self.slopes * values)


class BentConv(nn.Module):
    """Convolution and PReLU by nothing but products, sums and ReLUs: ONNX Runtime then leaves the values in the order in memory that it
    is fast with, which a maximum would make it give up and restore.

    A PReLU of slope a is f(z) = az + (1 - a) max(z, 0). Its result is given divided by 1 - a, which `next_layer` undoes.

    Args:
        conv: the convolution.
        slopes: (channels,), less than 1, so that the maximum of what is divided lies where that of the PReLU does.
    """

    def __init__(self, conv: Any, slopes: torch.Tensor):
        super().__init__()
        self.conv = conv
        self.scales = 1 - slopes
        self.straight = (slopes / self.scales).view(-1, 1, 1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = self.conv(values)
        return self.straight * values + values.relu()

    def next_layer(self, layer: Any) -> Any:
        """A convolution or dense layer, which sees channels last, that takes what comes from here."""
        weight = layer.weight.data
        if isinstance(layer, nn.Linear):
            layer.weight.data = weight * self.scales.repeat(weight.shape[1] // len(self.scales))
        else:
            layer.weight.data = weight * self.scales.view(-1, 1, 1)
        return layer


class PooledConv(nn.Module):
    """Convolution, PReLU and maximum pooling; the pooling comes first, so that the PReLU has fewer values to see. It pays in
    the first layer of a network, where the convolution is cheap and its result large.

    A PReLU f whose slope is not negative never falls, and then max f(z) = f(max z). One with a negative slope a is max(z, az), and its
    maximum that of the two maxima; the convolution gives both z and az. As max(p, q) = p + max(q - p, 0), either is a sum of the pooled
    values and of the ReLU of another sum of them, so convolutions of one pixel do, for the reason of `BentConv`. Channels are filled up
    to a number that ONNX Runtime need not fill up.

    Where a slope is above 1 the result is negative, which `next_layer` undoes.
    """

    def __init__(self, conv: Any, slopes: torch.Tensor, pool: nn.MaxPool2d):
        super().__init__()
        falling, steep = (slopes < 0).nonzero()[:, 0], slopes > 1
        count = len(slopes)
        second = torch.arange(count, count + len(falling))
        channels = ceil_to(count + len(falling), BLOCK)
        taken, factors = torch.cat([torch.arange(count), falling]), torch.cat([torch.ones(count), slopes[falling]])
        weight, bias = torch.zeros(channels, *conv.weight.shape[1:]), torch.zeros(channels)
        weight[: len(taken)] = conv.weight.data[taken] * factors.view(-1, 1, 1, 1)
        bias[: len(taken)] = conv.bias.data[taken] * factors
        straight, bent = torch.zeros(count, channels), torch.zeros(count, channels)
        straight[:, :count], bent[:, :count] = torch.where(steep, -1, slopes).diag(), (1 - slopes).diag()
        straight[falling, falling], bent[falling, falling], bent[falling, second] = 1, -1, 1
        self.conv, self.pool = convolution(weight, bias), pool
        self.straight, self.bent = (convolution(values.view(count, channels, 1, 1)) for values in (straight, bent))
        self.signs = torch.where(steep, -1.0, 1.0)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = self.pool(self.conv(values))
        answers: torch.Tensor = self.straight(values) + self.bent(values).relu()
        return answers

    def next_layer(self, conv: Any) -> Any:
        """A convolution that takes what comes from here."""
        conv.weight.data = conv.weight.data * self.signs.view(-1, 1, 1)
        return conv


def convolution(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Conv2d:
    """The convolution of some weights: (channels, inputs, height, width)."""
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], (weight.shape[2], weight.shape[3]), bias=bias is not None)
    conv.weight = nn.Parameter(weight)
    conv.bias = None if bias is None else nn.Parameter(bias)
    return conv


def ceil_to(count: int, step: int) -> int:
    """The least multiple of a step that is not less than a count."""
    return -(-count // step) * step


def take_pixels(conv: Any) -> Any:
    """The same convolution for pixels in [0, 255] instead of (pixels - 127.5) / 128."""
    conv.weight.data = conv.weight.data / 128
    conv.bias.data = conv.bias.data - 127.5 * conv.weight.data.sum((1, 2, 3))
    return conv


class ProposalNetwork(nn.Module):
    """PNet: pixels (1, 3, height, width) to (1, 5, rows, columns), the face's logit and four offsets for each window of 12 pixels."""

    def __init__(self, net: Any):
        super().__init__()
        self.first = PooledConv(take_pixels(net.conv1), net.prelu1.weight.data, net.pool1)
        self.second = BentConv(self.first.next_layer(net.conv2), net.prelu2.weight.data)
        self.third = BentConv(self.second.next_layer(net.conv3), net.prelu3.weight.data)
        # The softmax over two classes is the sigmoid of the difference of their logits.
        scores, offsets = net.conv4_1, net.conv4_2
        self.head = nn.Conv2d(net.conv3.out_channels, 5, 1)
        self.head.weight = nn.Parameter(torch.cat([scores.weight[1:] - scores.weight[:1], offsets.weight]))
        self.head.bias = nn.Parameter(torch.cat([scores.bias[1:] - scores.bias[:1], offsets.bias]))
        self.third.next_layer(self.head)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        answers: torch.Tensor = self.head(self.third(self.second(self.first(pixels))))
        return answers


class RefinementNetwork(nn.Module):
    """RNet: pixels (batch, 3, 24, 24) to the face's probabilities (batch,) and offsets (batch, 4)."""

    def __init__(self, net: Any):
        super().__init__()
        self.first = PooledConv(take_pixels(net.conv1), net.prelu1.weight.data, net.pool1)
        self.second = BentConv(self.first.next_layer(net.conv2), net.prelu2.weight.data)
        self.third = BentConv(self.second.next_layer(net.conv3), net.prelu3.weight.data)
        self.fourth = nn.Sequential(self.third.next_layer(net.dense4), PReLU(net.prelu4.weight.data))
        self.pool = net.pool2
        self.scores, self.offsets = net.dense5_1, net.dense5_2

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values = self.third(self.pool(self.second(self.first(pixels))))
        values = self.fourth(values.permute(0, 3, 2, 1).flatten(1))
        return self.scores(values).softmax(1)[:, 1], self.offsets(values)


class OutputNetwork(nn.Module):
    """ONet: pixels (batch, 3, 48, 48) to the face's probabilities (batch,), offsets (batch, 4) and points (batch, 10), x then y."""

    def __init__(self, net: Any):
        super().__init__()
        self.first = PooledConv(take_pixels(net.conv1), net.prelu1.weight.data, net.pool1)
        self.second = BentConv(self.first.next_layer(net.conv2), net.prelu2.weight.data)
        self.third = BentConv(self.second.next_layer(net.conv3), net.prelu3.weight.data)
        self.fourth = BentConv(self.third.next_layer(net.conv4), net.prelu4.weight.data)
        self.fifth = nn.Sequential(self.fourth.next_layer(net.dense5), PReLU(net.prelu5.weight.data))
        self.pools = nn.ModuleList([net.pool2, net.pool3])
        self.scores, self.offsets, self.points = net.dense6_1, net.dense6_2, net.dense6_3

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        values = self.pools[0](self.second(self.first(pixels)))
        values = self.fourth(self.pools[1](self.third(values)))
        values = self.fifth(values.permute(0, 3, 2, 1).flatten(1))
        return self.scores(values).softmax(1)[:, 1], self.offsets(values), self.points(values)


def without_history(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model without the exporter's notes, which name files of the machine that it ran on."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
    return model


def convert(folder: Path) -> None:
    """Writes pnet.onnx, rnet.onnx and onet.onnx."""
    mtcnn, free = MTCNN(), torch.export.Dim.DYNAMIC
    folder.mkdir(parents=True, exist_ok=True)
    for name, network, shape, dimensions, outputs in (
        ("pnet", ProposalNetwork(mtcnn.pnet), (1, 3, 96, 128), {2: free, 3: free}, ["windows"]),
        ("rnet", RefinementNetwork(mtcnn.rnet), (4, 3, 24, 24), {0: free}, ["scores", "offsets"]),
        ("onet", OutputNetwork(mtcnn.onet), (4, 3, 48, 48), {0: free}, ["scores", "offsets", "points"]),
    ):
        program = torch.onnx.export(
            network.eval(),
            (torch.zeros(shape),),
            input_names=["pixels"],
            output_names=outputs,
            dynamic_shapes=(dimensions,),
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        onnx.save(without_history(program.model_proto), folder / f"{name}.onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for the three files")
    convert(parser.parse_args().output)


if __name__ == "__main__":
    main()

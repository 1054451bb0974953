"""Convolutional layers and blocks that the network's modules are built from."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_fer import FerConfig


class ConvLayer(nn.Sequential):
    """3x3 convolution, batch normalization where the configuration asks for it, ReLU."""

    def __init__(self, config: FerConfig, in_channels: int, out_channels: int):
        normalized = config.normalization == "batch"
        layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=not normalized)]
        if normalized:
            layers.append(nn.BatchNorm2d(out_channels))
        super().__init__(*layers, nn.ReLU(inplace=True))


class DownBlock(nn.Sequential):
    """[conv, conv, pool]: (batch, in, h, w) -> (batch, out, h / 2, w / 2)."""

    def __init__(self, config: FerConfig, in_channels: int, out_channels: int, convs: int = 2):
        inputs = [in_channels] + [out_channels] * (convs - 1)
        super().__init__(*(ConvLayer(config, channels, out_channels) for channels in inputs), nn.MaxPool2d(2))


class SqueezeExcitation(nn.Module):
    """Weighs each channel by what all of them are on average (Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018)."""

    def __init__(self, channels: int, reduction: int = 8):
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, squeezed)
        self.excite = nn.Linear(squeezed, channels)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, channels, h, w) -> the same."""
        weights: Tensor = self.excite(self.squeeze(features.mean(dim=(2, 3))).relu()).sigmoid()
        return features * weights[:, :, None, None]


class ResidualBlock(nn.Module):
    """ReLU of the shortcut plus [3x3 conv, 3x3 conv] (He et al., "Deep Residual Learning", CVPR 2016): (batch, in, h, w) ->
    (batch, out, h / stride, w / stride).

    The shortcut has no weights: where the block makes the map smaller it averages, where it adds channels they are zero. In training a
    share `drop_path` of the images skips the convolutions (Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016).
    """

    def __init__(self, config: FerConfig, in_channels: int, out_channels: int, stride: int = 1, drop_path: float = 0.0):
        super().__init__()
        normalized = config.normalization == "batch"
        self.stride, self.added_channels, self.drop_path = stride, out_channels - in_channels, drop_path
        # A stride of 2 reads from the first pixel on, like the averages of the shortcut.
        padding = 1 if stride == 1 else 0
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding, bias=not normalized)
        self.norm1 = nn.BatchNorm2d(out_channels) if normalized else nn.Identity()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=not normalized)
        self.norm2 = nn.BatchNorm2d(out_channels) if normalized else nn.Identity()
        self.excitation = SqueezeExcitation(out_channels) if config.squeeze_excitation else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        shortcut = features
        if self.stride > 1:
            shortcut = F.avg_pool2d(shortcut, self.stride)
            features = F.pad(features, (0, 1, 0, 1))
        if self.added_channels:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.added_channels))
        features = F.relu(self.norm1(self.conv1(features)), inplace=True)
        features = self.excitation(self.norm2(self.conv2(features)))
        if self.training and self.drop_path:
            kept = torch.rand(len(features), 1, 1, 1, device=features.device) >= self.drop_path
            features = features * (kept / (1 - self.drop_path)).to(features.dtype)
        return F.relu(features + shortcut, inplace=True)


class ResidualStem(nn.Sequential):
    """[5x5 conv, normalization, ReLU, pool]: (batch, in, h, w) -> (batch, out, h / 2, w / 2)."""

    def __init__(self, config: FerConfig, in_channels: int, out_channels: int):
        normalized = config.normalization == "batch"
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=5, padding=2, bias=not normalized),
            nn.BatchNorm2d(out_channels) if normalized else nn.Identity(),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
        )


class ResidualStages(nn.Sequential):
    """The stem, then stages of `residual_blocks` blocks; each stage after the first halves the map and doubles the filters."""

    def __init__(self, config: FerConfig, channels: list[int]):
        stages: list[nn.Module] = [ResidualStem(config, config.num_channels, channels[0])]
        total, done = sum(config.residual_blocks), 0
        in_channels = channels[0]
        for stage, (blocks, out_channels) in enumerate(zip(config.residual_blocks, channels, strict=True)):
            layers = []
            for block in range(blocks):
                done += 1
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(ResidualBlock(config, in_channels, out_channels, stride, config.drop_path * done / total))
                in_channels = out_channels
            stages.append(nn.Sequential(*layers))
        super().__init__(*stages)


class UpBlock(nn.Sequential):
    """[transposed conv, ReLU, conv, conv]: (batch, in, h, w) -> (batch, out, 2h, 2w)."""

    def __init__(self, config: FerConfig, in_channels: int, out_channels: int):
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2),
            nn.ReLU(inplace=True),
            ConvLayer(config, out_channels, out_channels),
            ConvLayer(config, out_channels, out_channels),
        )


def doubled_channels(first: int, depth: int) -> list[int]:
    """Filters of `depth` blocks, doubled at each pooling: [first, 2 first, 4 first, ...]."""
    return [first * 2**step for step in range(depth)]


class TimmBackbone(nn.Module):
    """The last feature map of a convolutional timm model, in place of the [conv, conv, pool] blocks."""

    def __init__(self, name: str, num_channels: int):
        super().__init__()
        try:
            import timm
        except ImportError as error:
            raise ImportError(f"The checkpoint's backbone {name!r} comes from timm; install it: pip install timm") from error
        if not timm.is_model(name):
            raise ValueError(f"backbone is {name!r}, which timm does not know; timm.list_models() lists the names.")
        features: Any = timm.create_model(name, features_only=True, in_chans=num_channels, out_indices=(-1,))
        self.features = features
        self.out_channels: int = features.feature_info.channels()[-1]

    def forward(self, pixel_values: Tensor) -> Tensor:
        maps: list[Tensor] = self.features(pixel_values)
        return maps[-1]

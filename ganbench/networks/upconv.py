"""An MNIST network of the tutorials: pooling in the critic, bilinear upsampling in the generator."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from ganbench.interfaces.architecture import Architecture, CriticNetwork
from ganbench.networks.dcgan import check_image
from ganbench.networks.layers import BatchNorm, ChannelsLastFlatten, ChannelsLastUnflatten


@dataclass(frozen=True)
class Upconv(Architecture):
    """Upsampling followed by convolution, which leaves no checkerboard; a critic with BatchNorm and max-pooling.

    The critic's BatchNorm makes a sample's score depend on its batch: penalties on the gradient of single scores
    are then not what their papers define.
    """

    name = "upconv"
    couples_samples = True
    latent: int = 20

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to images (batch, channels, side, side) in [-1, 1]."""
        self.check(sample_shape)
        channels, side, _ = sample_shape
        layers: list[nn.Module] = [
            nn.Linear(self.latent, 256 * (side // 4) ** 2),
            ChannelsLastUnflatten(256, side // 4),
            nn.ReLU(),
        ]
        for coarse, fine in pairwise((256, 128, 64)):
            layers += [nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(coarse, fine, 3, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.Conv2d(64, channels, 1), SignedSigmoid())

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Images (batch, channels, side, side) to raw scores (batch,)."""
        self.check(sample_shape)
        channels, side, _ = sample_shape
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((channels, 16, 32, 64)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), BatchNorm(outputs)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
        return CriticNetwork(nn.Sequential(*layers, ChannelsLastFlatten()), 64 * (side // 8) ** 2)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Square images of at least 8 pixels whose side is a multiple of 4.

        Raises:
            UsageError: for any other shape.
        """
        check_image(self.name, sample_shape)


class SignedSigmoid(nn.Module):
    """The sigmoid, stretched from [0, 1] to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Values in [-1, 1], of the shape of ``x``."""
        return 2 * x.sigmoid() - 1

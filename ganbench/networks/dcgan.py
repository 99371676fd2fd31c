"""DCGAN for small images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from ganbench.errors import UsageError
from ganbench.interfaces.architecture import Architecture, CriticNetwork
from ganbench.networks.layers import (
    BatchNorm,
    ChannelsLastFlatten,
    ChannelsLastUnflatten,
    StridedConv2d,
    StridedConvTranspose2d,
)

# -- image sizes -------------------------------------------------------------------------------------------------------

SMALLEST = 8  # pixels


def check_image(architecture: str, sample_shape: tuple[int, ...]) -> None:
    """Pass square images whose side can be halved twice, and nothing else.

    Raises:
        UsageError: naming the architecture, the shape it was given and what to use instead.
    """
    if len(sample_shape) != 3:
        drawn = "images"
    elif sample_shape[1] != sample_shape[2] or sample_shape[1] < SMALLEST or sample_shape[1] % 4:
        drawn = f"square images of at least {SMALLEST} pixels a side, a multiple of 4"
    else:
        return
    sentence = f"architecture {architecture!r} draws {drawn}; dataset samples have shape {sample_shape}: use mlp"
    raise UsageError(sentence, subject=architecture, code="shape", remedy="mlp")


# -- networks ----------------------------------------------------------------------------------------------------------

SMALL = 32  # pixels; larger images get twice the filters, as the paper's 64-pixel networks have
BASE = 4  # pixels, where the paper's halving ends


@dataclass(frozen=True)
class Dcgan(Architecture):
    """Strided 4x4 convolutions; BatchNorm in the generator only, so that a score is a function of its sample alone.

    Sides are halved until they are 4 or odd, and at least twice: 64, 32, 16, 8, 4; or 28, 14, 7; or 8, 4, 2. All
    weights start from N(0, .02^2), as in the paper.

    Attributes:
        width: filters at the finest level, doubled at every halving; twice that for images above 32 pixels.
    """

    name = "dcgan"
    width: int = 32

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to images (batch, channels, side, side) in [-1, 1]."""
        self.check(sample_shape)
        channels, side, _ = sample_shape
        filters = _filters(self.width, side)[::-1]
        layers = _project(self.latent, filters[0], side >> len(filters))
        layers += [BatchNorm(filters[0]), nn.ReLU()]
        for coarse, fine in pairwise(filters):
            layers += [StridedConvTranspose2d(coarse, fine, bias=False), BatchNorm(fine), nn.ReLU()]
        return nn.Sequential(*layers, StridedConvTranspose2d(filters[-1], channels), nn.Tanh())

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Images (batch, channels, side, side) to raw scores (batch,)."""
        self.check(sample_shape)
        channels, side, _ = sample_shape
        filters = [channels, *_filters(self.width, side)]
        layers = [layer for i, o in pairwise(filters) for layer in (StridedConv2d(i, o), nn.LeakyReLU(0.2))]
        base = side >> (len(filters) - 1)
        critic = CriticNetwork(nn.Sequential(*layers, ChannelsLastFlatten()), filters[-1] * base**2)
        _start_small(critic.head)
        return critic

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Square images of at least 8 pixels whose side is a multiple of 4.

        Raises:
            UsageError: for any other shape.
        """
        check_image(self.name, sample_shape)


@dataclass(frozen=True)
class DcganPlain(Dcgan):
    """DCGAN without BatchNorm and with a constant number of filters: Arjovsky, Chintala & Bottou (2017), figure 6.

    Only the generator is crippled, as in the paper's code: the critic is DCGAN's, which has no BatchNorm here.
    """

    name = "dcgan-plain"

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to images (batch, channels, side, side) in [-1, 1]."""
        self.check(sample_shape)
        channels, side, _ = sample_shape
        filters = _filters(self.width, side)
        layers = [*_project(self.latent, filters[0], side >> len(filters)), nn.ReLU()]
        for _ in filters[1:]:
            layers += [StridedConvTranspose2d(filters[0], filters[0]), nn.ReLU()]
        return nn.Sequential(*layers, StridedConvTranspose2d(filters[0], channels), nn.Tanh())


def _filters(width: int, side: int) -> list[int]:
    """Filters at half the side, a quarter, ...: one number for every halving."""
    levels, first = 0, width if side <= SMALL else 2 * width
    while side % 2 == 0 and (side > BASE or levels < 2):
        side, levels = side // 2, levels + 1
    return [first * 2**level for level in range(levels)]


def _project(latent: int, channels: int, side: int) -> list[nn.Module]:
    """The linear layer from a latent to the coarsest image."""
    return [_start_small(nn.Linear(latent, channels * side**2)), ChannelsLastUnflatten(channels, side)]


def _start_small(linear: nn.Linear) -> nn.Linear:
    """Weights from N(0, .02^2), biases of zero."""
    nn.init.normal_(linear.weight, std=0.02)
    nn.init.zeros_(linear.bias)
    return linear

"""Multi-layer perceptrons, for samples of any shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from ganbench.errors import UsageError
from ganbench.interfaces.architecture import Architecture, CriticNetwork
from ganbench.networks.dcgan import Dcgan, check_image


@dataclass(frozen=True)
class Mlp(Architecture):
    """Two hidden ReLU layers of 128 units in both players; tanh at the end of a generator of images.

    Attributes:
        width: units of a hidden layer.
        depth: hidden layers.
    """

    name = "mlp"
    width: int = 128
    depth: int = 2

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to samples (batch, *sample_shape)."""
        self.check(sample_shape)
        last = [nn.Linear(self.width, math.prod(sample_shape)), nn.Unflatten(1, sample_shape)]
        bound = [nn.Tanh()] if len(sample_shape) == 3 else []
        return nn.Sequential(*self._hidden(self.latent), *last, *bound)

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Samples (batch, *sample_shape) to raw scores (batch,)."""
        self.check(sample_shape)
        return CriticNetwork(nn.Sequential(nn.Flatten(), *self._hidden(math.prod(sample_shape))), self.width)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Any shape will do, as long as there are hidden layers.

        Raises:
            UsageError: for a width or a depth below 1.
        """
        if self.width < 1 or self.depth < 1:
            sentence = f"{self.name}: width {self.width} and depth {self.depth} must both be at least 1"
            raise UsageError(sentence, subject=f"{self.name}.{'width' if self.width < 1 else 'depth'}")

    def _hidden(self, inputs: int) -> list[nn.Module]:
        sizes = [inputs] + [self.width] * self.depth
        return [layer for i in range(self.depth) for layer in (nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU())]


@dataclass(frozen=True)
class Mlp512(Mlp):
    """The generator without an idea of images: Arjovsky, Chintala & Bottou (2017), figure 7.

    Three hidden layers of 512 ReLU units and a linear one, as in the authors' code; the paper speaks of four layers,
    and of four hidden ones. Images keep DCGAN's critic, as in paper and code; vectors get an MLP of the generator's
    size. The final tanh is not theirs: it keeps images in [-1, 1], as every generator here does.
    """

    name = "mlp-512"
    width: int = 512
    depth: int = 3

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Samples (batch, *sample_shape) to raw scores (batch,)."""
        return Dcgan().critic(sample_shape) if len(sample_shape) == 3 else super().critic(sample_shape)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Vectors, and the images that DCGAN's critic can read.

        Raises:
            UsageError: for other images, and for a width or a depth below 1.
        """
        super().check(sample_shape)
        if len(sample_shape) == 3:
            check_image(self.name, sample_shape)

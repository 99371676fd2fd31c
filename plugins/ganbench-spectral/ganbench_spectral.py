"""Spectral normalisation, Miyato et al. (2018), as a plugin for ganbench: two architectures and an objective."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from ganbench import Dcgan, Mlp, Objective, Optimizer, UsageError, hookimpl

TECHNIQUES = ("sngan", "spectral-normalisation", "spectral-normalization")  # not to be looked for among objectives


@hookimpl
def ganbench_architectures():
    """Networks with a spectrally normalised critic."""
    return [MlpSn, DcganSn]


@hookimpl
def ganbench_objectives():
    """A loss that wants such a critic."""
    return [WassersteinSpectral]


def spectral_norm(matrix, squarings):
    """The largest singular value of a matrix, from above: a scalar.

    The power method on all starting vectors at once: the Gram matrix is squared ``squarings`` times, and its norm is
    then the Schatten norm of order p = 4·2^squarings, (Σ σᵢ^p)^(1/p). That is never less than σ₁ and at most
    rank^(1/p) times as much: Delattre et al. (2023), "Gram iteration". Unlike the paper's single step from a vector
    that is remembered, it is a function of the weights alone, smooth, and a bound.

    Args:
        matrix: (rows, columns).
        squarings: how often the Gram matrix is squared.
    """
    gram = matrix.mT @ matrix if matrix.shape[0] > matrix.shape[1] else matrix @ matrix.mT
    logarithm = 0.0
    for _ in range(squarings):  # scaled to norm one every time, so that nothing overflows
        size = torch.linalg.matrix_norm(gram)
        logarithm = 2 * (logarithm + size.log())
        gram = gram / size
        gram = gram @ gram
    logarithm = logarithm + torch.linalg.matrix_norm(gram).log()
    return (logarithm / 2 ** (squarings + 1)).exp()


class Normalised(nn.Module):
    """A weight divided by its spectral norm: Miyato et al. (2018), Eq. 8.

    The weight of a linear layer is (outputs, inputs), that of a convolution (4, 4, inputs, outputs), reshaped as in
    the paper to a matrix with one column an output.
    """

    def __init__(self, squarings: int) -> None:
        super().__init__()
        self.squarings = squarings

    def forward(self, weight):
        """The weight of a layer, at most of norm one."""
        return weight / spectral_norm(weight.flatten(0, -2), self.squarings)


def normalised(critic, squarings):
    """A critic with every weight matrix normalised; its parameters are the weights before that."""
    layers = [m for m in critic.modules() if getattr(m, "weight", None) is not None and m.weight.ndim > 1]
    for layer in layers:
        register_parametrization(layer, "weight", Normalised(squarings))
    return critic


def check_squarings(name, squarings):
    """Raises UsageError where the norm would not be one."""
    if squarings < 0:
        raise UsageError(f"{name}: squarings is {squarings}; it must be at least 0")


@dataclass(frozen=True)
class MlpSn(Mlp):
    """``mlp`` with a spectrally normalised critic, which is 1-Lipschitz: Miyato et al. (2018), Section 2.1.

    Attributes:
        squarings: of the Gram matrix; the norm of a layer of 128 units is at least 0.96 with 5.
    """

    name = "mlp-sn"
    techniques = TECHNIQUES
    squarings: int = 5

    def critic(self, sample_shape):
        """Samples (batch, *sample_shape) to raw scores (batch,)."""
        return normalised(super().critic(sample_shape), self.squarings)

    def check(self, sample_shape):
        """As ``mlp``."""
        check_squarings(self.name, self.squarings)
        super().check(sample_shape)


@dataclass(frozen=True)
class DcganSn(Dcgan):
    """``dcgan`` with a spectrally normalised critic: Miyato et al. (2018), Section 2.1 and Eq. 8.

    As in the paper, a convolution's weight is normalised as a matrix. Every pixel enters 2 x 2 of the 4 x 4 windows of
    stride 2, so that a convolution is 2-Lipschitz, and a critic of n of them 2^n-Lipschitz.

    Attributes:
        squarings: of the Gram matrix.
    """

    name = "dcgan-sn"
    techniques = TECHNIQUES
    squarings: int = 5

    def critic(self, sample_shape):
        """Images (batch, channels, side, side) to raw scores (batch,)."""
        return normalised(super().critic(sample_shape), self.squarings)

    def check(self, sample_shape):
        """As ``dcgan``."""
        check_squarings(self.name, self.squarings)
        super().check(sample_shape)


@dataclass(frozen=True)
class WassersteinSpectral(Objective):
    """Wasserstein loss for a critic that is Lipschitz by its architecture: no clipping, no penalty.

    Arjovsky, Chintala & Bottou (2017), Eq. 2, with the condition of Miyato et al. (2018), Section 2.1, and the
    optimizer of their residual networks. On ``mlp-sn`` the score gap is a lower bound on the Wasserstein-1 distance.
    On networks without a bound nothing holds the critic, and it runs away.
    """

    name = "wgan-sn"
    traceable = True

    n_critic: int = 5
    optimizer: Optimizer = Optimizer("adam", lr=2e-4, beta1=0.0, beta2=0.9)

    def critic_loss(self, critic, real, fake, draw):
        return critic(fake).mean() - critic(real).mean()

    def generator_loss(self, critic, real, fake, draw):
        return -critic(fake).mean()

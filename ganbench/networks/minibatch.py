"""Minibatch discrimination: critics that see how alike a batch is. Salimans et al. (2016), Section 3.2."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganbench.errors import UsageError
from ganbench.interfaces.architecture import CriticNetwork
from ganbench.networks.dcgan import Dcgan
from ganbench.networks.mlp import Mlp


class MinibatchDiscrimination(nn.Module):
    """(n, width) to (n, width + kernels): features, and beside them how close the other samples are.

    M_i = f_i T, c_b(i, j) = exp(-|M_ib - M_jb|_1), o_b(i) = mean of c_b(i, j) over the others. The paper sums, and
    counts the sample itself; a mean does not depend on the size of the batch, which the weights behind it would
    otherwise have to be trained anew for.

    Args:
        width: of the features.
        kernels: B, how many closenesses are measured.
        size: C, numbers that each is measured by.

    Attributes:
        weight: the matrices T side by side, (width, kernels * size), from N(0, .05^2) as in the authors' code.
    """

    def __init__(self, width: int, kernels: int, size: int) -> None:
        super().__init__()
        self.kernels, self.size = kernels, size
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(width, kernels * size), std=0.05))

    def forward(self, features: Tensor) -> Tensor:
        """Features with closenesses.

        Raises:
            UsageError: for a single sample, which has no others.
        """
        n = features.shape[0]
        if n < 2:
            sentence = "minibatch discrimination compares samples; use a --batch-size of at least 2"
            raise UsageError(sentence, subject="--batch-size", code="few")
        rows = (features @ self.weight).view(n, self.kernels, self.size)
        apart = (rows[:, None] - rows[None]).abs().sum(dim=-1)  # (n, n, kernels)
        others = (-apart).exp().sum(dim=1) - 1  # a sample's closeness to itself is one
        return torch.cat([features, others / (n - 1)], dim=1)


@dataclass(frozen=True)
class MlpMinibatch(Mlp):
    """``mlp`` with minibatch discrimination below the critic's last layer.

    Attributes:
        kernels: closenesses, in number; the work grows with theirs and with the square of the batch.
        size: numbers that each is measured by.
    """

    name = "mlp-minibatch"
    techniques = ("minibatch-discrimination",)
    couples_samples = True
    kernels: int = 16
    size: int = 5

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Samples (batch, *sample_shape) to raw scores (batch,) that depend on the batch."""
        return _discriminating(super().critic(sample_shape), self.kernels, self.size)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """As ``mlp``. Raises UsageError also where there is nothing to measure by."""
        _check_kernels(self.name, self.kernels, self.size)
        super().check(sample_shape)


@dataclass(frozen=True)
class DcganMinibatch(Dcgan):
    """``dcgan`` with minibatch discrimination below the critic's last layer.

    Attributes:
        kernels: closenesses, in number; the work grows with theirs and with the square of the batch.
        size: numbers that each is measured by.
    """

    name = "dcgan-minibatch"
    techniques = ("minibatch-discrimination",)
    couples_samples = True
    kernels: int = 16
    size: int = 5

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Images (batch, channels, side, side) to raw scores (batch,) that depend on the batch."""
        critic = _discriminating(super().critic(sample_shape), self.kernels, self.size)
        nn.init.normal_(critic.head.weight, std=0.02)
        nn.init.zeros_(critic.head.bias)
        return critic

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """As ``dcgan``. Raises UsageError also where there is nothing to measure by."""
        _check_kernels(self.name, self.kernels, self.size)
        super().check(sample_shape)


def _discriminating(critic: CriticNetwork, kernels: int, size: int) -> CriticNetwork:
    """The critic with one more layer at the end of its body, and a head for what that adds."""
    width = critic.head.in_features
    layer = MinibatchDiscrimination(width, kernels, size)
    return CriticNetwork(nn.Sequential(critic.body, layer), width + kernels)


def _check_kernels(name: str, kernels: int, size: int) -> None:
    if kernels < 1 or size < 1:
        subject = f"{name}.{'kernels' if kernels < 1 else 'size'}"
        raise UsageError(f"{name}: kernels {kernels} and size {size} must both be at least 1", subject=subject)

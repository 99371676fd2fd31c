"""Virtual batch normalisation: by the statistics of a batch that is chosen once. Salimans et al. (2016), Section 3.5.

The reference batch is a batch of latents, drawn with the initial weights and kept among them as a parameter that gets
no gradient, so that no optimizer moves it: the network is its weights still, and a seed has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganbench.errors import UsageError
from ganbench.networks.dcgan import Dcgan
from ganbench.networks.layers import BatchNorm


class VirtualBatchNorm(nn.Module):
    """Batch normalisation of every sample by the statistics of the reference batch and of itself, R : 1.

    The first R samples are the reference batch, normalised by its own statistics; what becomes of one of the others
    does not depend on the rest of them.

    Args:
        norm: the batch normalisation that is replaced; its weight and bias are taken over.
        size: R.
    """

    def __init__(self, norm: BatchNorm, size: int) -> None:
        super().__init__()
        self.weight, self.bias, self.eps, self.size = norm.weight, norm.bias, norm.eps, size

    def forward(self, x: Tensor) -> Tensor:
        """Images (R + n, channels, h, w), normalised."""
        mean, variance = self._statistics(x.flatten(2))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (x - mean[..., None, None]) * scale[..., None, None] + self.bias[:, None, None]

    def _statistics(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """What each sample (R + n, channels, pixels) is normalised by: means and variances, (R + n, channels) each."""
        own_mean = pixels.mean(dim=2)
        own_variance = (pixels - own_mean[..., None]).square().mean(dim=2)
        mean, variance = _joined(own_mean[: self.size], own_variance[: self.size])
        share = 1 / (self.size + 1)
        away, more = own_mean[self.size :] - mean, own_variance[self.size :] - variance
        means = torch.cat([mean.expand_as(own_mean[: self.size]), mean + share * away])
        mixed = variance + share * more + share * (1 - share) * away.square()
        return means, torch.cat([variance.expand_as(own_variance[: self.size]), mixed])


def _joined(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of all the pixels of samples with means and variances (n, channels): (channels,) each."""
    mean = means.mean(dim=0)
    return mean, variances.mean(dim=0) + (means - mean).square().mean(dim=0)


class ReferenceBatchGenerator(nn.Module):
    """A generator that carries a batch of latents along with those it is asked for.

    Attributes:
        body: latents (R + n, latent) to samples.
        reference: (R, latent), never trained.
    """

    def __init__(self, body: nn.Module, size: int, latent: int) -> None:
        super().__init__()
        self.body = body
        self.reference = nn.Parameter(torch.randn(size, latent))

    def forward(self, z: Tensor) -> Tensor:
        """Latents (n, latent) to samples (n, *sample)."""
        samples: Tensor = self.body(torch.cat([self.reference.detach(), z]))
        return samples[self.reference.shape[0] :]


@dataclass(frozen=True)
class DcganVbn(Dcgan):
    """``dcgan`` with virtual batch normalisation in the generator, so that a sample is a function of its own latent.

    Attributes:
        reference: samples in the reference batch.
    """

    name = "dcgan-vbn"
    techniques = ("virtual-batch-normalisation", "virtual-batch-normalization", "vbn")
    reference: int = 64

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to images (batch, channels, side, side) in [-1, 1]."""
        layers = super().generator(sample_shape).children()
        body = [VirtualBatchNorm(m, self.reference) if isinstance(m, BatchNorm) else m for m in layers]
        return ReferenceBatchGenerator(nn.Sequential(*body), self.reference, self.latent)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """As ``dcgan``. Raises UsageError also for a reference batch of less than two."""
        if self.reference < 2:
            sentence = f"{self.name}: a reference batch of {self.reference} has no statistics; use at least 2"
            raise UsageError(sentence, subject=f"{self.name}.reference")
        super().check(sample_shape)

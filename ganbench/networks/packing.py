"""PacGAN: critics that judge several samples together. Lin, Khetan, Fanti & Oh (2018).

Packing is no loss but a critic's input, so it is an architecture here: every objective can be packed, and PacGAN is
the non-saturating GAN on one of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganbench.errors import SettingError, UsageError
from ganbench.interfaces.architecture import CriticNetwork
from ganbench.networks.dcgan import Dcgan
from ganbench.networks.mlp import Mlp


class Pack(nn.Module):
    """(n, c, ...) to (n, m c, ...): every sample with the m - 1 that follow it in the batch, the last with the first.

    The samples of a pack are independent and of one kind, as in the paper. Its packs are disjoint, n/m of them; these
    overlap, which leaves expectations as they are, gives every sample a score and fits batches of any size.

    Raises:
        UsageError: on a batch smaller than a pack.
    """

    def __init__(self, m: int) -> None:
        super().__init__()
        self.m = m

    def forward(self, x: Tensor) -> Tensor:
        """The packs of a batch, side by side along its channels or coordinates."""
        if x.shape[0] < self.m:
            sentence = f"a batch of {x.shape[0]} holds no pack of {self.m} samples; use a larger --batch-size"
            raise UsageError(sentence, subject="--batch-size", code="few")
        return torch.cat([x.roll(-k, 0) for k in range(self.m)], dim=1)


@dataclass(frozen=True)
class MlpPac(Mlp):
    """``mlp`` with a critic on packs.

    Attributes:
        m: samples in a pack.
    """

    name = "mlp-pac"
    techniques = ("pacgan", "packing")
    couples_samples = True
    m: int = 2

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Samples (batch, *sample_shape) to the raw scores (batch,) of their packs."""
        return _packed(super().critic, sample_shape, self.m)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """As ``mlp``. Raises UsageError also for packs of less than one sample."""
        _check_pack(self.name, self.m)
        super().check(sample_shape)


@dataclass(frozen=True)
class DcganPac(Dcgan):
    """``dcgan`` with a critic on packs, the images of a pack as further channels.

    Attributes:
        m: samples in a pack.
    """

    name = "dcgan-pac"
    techniques = ("pacgan", "packing")
    couples_samples = True
    m: int = 2

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Images (batch, channels, side, side) to the raw scores (batch,) of their packs."""
        self.check(sample_shape)
        return _packed(super().critic, sample_shape, self.m)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """As ``dcgan``. Raises UsageError also for packs of less than one sample."""
        _check_pack(self.name, self.m)
        super().check(sample_shape)


def _packed(make: Callable[[tuple[int, ...]], CriticNetwork], sample_shape: tuple[int, ...], m: int) -> CriticNetwork:
    """A critic of packs, from what makes a critic for samples of a given shape."""
    critic = make((m * sample_shape[0], *sample_shape[1:]))
    critic.body = nn.Sequential(Pack(m), critic.body)
    return critic


def _check_pack(name: str, m: int) -> None:
    if m < 1:
        raise SettingError(name, "m", m, "a pack holds at least 1 sample")

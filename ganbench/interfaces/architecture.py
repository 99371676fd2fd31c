"""The contract of an architecture: a pair of networks, the same for every objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn


class CriticNetwork(nn.Module):
    """A critic: raw scores on top of features. High means real.

    Args:
        body: (batch, *sample_shape) to features of shape (batch, width): all but the last layer.
        width: how many features the body gives.
    """

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Raw scores of shape (batch,)."""
        scores: Tensor = self.head(self.body(x)).squeeze(-1)
        return scores


@dataclass(frozen=True)
class Architecture(ABC):
    """A pair of networks for samples of a given shape. Subclasses are frozen dataclasses.

    Networks keep no running statistics and no dropout, so a generator is a function of its weights and of z.
    Both draw their initial weights from torch's global generator, which the engine seeds.

    Class attributes:
        name: what ``--architectures`` calls it.
        code_version: of an architecture of ganbench itself: raised by one whenever its networks compute other numbers,
            so that stored trials are not taken for its. Each class states its own; of a plugin its syntax tree counts.
        aliases: further names.
        techniques: what the literature calls what is special about these networks; who asks for an objective of that
            name is told of the architecture.
        couples_samples: True where the critic's score of a sample depends on its batch.

    Attributes:
        latent: size of z, which is standard normal.
    """

    name: ClassVar[str]
    code_version: ClassVar[int] = 1
    aliases: ClassVar[tuple[str, ...]] = ()
    techniques: ClassVar[tuple[str, ...]] = ()
    couples_samples: ClassVar[bool] = False

    latent: int = 64

    @abstractmethod
    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to samples (batch, *sample_shape); images in [-1, 1]."""

    @abstractmethod
    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Samples (batch, *sample_shape) to raw scores (batch,)."""

    @abstractmethod
    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Raises UsageError where these networks cannot draw samples of this shape."""

"""The contract of a dataset: a frozen description, and the population that loading it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ganbench.interfaces.metric import Evaluator


@dataclass(frozen=True)
class Dataset(ABC):
    """What is real. Subclasses are frozen dataclasses: their fields are the distribution's parameters.

    Making one touches no file; ``load`` does.

    ``places`` names the fields that are paths of the data. They are stored absolute and may change: a trial's address
    has the data's fingerprint instead.
    """

    name: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    architecture: ClassVar[str] = "dcgan"  # used where the study names none
    places: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def load(self, root: Path) -> Population:
        """Read what is needed from ``root``. Raises DataError with the path and the command that mends it."""


class Population(ABC):
    """A loaded dataset: something that real samples are drawn from.

    Drawing is split in two so that a whole block of randomness is made at once and stays small: ``draw``
    gives tickets on the CPU (indices of a finite set, or the samples of a distribution themselves), ``take``
    turns some of them into samples on the population's device.

    Attributes:
        sample_shape: (size,) for vectors, (channels, height, width) for images; images lie in [-1, 1].
        n_modes: how many modes or classes are known.
        n_samples: how many samples an evaluation draws unless the study says otherwise.
        fingerprint: changes whenever the data change; enters the hash of every trial.
        remarks: what a user should know of the reading, such as files that were skipped: one sentence each.
    """

    sample_shape: tuple[int, ...]
    n_modes: int
    n_samples: int
    fingerprint: str
    remarks: tuple[str, ...] = ()

    @abstractmethod
    def draw(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Tickets for ``shape`` independent real samples, on the CPU: (*shape,) or (*shape, *sample_shape)."""

    @abstractmethod
    def take(self, tickets: Tensor) -> Tensor:
        """The samples of some tickets: (*tickets' shape, *sample_shape), float32, on the population's device."""

    @abstractmethod
    def to(self, device: torch.device) -> Self:
        """The same population on another device."""

    @abstractmethod
    def reference(self, n: int) -> Tensor:
        """The n real samples that metrics compare with, always the same: (n, *sample_shape), on the CPU.

        They come from the test split where the dataset has one; a small set without one gives itself. Where
        fewer than n exist, all of them come.
        """

    def hold_out(self, n: int) -> tuple[Population, Tensor]:
        """A population to train on, and real samples that it never gives: (at most n, *sample_shape), on the CPU.

        Where the reference lies apart from what is drawn (a test split, a distribution), that is the population itself.
        A population whose reference is what it draws must override this.

        Raises:
            DataError: too few different samples to hold any out.
        """
        return self, self.reference(n)

    @property
    def reference_is_apart(self) -> bool:
        """Whether ``reference`` lies apart from what is drawn: in a test split, or fresh from a distribution."""
        return self.hold_out(1)[0] is self

    @abstractmethod
    def evaluator(self) -> Evaluator:
        """What measures samples of this population."""

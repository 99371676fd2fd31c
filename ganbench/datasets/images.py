"""A population of images: a finite table, held once, on the device."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from ganbench.dataset import Population
from ganbench.datasets.evaluators import RepeatedGrey
from ganbench.streams import generator

if TYPE_CHECKING:
    from ganbench.measured import Evaluator


@dataclass(frozen=True, eq=False)
class Table:
    """Images as they lie in their files, with their labels.

    Attributes:
        images: (n, channels, height, width), uint8.
        labels: (n,), int64; zeros where there are none.
        white: the value of a white pixel; black is 0.
    """

    images: Tensor
    labels: Tensor
    white: int = 255

    def __len__(self) -> int:
        return len(self.images)

    def scaled(self, indices: Tensor) -> Tensor:
        """The images at some indices, from black at -1 to white at 1: float32."""
        return self.images[indices].float() / (self.white / 2) - 1

    def shuffled(self, n: int) -> Tensor:
        """The first n indices of a fixed permutation: files are often sorted by class, writer or difficulty."""
        return torch.randperm(len(self), generator=generator(0, "reference"))[:n]

    def to(self, device: torch.device) -> Table:
        """The same images on another device."""
        return Table(self.images.to(device), self.labels.to(device), self.white)

    def digest(self) -> bytes:
        """blake2b of shape, pixels and labels."""
        state = hashlib.blake2b(f"{tuple(self.images.shape)} {self.white}".encode(), digest_size=16)
        state.update(self.images.reshape(-1).numpy().data)
        state.update(self.labels.reshape(-1).numpy().data)
        return state.digest()


def fingerprint(*tables: Table, text: str = "") -> str:
    """Changes whenever a pixel, a label or the text does."""
    return hashlib.blake2b(b"".join(t.digest() for t in tables) + text.encode(), digest_size=16).hexdigest()


class Images(Population):
    """Images drawn from a table with replacement. Tickets are its indices, int64.

    Args:
        real: what training draws from.
        held_out: what metrics compare with, kept on the CPU; the table itself where there is no test split.
        n_modes: how many classes are known; 0 where none are.
        n_samples: how many samples an evaluation draws unless the study says otherwise.
        evaluator: the name of what measures samples, as ``ganbench.evaluators.load`` knows it.
    """

    def __init__(self, real: Table, held_out: Table, n_modes: int, n_samples: int, evaluator: str) -> None:
        self.real, self.held_out = real, held_out
        self.n_modes, self.n_samples = n_modes, n_samples
        self.sample_shape = tuple(real.images.shape[1:])
        self.fingerprint = fingerprint(real) if held_out is real else fingerprint(real, held_out)
        self._evaluator = evaluator

    def draw(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Indices of images, on the CPU: int64 of the given shape."""
        return torch.randint(len(self.real), shape, generator=rng)

    def take(self, tickets: Tensor) -> Tensor:
        """The images at some indices, in [-1, 1]: (*tickets' shape, channels, height, width)."""
        return self.real.scaled(tickets.to(self.real.images.device))

    def to(self, device: torch.device) -> Self:
        """The same population with its table on another device."""
        moved = copy.copy(self)
        moved.real = self.real.to(device)
        return moved

    def reference(self, n: int) -> Tensor:
        """The first n images of a fixed permutation of the held-out table, or all, on the CPU."""
        return self.held_out.scaled(self.held_out.shuffled(n))

    def hold_out(self, n: int) -> tuple[Population, Tensor]:
        """The test split's images; without one, at most a quarter of the table, which the population then lacks."""
        if self.held_out is not self.real:
            return self, self.reference(n)
        order = self.real.shuffled(len(self.real)).to(self.real.images.device)
        kept, held = order[min(n, len(order) // 4) :], order[: min(n, len(order) // 4)]
        rest = copy.copy(self)
        rest.real = Table(self.real.images[kept], self.real.labels[kept], self.real.white)
        return rest, self.real.scaled(held).cpu()

    def evaluator(self) -> Evaluator:
        """The classifier or feature extractor that knows these images."""
        from ganbench import evaluators

        return evaluators.load(self._evaluator)


class GreyImages(Images):
    """Grey images that an evaluator of colour images measures."""

    def evaluator(self) -> Evaluator:
        """The evaluator, which gets the one channel three times."""
        return RepeatedGrey(super().evaluator())

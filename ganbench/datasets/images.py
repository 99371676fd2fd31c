"""A population of images: a finite table, held once, on the device."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from ganbench.dataset import Population
from ganbench.datasets.evaluators import RepeatedGrey
from ganbench.errors import DataError
from ganbench.streams import generator

if TYPE_CHECKING:
    from ganbench.measured import Evaluator


KEYED_AT_ONCE = 512  # images: as int64, and so eight times as large


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

    def keys(self) -> Tensor:
        """One number an image, (n,), int64, on the CPU: the same for equal pixels.

        Two images that differ have the same one by chance only, which is 2^-64.
        """
        pixels = self.images.flatten(1)
        factors = torch.randint(-(2**63), 2**63 - 1, pixels.shape[1:], generator=generator(0, "image-keys"))
        factors = factors.to(pixels.device)
        return torch.cat([(part * factors).sum(dim=1) for part in pixels.split(KEYED_AT_ONCE)]).cpu()

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
        self.real, self.held_out, self._apart = real, held_out, held_out is not real
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

    @property
    def reference_is_apart(self) -> bool:
        """Whether there is a test split; moving to another device does not change it."""
        return self._apart

    def hold_out(self, n: int) -> tuple[Population, Tensor]:
        """Images of the test split; without one, of at most a quarter of the table, which the population then lacks.

        No image that training draws is among them, a copy of it in another file included.

        Raises:
            DataError: there are no two different images, or the test split holds training images alone.
        """
        if not self._apart:
            return self._cut(n)
        order = self.held_out.shuffled(len(self.held_out))
        unseen = order[~torch.isin(self.held_out.keys()[order], self.real.keys())][:n]
        if not len(unseen):
            raise DataError(f"all {len(order)} images of the test split are training images, too: say --no-probe")
        return self, self.held_out.scaled(unseen)

    def _cut(self, n: int) -> tuple[Population, Tensor]:
        """The table without some images, and these."""
        keys = self.real.keys()
        order = self.real.shuffled(len(keys))
        distinct = order[np.sort(np.unique(keys[order].numpy(), return_index=True)[1])]
        if len(distinct) < 2:
            raise DataError(
                f"{len(keys)} images, all alike, leave none that the probe's critic is not trained on: say --no-probe, "
                "or give more images"
            )
        held = distinct[: max(1, min(n, len(distinct) // 4))]
        kept = order[~torch.isin(keys[order], keys[held])].to(self.real.images.device)
        rest = copy.copy(self)
        rest.real = Table(self.real.images[kept], self.real.labels[kept], self.real.white)
        return rest, self.real.scaled(held.to(self.real.images.device)).cpu()

    def evaluator(self) -> Evaluator:
        """The classifier or feature extractor that knows these images."""
        from ganbench import evaluators

        return evaluators.load(self._evaluator)


class GreyImages(Images):
    """Grey images that an evaluator of colour images measures."""

    def evaluator(self) -> Evaluator:
        """The evaluator, which gets the one channel three times."""
        return RepeatedGrey(super().evaluator())

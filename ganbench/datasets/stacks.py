"""A population of images that are made of three others, one a colour channel."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from ganbench.dataset import Population
from ganbench.datasets.images import Images, Table
from ganbench.errors import DataError
from ganbench.streams import generator


class Stacks(Images):
    """Triples of grey images as colour images, composed when they are taken. Tickets are indices of triples.

    Args:
        real: the grey images of training.
        held_out: those that reference triples are made of.
        n_triples: how many training triples there are; they are the same for every seed.
        n_modes: how many combinations of classes there are.
        n_samples: how many samples an evaluation draws unless the study says otherwise.
        evaluator: the name of what measures samples.
    """

    def __init__(
        self, real: Table, held_out: Table, n_triples: int, n_modes: int, n_samples: int, evaluator: str
    ) -> None:
        super().__init__(real, held_out, n_modes, n_samples, evaluator)
        self.triples = torch.randint(len(real), (n_triples, 3), generator=generator(0, "stacks"))
        self.sample_shape = (3, *real.images.shape[2:])
        self.fingerprint = f"{self.fingerprint}/{n_triples} triples"

    def draw(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Indices of triples, on the CPU: int64 of the given shape."""
        return torch.randint(len(self.triples), shape, generator=rng)

    def take(self, tickets: Tensor) -> Tensor:
        """The colour images of some triples, in [-1, 1]: (*tickets' shape, 3, height, width)."""
        return self.real.scaled(self.triples[tickets.to(self.triples.device)]).squeeze(-3)

    def to(self, device: torch.device) -> Self:
        """The same population with its tables on another device."""
        moved = super().to(device)
        moved.triples = self.triples.to(device)
        return moved

    def reference(self, n: int) -> Tensor:
        """Triples of held-out images, drawn from a stream of their own: (n, 3, height, width), on the CPU."""
        return self.held_out.scaled(self._reference_triples(n)).squeeze(-3)

    def _reference_triples(self, n: int) -> Tensor:
        return torch.randint(len(self.held_out), (n, 3), generator=generator(0, "reference"))

    @property
    def reference_is_apart(self) -> bool:
        """Always: the reference's triples are drawn apart from those of training."""
        return True

    def hold_out(self, n: int) -> tuple[Population, Tensor]:
        """The reference's triples without those that training draws, too.

        Raises:
            DataError: training draws them all.
        """
        triples = self._reference_triples(n)
        seen = _triple_keys(self.real.keys(), self.triples.cpu())
        unseen = triples[~torch.isin(_triple_keys(self.held_out.keys(), triples), seen)]
        if not len(unseen):
            raise DataError(f"training draws all {n} reference triples, too: say --no-probe")
        return self, self.held_out.scaled(unseen).squeeze(-3)


def _triple_keys(keys: Tensor, triples: Tensor) -> Tensor:
    """One number a triple, (n,), as ``Table.keys`` gives images: their order counts."""
    factors = torch.randint(-(2**63), 2**63 - 1, (3,), generator=generator(0, "triple-keys"))
    return (keys[triples] * factors).sum(dim=1)

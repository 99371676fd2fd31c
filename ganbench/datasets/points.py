"""Populations of vectors: endless ones, and fixed sets of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from ganbench.interfaces.dataset import Population
from ganbench.metrics.evaluators.coordinates import Coordinates
from ganbench.rng import generator

if TYPE_CHECKING:
    from ganbench.interfaces.metric import Evaluator

Sampler = Callable[[tuple[int, ...], torch.Generator], Tensor]


class Points(Population):
    """Vectors drawn afresh from a distribution: no sample ever comes twice. Tickets are the samples themselves.

    Args:
        sample: (shape, rng) to samples (*shape, d), float32.
        centres: of the modes: (n_modes, d), where n_modes may be 0.
        radii: within which a sample is a good one of its mode: (n_modes,).
        fingerprint: the text of all parameters.
    """

    n_samples = 2500  # as VEEGAN and PacGAN draw

    def __init__(self, sample: Sampler, centres: Tensor, radii: Tensor, fingerprint: str) -> None:
        self.sample, self.centres, self.radii = sample, centres, radii
        self.n_modes = len(centres)
        self.sample_shape: tuple[int, ...] = (centres.shape[1],)
        self.fingerprint = fingerprint
        self.device = torch.device("cpu")

    def draw(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Independent samples, on the CPU: (*shape, d)."""
        return self.sample(shape, rng)

    def take(self, tickets: Tensor) -> Tensor:
        """The tickets, which are samples already, on the population's device."""
        return tickets.to(self.device, torch.float32)

    def to(self, device: torch.device) -> Self:
        """The same population on another device."""
        moved = copy.copy(self)
        moved.device = device
        return moved

    def reference(self, n: int) -> Tensor:
        """Samples from a stream of their own, which no training ever sees: (n, d)."""
        return self.sample((n,), generator(0, "reference"))

    def evaluator(self) -> Evaluator:
        """Coordinates as features; the nearest centre as mode and its radius as the bound of quality, if any."""
        if self.n_modes == 0:
            return Coordinates()
        from ganbench.metrics.evaluators.coordinates import NearestMode

        return NearestMode(self.centres.double().numpy(), self.radii.double().numpy())


class FixedPoints(Points):
    """A fixed set of vectors, drawn with replacement. Tickets are its indices; the reference is fresh.

    The set is a function of the distribution and of ``size``: the same on every machine and for every seed.
    """

    def __init__(self, sample: Sampler, centres: Tensor, radii: Tensor, fingerprint: str, size: int) -> None:
        super().__init__(sample, centres, radii, fingerprint)
        self.table = sample((size,), generator(0, "fixed-points"))

    def draw(self, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Indices of the set, on the CPU: int64 of the given shape."""
        return torch.randint(len(self.table), shape, generator=rng)

    def take(self, tickets: Tensor) -> Tensor:
        """The samples at some indices: (*tickets' shape, d)."""
        return self.table[tickets.to(self.device)]

    def to(self, device: torch.device) -> Self:
        """The same set on another device."""
        moved = super().to(device)
        moved.table = self.table.to(device)
        return moved

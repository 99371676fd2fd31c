"""Synthetic distributions whose modes are known, as functions of a generator of random numbers.

All samples are float32 on the CPU. One call draws all of one kind of randomness: the modes first, then the normals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

WITHIN_THREE_SIGMA = -math.expm1(-4.5)  # .98889: share of a 2-D Gaussian within 3 sigma of its centre (not .9973)


def ring_centres(n_modes: int, radius: float) -> Tensor:
    """Centres at the angles 2 pi i / n_modes, i < n_modes: (n_modes, 2).

    The often copied ``linspace(0, 2 * pi, 8)`` holds both ends, which are one point: seven modes, one of double weight.
    """
    angles = 2 * math.pi * torch.arange(n_modes, dtype=torch.float64) / n_modes
    return (radius * torch.stack([angles.cos(), angles.sin()], dim=1)).float()


def grid_centres(side: int, spacing: float) -> Tensor:
    """Centres on a square lattice around the origin: (side * side, 2)."""
    ticks = spacing * (torch.arange(side, dtype=torch.float64) - (side - 1) / 2)
    return torch.cartesian_prod(ticks, ticks).reshape(-1, 2).float()


def gaussian_mixture(centres: Tensor, sigma: float, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Samples of equally likely, equally round Gaussians: (*shape, d).

    Args:
        centres: (n_modes, d).
        sigma: standard deviation of every mode along every axis.
        shape: of the set of samples.
        rng: where the randomness comes from.
    """
    modes = torch.randint(len(centres), shape, generator=rng)
    normals = torch.randn(*shape, centres.shape[1], generator=rng)
    return torch.add(centres[modes], normals, alpha=sigma)


def swiss_roll(noise: float, scale: float, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """The plane of scikit-learn's ``make_swiss_roll`` (columns 0 and 2), over ``scale``: (*shape, 2).

    With noise .25 and scale 7.5 as in the toy experiments of Gulrajani et al. (2017).
    """
    angles = 1.5 * math.pi * (1 + 2 * torch.rand(shape, generator=rng))
    roll = torch.stack([angles * angles.cos(), angles * angles.sin()], dim=-1)
    return torch.add(roll, torch.randn(*shape, 2, generator=rng), alpha=noise) / scale


@dataclass(frozen=True, eq=False)
class TanhMap:
    """A layer of tanh units and a linear one, without biases: lays a plane as a curved surface into more dimensions.

    Attributes:
        first: (inputs, width).
        second: (width, outputs).
    """

    first: Tensor
    second: Tensor

    @classmethod
    def random(cls, inputs: int, width: int, outputs: int, rng: torch.Generator) -> TanhMap:
        """Weights from N(0, 1 / inputs of the layer), so that the results are of order 1 where the points are."""
        first = torch.randn(inputs, width, generator=rng) / math.sqrt(inputs)
        return cls(first, torch.randn(width, outputs, generator=rng) / math.sqrt(width))

    def __call__(self, points: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return (points @ self.first).tanh() @ self.second


def mapped_mixture(
    surface: TanhMap, centres: Tensor, sigma: float, shape: tuple[int, ...], rng: torch.Generator
) -> Tensor:
    """Samples of a Gaussian mixture, laid on a surface: (*shape, outputs)."""
    return surface(gaussian_mixture(centres, sigma, shape, rng))


def mapped_radii(surface: TanhMap, centres: Tensor, sigma: float, rng: torch.Generator, n: int = 2**15) -> Tensor:
    """Distances from the modes' centres on a surface that hold 98.89 % of each mode: (n_modes,).

    What 3 sigma is in the plane. Estimated from the same n normals for every mode: the share is right to about .0006.
    """
    offsets = sigma * torch.randn(n, centres.shape[1], generator=rng)
    distances = [(surface(centre + offsets) - surface(centre)).norm(dim=1) for centre in centres]
    return torch.stack([d.quantile(WITHIN_THREE_SIGMA) for d in distances])

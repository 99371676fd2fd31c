"""How training images are varied, and how they are spoiled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ganbench.evaluators.network import NOT_A_DIGIT


@dataclass(frozen=True)
class Variation:
    """How far an image may be moved: each amount is drawn uniformly, to both sides.

    Attributes:
        shift: pixels.
        rotation: degrees.
        scaling: share of the size.
    """

    shift: float
    rotation: float = 10.0
    scaling: float = 0.1


def vary(images: Tensor, variation: Variation, rng: torch.Generator) -> Tensor:
    """Images (n, 1, h, w), each shifted, turned and scaled a little at random; what comes in is black (-1)."""
    n, size = len(images), images.shape[-1]
    uniform = torch.rand(4, n, generator=rng) * 2 - 1
    angle, scale = uniform[0] * math.radians(variation.rotation), 1 + variation.scaling * uniform[1]
    right, down = 2 * variation.shift / size * uniform[2:]  # affine grids measure in half images
    rows = [scale * angle.cos(), -scale * angle.sin(), right, scale * angle.sin(), scale * angle.cos(), down]
    grid = functional.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(images.shape), align_corners=False)
    return functional.grid_sample(images + 1, grid, align_corners=False) - 1


def with_spoiled(images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The images and their labels, followed by a spoiled version of each that finds a partner of another class."""
    partner = torch.randperm(len(images), generator=rng)
    different = labels != labels[partner]
    spoiled = spoil(images[different], images[partner][different], rng)
    return torch.cat([images, spoiled]), torch.cat([labels, labels.new_full((len(spoiled),), NOT_A_DIGIT)])


def spoil(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """What bad generators draw, made of images and of others of a different class (n, 1, h, w): a fifth each way."""
    kinds = (blend, overlay, splice, drown, fade)
    shares = zip(images.tensor_split(len(kinds)), others.tensor_split(len(kinds)), strict=True)
    return torch.cat([kind(*share, rng) for kind, share in zip(kinds, shares, strict=True)])


def blend(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """Between two digits."""
    weight = _uniform(images, 0.3, 0.7, rng)
    return weight * images + (1 - weight) * others


def overlay(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """Two digits drawn over each other."""
    return torch.maximum(images, others)


def splice(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """One half of one digit, one of another, side by side or one above the other."""
    half = images.shape[-1] // 2
    side_by_side = torch.cat([images[..., :half], others[..., half:]], dim=3)
    stacked = torch.cat([images[..., :half, :], others[..., half:, :]], dim=2)
    return torch.where(_uniform(images, 0, 1, rng) < 0.5, side_by_side, stacked)


def drown(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """A digit under noise as strong as itself."""
    noise = torch.randn(images.shape, generator=rng)
    return (images + _uniform(images, 0.6, 2.0, rng) * noise).clamp(-1, 1)


def fade(images: Tensor, others: Tensor, rng: torch.Generator) -> Tensor:
    """A digit too faint to read, down to nothing."""
    return (images + 1) * _uniform(images, 0, 0.4, rng) - 1


def _uniform(images: Tensor, low: float, high: float, rng: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=rng)

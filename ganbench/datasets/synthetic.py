"""Mixtures of Gaussians and other distributions with known modes."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from ganbench.errors import SettingError
from ganbench.interfaces.dataset import Dataset

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.interfaces.dataset import Population


# -- distributions -----------------------------------------------------------------------------------------------------

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


# -- datasets ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Synthetic(Dataset):
    """A distribution with a formula: nothing is read from any folder.

    Raises:
        UsageError: for a parameter that is not above zero.
    """

    architecture = "mlp"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (value > 0 and math.isfinite(value)):
                raise SettingError(self.name, field.name, value, "it must be a finite number above 0")


@dataclass(frozen=True)
class Ring(Synthetic):
    """Gaussians on a circle, equally likely, at equal angles: the ring of Metz et al. (2017) and VEEGAN.

    Attributes:
        n_modes: how many.
        radius: of the circle.
        sigma: standard deviation of every mode.
    """

    name = "ring"
    aliases: ClassVar[tuple[str, ...]] = ("8gaussians",)
    n_modes: int = 8
    radius: float = 2.0
    sigma: float = 0.02

    def load(self, root: Path) -> Population:
        """Fresh samples without end; ``root`` is not read."""
        return _mixture(self, self.centres(), self.sigma)

    def centres(self) -> Tensor:
        """The modes' centres: (n_modes, 2)."""
        return ring_centres(self.n_modes, self.radius)


@dataclass(frozen=True)
class Grid(Synthetic):
    """Gaussians on a square lattice around the origin, equally likely: the grid of VEEGAN.

    Attributes:
        side: modes along one axis; there are side * side of them.
        spacing: between neighbours.
        sigma: standard deviation of every mode.
    """

    name = "grid"
    aliases: ClassVar[tuple[str, ...]] = ("25gaussians",)
    side: int = 5
    spacing: float = 2.0
    sigma: float = 0.05

    def load(self, root: Path) -> Population:
        """Fresh samples without end; ``root`` is not read."""
        return _mixture(self, self.centres(), self.sigma)

    def centres(self) -> Tensor:
        """The modes' centres: (side * side, 2)."""
        return grid_centres(self.side, self.spacing)


@dataclass(frozen=True)
class RingPacgan(Ring):
    """The ring as PacGAN has it (Lin et al., 2018): radius 1, sigma .01, and a fixed training set.

    The set is a function of these parameters alone: the same for every seed. Batches are drawn from it with
    replacement, where PacGAN goes through it in epochs.

    Attributes:
        points: size of the training set.
    """

    name = "ring-pacgan"
    aliases: ClassVar[tuple[str, ...]] = ()
    radius: float = 1.0
    sigma: float = 0.01
    points: int = 100_000

    def load(self, root: Path) -> Population:
        """The fixed set; ``root`` is not read."""
        return _mixture(self, self.centres(), self.sigma, self.points)


@dataclass(frozen=True)
class GridPacgan(Grid):
    """The grid as PacGAN has it (Lin et al., 2018): {-4, -2, 0, 2, 4}^2, sigma .05, and a fixed training set.

    Attributes:
        points: size of the training set; see RingPacgan.
    """

    name = "grid-pacgan"
    aliases: ClassVar[tuple[str, ...]] = ()
    points: int = 100_000

    def load(self, root: Path) -> Population:
        """The fixed set; ``root`` is not read."""
        return _mixture(self, self.centres(), self.sigma, self.points)


@dataclass(frozen=True)
class Ring64(Ring):
    """The ring on a curved surface in 64 dimensions: 2 to 64 tanh units to 64, with weights fixed for good.

    Real samples fill no volume, as Arjovsky & Bottou (2017) suppose of images. A sample is a good one if it is as near
    to its mode's centre as 98.89 % of that mode's real samples are, which is what 3 sigma is in the plane.
    """

    name = "ring64"
    aliases: ClassVar[tuple[str, ...]] = ("hd8",)
    sigma: float = 0.05

    def load(self, root: Path) -> Population:
        """Fresh samples without end; ``root`` is not read."""
        from ganbench.datasets.points import Points
        from ganbench.rng import generator

        surface, centres = TanhMap.random(2, 64, 64, generator(0, "ring64-map")), self.centres()
        radii = mapped_radii(surface, centres, self.sigma, generator(0, "ring64-radii"))
        return Points(partial(mapped_mixture, surface, centres, self.sigma), surface(centres), radii, repr(self))


@dataclass(frozen=True)
class Swissroll(Synthetic):
    """The swiss roll of Gulrajani et al. (2017): scikit-learn's, with noise, seen from the side and shrunk.

    It is one curve and has no modes, so metrics that count them are not defined: read ``w1`` and ``sliced_w1``.

    Attributes:
        noise: standard deviation, before shrinking.
        scale: what all coordinates are divided by.
    """

    name = "swissroll"
    aliases = ("swiss-roll",)
    noise: float = 0.25
    scale: float = 7.5

    def load(self, root: Path) -> Population:
        """Fresh samples without end; ``root`` is not read."""
        import torch

        from ganbench.datasets.points import Points

        return Points(partial(swiss_roll, self.noise, self.scale), torch.empty(0, 2), torch.empty(0), repr(self))


def _mixture(dataset: Dataset, centres: Tensor, sigma: float, points: int | None = None) -> Population:
    """Round Gaussians in the plane: fresh samples, or a fixed set of so many points."""
    import torch

    from ganbench.datasets.points import FixedPoints, Points

    sample, radii = (
        partial(gaussian_mixture, centres, sigma),
        torch.full((len(centres),), 3 * sigma, dtype=torch.float64),
    )
    if points is None:
        return Points(sample, centres, radii, repr(dataset))
    return FixedPoints(sample, centres, radii, repr(dataset), points)

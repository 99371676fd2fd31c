"""Distributions in two dimensions, and one in 64, whose modes are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ganbench.dataset import Dataset
from ganbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from ganbench.dataset import Population


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
                raise UsageError(f"{self.name}: {field.name} is {value}; it must be a finite number above 0")


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
        from ganbench.distributions import ring_centres

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
        from ganbench.distributions import grid_centres

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
        from ganbench.distributions import TanhMap, mapped_mixture, mapped_radii
        from ganbench.streams import generator

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
        from ganbench.distributions import swiss_roll

        return Points(partial(swiss_roll, self.noise, self.scale), torch.empty(0, 2), torch.empty(0), repr(self))


def _mixture(dataset: Dataset, centres: Tensor, sigma: float, points: int | None = None) -> Population:
    """Round Gaussians in the plane: fresh samples, or a fixed set of so many points."""
    import torch

    from ganbench.datasets.points import FixedPoints, Points
    from ganbench.distributions import gaussian_mixture

    sample, radii = (
        partial(gaussian_mixture, centres, sigma),
        torch.full((len(centres),), 3 * sigma, dtype=torch.float64),
    )
    if points is None:
        return Points(sample, centres, radii, repr(dataset))
    return FixedPoints(sample, centres, radii, repr(dataset), points)

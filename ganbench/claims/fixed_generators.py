"""Critics trained on two distributions whose distance is known: the generator rests at one parameter, θ.

All seeds and all θ of an arm are one cohort, in which a seed stands once for each θ. So a seed's critics start from the
same weights and see the same real samples and latents at every θ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganbench.claims.lab import cohort
from ganbench.datasets.points import Points
from ganbench.engine.cohort import Cohort
from ganbench.engine.functional import vmap_seeds
from ganbench.interfaces.architecture import Architecture, CriticNetwork
from ganbench.interfaces.dataset import Dataset, Population
from ganbench.interfaces.objective import Objective
from ganbench.networks.mlp import Mlp


@dataclass(frozen=True)
class StandardNormal(Dataset):
    """N(0, 1) on the line, or N(0, I) in more dimensions.

    Attributes:
        dimension: of the samples.
    """

    name = "standard-normal"
    dimension: int = 1

    def load(self, root: Path) -> Population:
        """Fresh samples without end; ``root`` is not read."""

        def sample(shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
            return torch.randn(*shape, self.dimension, generator=rng)

        return Points(sample, torch.empty(0, self.dimension), torch.empty(0), repr(self))


class ShiftedNormal(nn.Module):
    """Latents (batch, d) to θ + z, (batch, d): N(θ, I) on the line, shifted along every axis in more dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        """Samples of the latents' shape."""
        return self.theta + z


@dataclass(frozen=True)
class NormalPair(Architecture):
    """N(θ, 1) against an MLP critic of two hidden layers of 128 ReLU units."""

    name = "normal-pair"
    latent: int = 1

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """The shifted normal."""
        return ShiftedNormal()

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """That of ``mlp``."""
        return Mlp().critic(sample_shape)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Samples lie on the line, as latents do."""


def critics(
    dataset: Dataset,
    architecture: Architecture,
    objective: Objective,
    seeds: Sequence[int],
    thetas: Sequence[float] | Sequence[tuple[float, ...]],
    steps: int,
    batch_size: int,
) -> Cohort:
    """Fresh critics trained for so many steps, one for each θ and seed: the θ in turn, and all seeds of each together.

    Args:
        architecture: one whose generator has a single parameter, ``theta``: a number or several.
    """
    pairs = list(product(thetas, seeds))
    trained = cohort(dataset, architecture, objective, [seed for _, seed in pairs], steps, batch_size)
    with torch.no_grad():
        for k, (theta, _) in enumerate(pairs):
            trained.generator.weights["theta"][k] = torch.as_tensor(theta)
    for step in range(steps):
        block, place = divmod(step, trained.feed.length)
        if place == 0:
            batches = trained.feed.critic(block, 0)
        trained.update_critic(batches[place], trained.clock(step + 1))
    return trained


def scores(trained: Cohort, points: Tensor) -> Tensor:
    """What every critic says of its points (K, n, d): (K, n)."""
    weights = {name: w[: len(trained.seeds)].cpu() for name, w in trained.critic.weights.items()}

    def of_one(own: dict[str, Tensor], x: Tensor) -> Tensor:
        found: Tensor = functional_call(trained.critic.network, own, (x,))
        return found

    with torch.no_grad():
        found: Tensor = vmap_seeds(of_one)(weights, points)
    return found


def slopes(trained: Cohort, points: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (K, n) of points (K, n, d) and their gradients by the points, (K, n, d)."""
    asked = points.detach().requires_grad_()
    weights = {name: w[: len(trained.seeds)].detach().cpu() for name, w in trained.critic.weights.items()}
    found: Tensor = vmap_seeds(lambda own, x: functional_call(trained.critic.network, own, (x,)))(weights, asked)
    (gradients,) = torch.autograd.grad(found.sum(), asked)
    return found.detach(), gradients

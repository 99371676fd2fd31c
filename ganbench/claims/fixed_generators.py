"""Critics trained on two distributions whose distance is known: the generator is frozen at one parameter, θ.

All seeds and all θ of an arm are one cohort, in which a seed stands once for each θ. So a seed's critics start from the
same weights and see the same real samples and latents at every θ.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganbench.claims.lab import AgainstMlp, cohort, endless
from ganbench.engine.cohort import Cohort
from ganbench.engine.functional import vmap_seeds
from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Dataset, Population
from ganbench.interfaces.objective import Objective


def standard_normal(dimension: int = 1) -> Population:
    """N(0, 1) on the line, or N(0, I) in more dimensions."""
    return endless(lambda shape, rng: torch.randn(*shape, dimension, generator=rng), dimension)


class ShiftedNormal(nn.Module):
    """Latents (batch, 1) to θ + σ z: N(θ, σ²) on the line.

    Args:
        sigma: σ.
    """

    def __init__(self, sigma: float = 1.0) -> None:
        super().__init__()
        self.theta, self.sigma = nn.Parameter(torch.zeros(1)), sigma

    def forward(self, z: Tensor) -> Tensor:
        """Samples of the latents' shape."""
        return self.theta + self.sigma * z


NORMAL_PAIR = AgainstMlp(1, ShiftedNormal)


def critics(
    dataset: Dataset | Population,
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
    for step, batch in enumerate(trained.sampler.first_critic_batches(steps), 1):
        trained.update_critic(batch, trained.clock(step))
    return trained


def scores(trained: Cohort, points: Tensor) -> Tensor:
    """Every critic's scores of its points (K, n, d): (K, n)."""
    weights = {name: w[: len(trained.seeds)].cpu() for name, w in trained.critic.weights.items()}

    with torch.no_grad():
        scored: Tensor = vmap_seeds(lambda own, x: functional_call(trained.critic.network, own, (x,)))(weights, points)
    return scored


def slopes(trained: Cohort, points: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (K, n) of points (K, n, d) and their gradients by the points, (K, n, d)."""
    asked = points.detach().requires_grad_()
    weights = {name: w[: len(trained.seeds)].detach().cpu() for name, w in trained.critic.weights.items()}
    scored: Tensor = vmap_seeds(lambda own, x: functional_call(trained.critic.network, own, (x,)))(weights, asked)
    (gradients,) = torch.autograd.grad(scored.sum(), asked)
    return scored.detach(), gradients

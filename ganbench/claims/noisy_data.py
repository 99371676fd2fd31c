"""Clipped and penalised critics against a generator at rest that gives real samples plus noise.

Gulrajani et al. (2017), section 3.1 and figures 1a and 1b, right: the generator's samples are the data with a unit
normal added, and only the critic is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.laboratory import cohort, objective, population
from ganbench.cohort import Cohort
from ganbench.datasets.synthetic import Grid, Ring
from ganbench.metrics.transport import exact_distance
from ganbench.networks.architecture import Architecture, CriticNetwork
from ganbench.networks.mlp import Mlp
from ganbench.objective import Optimizer
from ganbench.streams import generator

DATA: dict[str, Ring | Grid] = {"ring": Ring(), "grid": Grid()}
ARMS: dict[str, dict[str, Any]] = {
    "wgan": {"clip": 0.01, "optimizer": Optimizer("rmsprop", lr=5e-4)},
    "wgan-gp": {"optimizer": Optimizer("adam", lr=1e-3, beta1=0.0, beta2=0.9)},
}
PARTS = tuple(f"{data}-{arm}" for arm in reversed(ARMS) for data in DATA)
NEAR = 0.95  # of the clipping constant
POINTS = 2000  # at which scores are averaged
OT_POINTS = 1000


class Noised(nn.Module):
    """Latents (batch, 3) to a mode's centre plus the data's own noise and a unit normal. Nothing is learnt.

    Attributes:
        still: one number that nothing depends on, since a player has weights.
    """

    def __init__(self, centres: Tensor, sigma: float) -> None:
        super().__init__()
        self.centres, self.spread = centres, math.hypot(sigma, 1.0)
        self.still = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        """Points (batch, 2)."""
        n = len(self.centres)
        modes = (torch.special.ndtr(z[:, 0]) * n).long().clamp(max=n - 1)
        return self.centres[modes] + self.spread * z[:, 1:] + 0 * self.still


@dataclass(frozen=True)
class Frozen(Architecture):
    """Data plus noise against an MLP critic of three hidden layers of 128.

    Attributes:
        data: what the generator adds noise to: a key of DATA.
    """

    name = "data-plus-noise"
    latent: int = 3
    data: str = "ring"

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, 3) to points (batch, 2)."""
        return Noised(DATA[self.data].centres(), DATA[self.data].sigma)

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Points (batch, 2) to raw scores (batch,)."""
        return Mlp(depth=3).critic(sample_shape)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Points of the plane."""


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one objective on one distribution."""
    data, _, arm = part.partition("-")
    return list(measure(data, arm, profile.replications(profile.pick(6, 10)), profile.pick(1500, 15000)))


def measure(data: str, arm: str, seeds: Sequence[int], updates: int) -> Iterator[dict[str, Any]]:
    """Train critics. ``at_bound`` and ``kurtosis`` are of the weights, ``ratio`` and ``slope_spread`` of the scores."""
    trained = critics(data, arm, seeds, updates)
    w1 = distance(data)
    for k, seed in enumerate(seeds):
        weights = {name: w[k] for name, w in trained.critic.weights.items()}
        found = about_weights(weights, ARMS[arm].get("clip", math.inf)) | about_scores(trained, weights, data, seed, w1)
        for quantity, value in found.items():
            yield row(quantity, value, arm=f"{arm}, {data}", seed=seed)


def critics(data: str, arm: str, seeds: Sequence[int], updates: int) -> Cohort:
    """Critics after so many updates, each on fresh samples; the generator is never moved."""
    trained = cohort(DATA[data], Frozen(data=data), objective(arm, **ARMS[arm]), seeds, updates)
    clock, length = trained.clock(1), trained.feed.length
    for update in range(updates):
        if update % length == 0:
            batches = trained.feed.critic(update // length, 0)
        trained.update_critic(batches[update % length], clock)
    return trained


def about_weights(weights: dict[str, Tensor], clip: float) -> dict[str, float]:
    """The share of weights and biases beyond .95 of the bound, and the excess kurtosis of the matrices' entries."""
    from scipy.stats import kurtosis

    everything = torch.cat([w.flatten() for w in weights.values()]).double().numpy()
    matrices = torch.cat([w.flatten() for w in weights.values() if w.ndim == 2]).double().numpy()
    return {"at_bound": float((np.abs(everything) > NEAR * clip).mean()), "kurtosis": float(kurtosis(matrices))}


def about_scores(trained: Cohort, weights: dict[str, Tensor], data: str, seed: int, w1: float) -> dict[str, float]:
    """``ratio``: (E f(real) − E f(fake)) / (K W1), where K is the largest slope of f seen.

    ``slope_spread``: standard deviation of f's slope over real points, over K.
    """
    real, fake, share = _points(data, seed)
    between = real + share * (fake - real)

    def score(x: Tensor) -> Tensor:
        scores: Tensor = torch.func.functional_call(trained.critic.network, weights, (x,))
        return scores.sum()

    slopes = [torch.func.grad(score)(x).norm(dim=1) for x in (real, fake, between)]
    steepest = float(torch.cat(slopes).max())
    gap = float(score(real) - score(fake)) / len(real)
    return {"ratio": gap / (steepest * w1), "slope_spread": float(slopes[0].std()) / steepest}


def _points(data: str, seed: int, purpose: str = "noisy-data") -> tuple[Tensor, Tensor, Tensor]:
    """Fresh real and generated points, (n, 2) each, and shares of the way between them, (n, 1)."""
    rng = generator(seed, purpose)
    real = population(DATA[data]).draw((POINTS,), rng)
    fake = Frozen(data=data).generator((2,))(torch.randn(POINTS, 3, generator=rng)).detach()
    return real, fake, torch.rand(POINTS, 1, generator=rng)


def distance(data: str) -> float:
    """Exact 1-Wasserstein distance of the real and the generated distribution, from 1,000 points of each."""
    real, fake, _ = (x.double().numpy()[:OT_POINTS] for x in _points(data, 0, "noisy-data-distance"))
    points: tuple[NDArray[np.float64], NDArray[np.float64]] = (fake, real)
    return exact_distance(*points)


EXPERIMENT = Experiment("noisy-data", PARTS, run, 0.6)

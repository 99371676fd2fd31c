"""Training a generator of one scale with noise on what the critic sees: on both kinds of samples, or on real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.known_pairs import StandardNormal
from ganbench.claims.laboratory import cohort, objective, training
from ganbench.cohort import Cohort
from ganbench.draws import Draw
from ganbench.networks.architecture import Architecture, CriticNetwork
from ganbench.networks.mlp import Mlp
from ganbench.objective import Critic, Objective, Optimizer

SIGMA = 0.5
START = 0.5  # the scale that training begins with: outside the intervals of both arms
OPTIMIZER = Optimizer("adam", lr=1e-3, beta1=0.0, beta2=0.99)
GAMMA = 0.1
ARMS = {"both": True, "reals": False}  # whether generated samples are noised too


@dataclass(frozen=True)
class Noised(Objective):
    """Another objective, with noise N(0, σ²) of constant strength on real samples, and on generated ones if wanted.

    Attributes:
        inner: the objective that sees the noised samples.
        sigma: standard deviation, in units of the data.
        fakes: whether generated samples get noise; the generator's gradient then flows through them.
    """

    name = "noised"
    traceable = True
    inner: Objective = Objective()
    sigma: float = SIGMA
    fakes: bool = True

    def critic_loss(self, critic: Critic, real: Tensor, fake: Tensor, draw: Draw) -> Tensor:
        """That of the inner objective."""
        return self.inner.critic_loss(critic, *self._noised(real, fake, draw), draw)

    def generator_loss(self, critic: Critic, real: Tensor, fake: Tensor, draw: Draw) -> Tensor:
        """That of the inner objective."""
        return self.inner.generator_loss(critic, *self._noised(real, fake, draw), draw)

    def _noised(self, real: Tensor, fake: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        noisy = real + self.sigma * draw.normal_like(real)
        return noisy, fake + self.sigma * draw.normal_like(fake) if self.fakes else fake


class ScaledNormal(nn.Module):
    """Latents (batch, d) to s·z + b, (batch, d): N(b, s² I), with a scalar s."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([START]))
        self.shift = nn.Parameter(torch.zeros(dimension))

    def forward(self, z: Tensor) -> Tensor:
        """Samples of the latents' shape."""
        return self.scale * z + self.shift


@dataclass(frozen=True)
class ScaleAgainstMlp(Architecture):
    """A generator of one scale and a shift against an MLP critic of two hidden layers of 128 ReLU units."""

    name = "scale-against-mlp"
    latent: int = 2

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """The scaled normal, the same for every seed."""
        return ScaledNormal(self.latent)

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """That of ``mlp``."""
        return Mlp().critic(sample_shape)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Samples have the latents' dimension."""


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one arm: 10 seeds."""
    seeds = profile.replications(10)
    inner = objective("nsgan-r1", gamma=GAMMA)
    chosen = Noised(inner=inner, optimizer=OPTIMIZER, fakes=ARMS[part])
    steps, batch_size = profile.pick((1500, 64), (3000, 128))
    trained = cohort(StandardNormal(2), ScaleAgainstMlp(), chosen, seeds, steps, batch_size)
    return list(measure(trained, part))


def measure(trained: Cohort, arm: str) -> Iterator[dict[str, Any]]:
    """``scale``: the mean of |s| over the last third of the steps; ``earlier``: that over the third before it."""
    scales = courses(trained)
    third = len(scales) // 3
    for k, seed in enumerate(trained.seeds):
        yield row("scale", scales[-third:, k].mean(), arm=arm, seed=seed)
        yield row("earlier", scales[-2 * third : -third, k].mean(), arm=arm, seed=seed)


def courses(trained: Cohort) -> NDArray[np.float64]:
    """|s| after every generator step: (steps, seeds)."""
    return np.array([_scales(trained) for _ in training(trained, range(1, trained.setting.steps + 1))])


def _scales(trained: Cohort) -> NDArray[np.float64]:
    scales = trained.generator.weights["scale"][: len(trained.seeds), 0]
    return scales.abs().double().numpy().copy()


NOISED_TRAINING = Experiment("noised-training", tuple(ARMS), run, 0.8)

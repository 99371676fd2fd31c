"""A fresh critic, trained briefly against a frozen generator, and evaluated over the plane."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.func import grad

from ganbench.engine.cohort import Cohort, TrainingConfig
from ganbench.engine.functional import StepInputs, select_seed
from ganbench.engine.player import FunctionalCritic
from ganbench.interfaces.architecture import Architecture
from ganbench.interfaces.dataset import Population
from ganbench.interfaces.objective import Objective
from ganbench.report.figures.landscape import Landscape

CRITIC_STEPS, BATCH, SIDE = 200, 64, 61


def learn_landscape(
    population: Population, architecture: Architecture, objective: Objective, seed: int, weights: Mapping[str, Tensor]
) -> Landscape:
    """Train a critic for CRITIC_STEPS updates against stored generator weights, and read it on a lattice.

    The objective is taken as it starts: a schedule stays at its beginning.

    Args:
        population: of points in the plane.
        architecture: both networks.
        objective: both losses.
        seed: what the critic's randomness descends from.
        weights: the generator's, by name.
    """
    cohort = Cohort(TrainingConfig(population, architecture, objective, CRITIC_STEPS, BATCH), (seed,))
    _freeze(cohort, weights)
    feed, clock = cohort.make_feed(BATCH, prefix="landscape-"), cohort.clock(0)
    for step in range(CRITIC_STEPS):
        if step % feed.length == 0:
            batches = feed.critic(step // feed.length, 0)
        cohort.update_critic(batches[step % feed.length], clock)
    fixed = cohort.make_feed(BATCH, prefix="landscape-fixed-").generator(0)[0]
    return _read(cohort, select_seed(cohort.inputs(fixed, clock), 0))


def _freeze(cohort: Cohort, weights: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in weights.items():
            cohort.generator.weights[name].copy_(value.expand_as(cohort.generator.weights[name]))


def _read(cohort: Cohort, arguments: StepInputs) -> Landscape:
    critic = FunctionalCritic(cohort.critic.network, arguments.critic)
    fake = cohort.sample(arguments.latent[None])[0]
    real = arguments.real

    def loss(samples: Tensor) -> Tensor:
        return cohort.setting.objective.generator_loss(critic, real, samples, arguments.draw())

    arrows = -grad(loss)(fake) * len(fake)  # the loss is a mean: undone, so that an arrow is one sample's own gradient
    x, y = _lattice(torch.cat([real, fake]))
    points = torch.cartesian_prod(y, x).flip(1)
    with torch.no_grad():
        scores = FunctionalCritic(cohort.critic.network, arguments.critic)(points).reshape(len(y), len(x))
    parts = (x, y, scores, real, fake, arrows)
    return Landscape(*(np.asarray(part.detach().double().cpu()) for part in parts))


def _lattice(points: Tensor) -> tuple[Tensor, Tensor]:
    """A square lattice that holds all points, with a margin of a tenth."""
    low, high = points.amin(dim=0), points.amax(dim=0)
    middle, half = (low + high) / 2, 0.6 * (high - low).max().clamp(min=1e-3)
    ticks = torch.linspace(-1, 1, SIDE)
    return middle[0] + half * ticks, middle[1] + half * ticks

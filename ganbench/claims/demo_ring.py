"""The ring demonstration of unrolled GANs, without unrolling: Metz et al. (2017), figure 2, and the authors' demo."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.laboratory import cohort, objective, population, training
from ganbench.datasets.synthetic import Ring
from ganbench.metrics.modes import histogram
from ganbench.networks.architecture import Architecture, CriticNetwork
from ganbench.objective import Optimizer
from ganbench.sampling import draw_samples, evaluation_latents

CRITIC = Optimizer("adam", lr=1e-4, beta1=0.5)
GENERATOR = Optimizer("adam", lr=1e-3, beta1=0.5)
BATCH = 128
CHECKPOINTS = 20
SAMPLES = 2500
PARTS = ("first", "second")  # every other seed


@dataclass(frozen=True)
class Demo(Architecture):
    """Two hidden tanh layers of 128 units in both players.

    Attributes:
        latent: size of z.
        width: units of a hidden layer.
    """

    name = "unrolled-demo"
    latent: int = 256
    width: int = 128

    def generator(self, sample_shape: tuple[int, ...]) -> nn.Module:
        """Latents (batch, latent) to points (batch, d)."""
        return nn.Sequential(*self._hidden(self.latent), nn.Linear(self.width, math.prod(sample_shape)))

    def critic(self, sample_shape: tuple[int, ...]) -> CriticNetwork:
        """Points (batch, d) to raw scores (batch,)."""
        return CriticNetwork(nn.Sequential(*self._hidden(math.prod(sample_shape))), self.width)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Vectors of any size will do."""

    def _hidden(self, inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, self.width), nn.Tanh(), nn.Linear(self.width, self.width), nn.Tanh()]


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of half the seeds."""
    seeds = profile.replications(profile.pick(6, 10))[PARTS.index(part) :: 2]
    return list(measure(seeds, profile.pick(8000, 25000))) if seeds else []


def measure(seeds: Sequence[int], steps: int) -> Iterator[dict[str, Any]]:
    """Train one cohort of the minimax GAN.

    ``good`` is how many of 2,500 samples lie within three sigma of a mode, which is the arm; ``at`` is the step.
    """
    ring = population(Ring())
    chosen = objective("gan", optimizer=CRITIC)
    trained = cohort(ring, Demo(), chosen, seeds, steps, BATCH, generator_optimizer=GENERATOR)
    evaluator, latents = ring.evaluator(), evaluation_latents(seeds, SAMPLES, Demo().latent)
    stops = [steps * k // CHECKPOINTS for k in range(1, CHECKPOINTS + 1)]
    for segment in training(trained, stops):
        if segment.last not in stops:
            continue
        samples = draw_samples(trained.sample, latents)
        for k, seed in enumerate(seeds):
            counts: NDArray[np.int64] = histogram(evaluator.measure(samples[k]))
            for mode, n in enumerate(counts):
                yield row("good", n, arm=f"mode {mode}", seed=seed, at=segment.last)


EXPERIMENT = Experiment("demo-ring", PARTS, run, 1.4)

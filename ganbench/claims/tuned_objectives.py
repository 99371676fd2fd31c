"""Every objective with its default settings and after a random search of the same size: Lucic et al. (2018)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.laboratory import cohort, objective, population, training
from ganbench.datasets.synthetic import Ring
from ganbench.metrics.transport import SlicedWasserstein
from ganbench.networks.mlp import Mlp
from ganbench.objective import Objective, Optimizer
from ganbench.sampling import draw_samples, evaluation_latents
from ganbench.streams import generator

OBJECTIVES = ("nsgan", "lsgan", "hinge", "wgan", "wgan-gp")
ONLY_FULL = ("wgan-gp",)
FIRST_SEARCH_SEED = 1000  # none of the seeds that an objective is judged on
RATES, CLIPS = (-4.5, -2.0), (-2.5, -0.5)  # log10 of the learning rate and of wgan's clipping constant
BETAS = (0.0, 0.5, 0.9)
SAMPLES = 2500
METRIC = SlicedWasserstein(projections=100)


def candidates(name: str, n: int) -> list[Objective]:
    """The default settings, then n − 1 random ones: the same learning rates for every objective."""
    return [objective(name), *(_random(name, k) for k in range(1, n))]


def _random(name: str, k: int) -> Objective:
    rate, clip, beta = torch.rand(3, generator=generator(k, "random-search")).tolist()
    lr = 10 ** (RATES[0] + rate * (RATES[1] - RATES[0]))
    if name == "wgan":
        bound = 10 ** (CLIPS[0] + clip * (CLIPS[1] - CLIPS[0]))
        return objective(name, optimizer=Optimizer("rmsprop", lr=lr), clip=bound)
    return objective(name, optimizer=Optimizer("adam", lr=lr, beta1=BETAS[int(beta * len(BETAS))]))


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one objective; none under the quick profile where that leaves it out."""
    if part in ONLY_FULL and profile.name == "quick":
        return []
    points, steps = profile.pick((6, 400), (12, 2000))
    searched = range(FIRST_SEARCH_SEED, FIRST_SEARCH_SEED + profile.pick(2, 3))
    return list(measure(part, profile.replications(profile.pick(10, 20)), searched, points, steps))


def measure(
    name: str, seeds: Sequence[int], searched: Sequence[int], points: int, steps: int
) -> Iterator[dict[str, Any]]:
    """Search, then train with the default and with the best settings on seeds that the search has not seen.

    Quantities: ``searched``, the mean log of sliced W1 of a candidate, its number as ``at``; ``log_w1``, that of every
    seed, with the arms ``name/default`` and ``name/tuned``. Infinite where a sample is not finite.
    """
    found = candidates(name, points)
    scores = [float(np.mean(distances(candidate, searched, steps))) for candidate in found]
    for k, score in enumerate(scores):
        yield row("searched", score, arm=name, at=k)
    for arm, chosen in (("default", found[0]), ("tuned", found[int(np.argmin(scores))])):
        for seed, distance in zip(seeds, distances(chosen, seeds, steps), strict=True):
            yield row("log_w1", distance, arm=f"{name}/{arm}", seed=seed)


def distances(chosen: Objective, seeds: Sequence[int], steps: int) -> list[float]:
    """The log of sliced W1 of every seed after training."""
    ring = population(Ring())
    trained = cohort(ring, Mlp(), chosen, seeds, steps)
    for _ in training(trained):
        pass
    evaluator = ring.evaluator()
    real, latents = evaluator.measure(ring.reference(SAMPLES)), evaluation_latents(seeds, SAMPLES, Mlp().latent)
    found = [evaluator.measure(points) for points in draw_samples(trained.sample, latents)]
    return [math.log(METRIC.value(f, real)) if np.isfinite(f.points).all() else math.inf for f in found]


EXPERIMENT = Experiment("tuned-objectives", OBJECTIVES, run, 0.9)

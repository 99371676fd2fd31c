"""Clipped critics with one constant each: when their weights reach the bound, and what the generator gets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.laboratory import cohort, objective, population, training
from ganbench.cohort import Cohort
from ganbench.datasets.synthetic import Ring
from ganbench.metrics.transport import SlicedWasserstein
from ganbench.networks.mlp import Mlp
from ganbench.objective import Optimizer
from ganbench.readings import READINGS
from ganbench.sampling import draw_samples, evaluation_latents

CONSTANTS = {"0.001": 0.001, "0.003": 0.003, "0.01": 0.01, "0.03": 0.03, "0.1": 0.1, "0.3": 0.3, "1": 1.0}
ONLY_FULL = ("0.003", "0.3")
OPTIMIZER = Optimizer("rmsprop", lr=5e-4)
AT_THE_BOUND = 0.95  # of the constant
MOST = 0.9  # of the weights
LAST = 100  # generator steps whose gradients are averaged
SAMPLES = 2500
METRIC = SlicedWasserstein(projections=100)


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """All measurements of one constant; none under the quick profile where that leaves it out."""
    if part in ONLY_FULL and profile.name == "quick":
        return []
    seeds = profile.replications(profile.pick(6, 10))
    return list(measure(CONSTANTS[part], seeds, profile.pick(600, 1500), depth=3))


def measure(c: float, seeds: Sequence[int], steps: int, depth: int) -> Iterator[dict[str, Any]]:
    """Train one cohort.

    Quantities, with the constant as ``at``: ``boundary``, the first generator step after which 90 % of the critic's
    weights are at the bound, infinite where that never comes; ``share``, how many are there at the end;
    ``log_gradient``, the mean of log10 of the generator's gradient norm over the last steps; ``sliced_w1`` at the end.
    """
    samples = population(Ring())
    clipped = objective("wgan", clip=c, optimizer=OPTIMIZER)
    trained = cohort(samples, Mlp(depth=depth), clipped, seeds, steps)
    shares, norms = [], []
    for segment in training(trained, range(1, steps + 1)):
        shares.append(at_the_bound(trained, c))
        norms.append(segment.readings[:, :, READINGS.index("generator_grad_norm")])
    there = torch.stack(shares).numpy()  # (steps, seeds)
    with np.errstate(divide="ignore"):  # a gradient of exactly zero is a result: minus infinity
        gradients = np.log10(np.concatenate(norms)[-LAST:]).mean(axis=0)
    distances = _distances(trained)
    for k, seed in enumerate(seeds):
        yield row("boundary", first_step(there[:, k] >= MOST), seed=seed, at=c)
        yield row("share", there[-1, k], seed=seed, at=c)
        yield row("log_gradient", gradients[k], seed=seed, at=c)
        yield row("sliced_w1", distances[k], seed=seed, at=c)


def at_the_bound(trained: Cohort, c: float) -> Tensor:
    """The share of each critic's weights and biases beyond 95 % of the constant: (seeds,)."""
    weights = torch.cat([w.flatten(1) for w in trained.critic.weights.values()], dim=1)
    return (weights.abs() > AT_THE_BOUND * c).double().mean(dim=1)[: len(trained.seeds)]


def first_step(reached: NDArray[np.bool_]) -> float:
    """The first step, counted from 1, at which a condition holds; infinite where it never does."""
    found = np.flatnonzero(reached)
    return float(found[0] + 1) if len(found) else math.inf


def _distances(trained: Cohort) -> list[float]:
    """Sliced W1 of every seed; infinite where a sample is not finite, as nothing can be worse."""
    real = trained.setting.population
    evaluator = real.evaluator()
    reference = evaluator.measure(real.reference(SAMPLES))
    latents = evaluation_latents(trained.seeds, SAMPLES, trained.setting.architecture.latent)
    found = [evaluator.measure(points) for points in draw_samples(trained.sample, latents)]
    return [METRIC.value(f, reference) if np.isfinite(f.points).all() else math.inf for f in found]


SWEEP = Experiment("clip-sweep", tuple(CONSTANTS), run, 0.7)

"""Training under the minimax loss and under the −log D trick, with a generator that SGD or Adam moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganbench.claims.experiment import Experiment, Profile, row
from ganbench.claims.frozen_generator import ADAM, BATCH, CURVED, IMAGES, PLANE
from ganbench.claims.laboratory import cohort, objective, population, training
from ganbench.cohort import Cohort
from ganbench.dataset import Population
from ganbench.measured import Evaluator, Measured
from ganbench.metrics.transport import SlicedWasserstein
from ganbench.objective import Optimizer
from ganbench.sampling import draw_samples, evaluation_latents
from ganbench.streams import generator

EARLY, STEPS = 150, 3000  # pairs of updates
SAMPLES = 2500
METRIC = SlicedWasserstein(projections=100)
GENERATORS = {"sgd": Optimizer("sgd", lr=0.01), "adam": ADAM}
PLACES = {"ring": PLANE, "ring64": CURVED, "digits": IMAGES}
PARTS = tuple(f"{place}-{name}-{how}" for place in PLACES for how in GENERATORS for name in ("gan", "nsgan"))
ONLY_FULL = tuple(part for part in PARTS if not part.startswith("ring-"))


def run(profile: Profile, part: str) -> list[dict[str, Any]]:
    """``sliced_w1`` of every seed, early and at the end, NaN where a sample is not finite; ``floor``, of real ones."""
    if part in ONLY_FULL and profile.name != "full":
        return []
    place, name, how = part.split("-")
    dataset, architecture = PLACES[place]
    seeds, samples = profile.replications(profile.pick(8, 20)), population(dataset)
    chosen = objective(name, optimizer=ADAM)
    trained = cohort(samples, architecture, chosen, seeds, STEPS, BATCH, generator_optimizer=GENERATORS[how])
    evaluator, arm = samples.evaluator(), f"{place}/{name}/{how}"
    real = evaluator.measure(samples.reference(SAMPLES))
    rows = [row("floor", _floor(samples, evaluator, real), arm=arm)]
    for segment in training(trained, (EARLY,)):
        if segment.last in (EARLY, STEPS):
            rows += measure(trained, evaluator, real, arm, segment.last)
    return rows


def measure(trained: Cohort, evaluator: Evaluator, real: Measured, arm: str, at: int) -> list[dict[str, Any]]:
    """Sliced W1 of the generators at rest."""
    latents = evaluation_latents(trained.seeds, SAMPLES, trained.setting.architecture.latent)
    found = [evaluator.measure(points) for points in draw_samples(trained.sample, latents)]
    return [
        row("sliced_w1", _distance(one, real), arm=arm, seed=seed, at=at)
        for seed, one in zip(trained.seeds, found, strict=True)
    ]


def _distance(found: Measured, real: Measured) -> float:
    return METRIC.value(found, real) if np.isfinite(found.points).all() else np.nan


def _floor(samples: Population, evaluator: Evaluator, real: Measured) -> float:
    fresh = samples.take(samples.draw((SAMPLES,), generator(0, "floor")))
    return METRIC.value(evaluator.measure(fresh), real)


TRICK_TRAINING = Experiment("trick-training", PARTS, run, 1.0)

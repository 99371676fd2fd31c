"""Samples of every seed of a cohort, and what the metrics say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ganbench.engine.cohort import Cohort
from ganbench.metrics.suite import Evaluation, MetricSuite
from ganbench.rng import generator

# Samples are drawn in batches of this size, always: a generator with batch normalisation gives other samples in others.
SAMPLING_BATCH = 500


def evaluation_latents(seeds: Sequence[int], n: int, size: int) -> Tensor:
    """The latents that a seed's evaluations use, keyed by the seed and so the same all run: (seeds, n, size)."""
    return torch.stack([torch.randn(n, size, generator=generator(s, "evaluation-latent")) for s in seeds])


def draw_samples(sample: Callable[[Tensor], Tensor], latents: Tensor) -> Tensor:
    """Samples of every seed from its own latents (seeds, n, z): (seeds, n, *sample_shape), float32, on the CPU."""
    samples = [sample(part) for part in latents.split(SAMPLING_BATCH, dim=1)]
    return torch.cat(samples, dim=1).float().cpu()


def evaluate(cohort: Cohort, suite: MetricSuite, alive: Mapping[int, bool]) -> dict[int, Evaluation]:
    """What is found of every seed that has not diverged, by seed."""
    config = cohort.config
    latents = evaluation_latents(cohort.seeds, suite.n_samples, config.architecture.latent)
    samples = draw_samples(cohort.sample, latents.to(config.device, config.dtype))
    return {seed: suite.findings(samples[k]) for k, seed in enumerate(cohort.seeds) if alive[seed]}

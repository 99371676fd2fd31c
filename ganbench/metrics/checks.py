"""Where a metric is defined: what every metric demands of its samples before it computes anything."""

from __future__ import annotations

import numpy as np

from ganbench.errors import MetricError, SampleError
from ganbench.interfaces.metric import Measured, Metric


def require_samples(metric: Metric, fake: Measured, real: Measured, at_least: int = 1) -> None:
    """Raises MetricError unless both sets have so many samples and all of them are finite."""
    for side, samples in (("fake", fake), ("real", real)):
        if len(samples) < at_least:
            sentence = f"{metric.name} needs at least {at_least} {side} samples, got {len(samples)}"
            raise SampleError(sentence, metric.name, "few", side, len(samples), at_least)
        bad = not_finite(samples)
        if bad:
            sentence = f"{metric.name} needs finite samples, but {bad} of {len(samples)} {side} ones are not"
            raise SampleError(sentence, metric.name, "not-finite", side, bad)


def require_modes(metric: Metric, fake: Measured) -> None:
    """Raises MetricError where the evaluator knows no modes to count."""
    if fake.n_modes == 0:
        sentence = f"{metric.name} needs known modes or classes, and the evaluator of these samples has none"
        raise MetricError(sentence, subject=metric.name, code="no-modes")


def not_finite(samples: Measured) -> int:
    """How many samples are not finite, by their values or their features; counted once."""

    def count() -> int:
        finite = np.isfinite(samples.points).all(axis=1) & np.isfinite(samples.features).all(axis=1)
        return int((~finite).sum())

    return samples.once("not finite", count)
